/** Text that tries to be shell, and the shells of this machine that it is tried on. */
import fc from 'fast-check'
import {existsSync} from 'node:fs'

/** Each would leave the file `hit`, were it run. No NUL, which no argument can hold. */
export function hostile(hit: string): fc.Arbitrary<string> {
  const attempts = [
    `$(touch ${hit})`, `\`touch ${hit}\``, `'; touch ${hit}; '`, `"; touch ${hit}; "`, `\n touch ${hit}\n`, `; touch ${hit} #`, `| touch ${hit}`, `&& touch ${hit}`,
    `\\'; touch ${hit};`, `\n#$ -o ${hit}\n`, `END_OF_START\ntouch ${hit}`, `\nEND_OF_ENVIRONMENT\ntouch ${hit}\n`, `() { :; }; touch ${hit}`, `a[$(touch ${hit})]`, `\${x:=$(touch ${hit})}`,
    `!!`, `%s\\n`, `-x`, `~`, `*`, '$HOME', '\u{1F980}', '\t', '\r\n', '\x1B[2J', '\\', "'", '"', '!',
  ]
  const piece = fc.oneof(fc.constantFrom(...attempts), fc.string({maxLength: 12}), fc.string({unit: 'binary', maxLength: 6}))
  return fc.array(piece, {minLength: 1, maxLength: 4}).map((pieces) => pieces.join('').replaceAll('\0', ''))
}

/** The same on one line. */
export function hostileLine(hit: string): fc.Arbitrary<string> {
  return hostile(hit).map((text) => text.replace(/[\n\r]/g, ''))
}

/** Of a list of command lines, those whose shell is there. */
export function shellsHere(lines: readonly string[][]): string[][] {
  return lines.filter(([name]) => existsSync(`/bin/${name}`) || existsSync(`/usr/bin/${name}`))
}

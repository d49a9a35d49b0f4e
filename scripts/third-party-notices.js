/** The notices that must go with the bundle: which packages' code is in it, and their licences word for word. */
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'

/** Licences that let their code be in this bundle when their text goes with it. */
const KNOWN = new Set(['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', '(BSD-3-Clause OR GPL-2.0)'])

/** Packages that say "MIT" and whose it is in their package.json, and bring no text. */
const WITHOUT_TEXT = new Set(['@nodable/entities'])

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR
ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

/** The directories below `root` of all packages that have at least a byte in the bundle, from esbuild's own account of it. */
export function bundledPackages({outputs}) {
  const inputs = Object.values(outputs).flatMap((output) => Object.entries(output.inputs))
  const found = inputs.filter(([, {bytesInOutput}]) => bytesInOutput > 0).map(([path]) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
  return [...new Set(found.filter((directory) => directory !== undefined))]
}

/** The text of THIRD-PARTY-NOTICES. Throws for a package whose licence is not known here, or has no text. */
export function noticesOf(root, directories) {
  const notices = directories.map((directory) => notice(join(root, directory)))
  // The same version may be installed in several places.
  return `The program contains code of the packages below, each under its own licence.\n\n${[...new Set(notices)].sort().join('\n')}`
}

function notice(directory) {
  const {name, version, license, author} = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  if (!KNOWN.has(license)) throw new Error(`${name} ${version} has the licence ${JSON.stringify(license)}, which scripts/third-party-notices.js does not know. Read it and add it there, or take another package.`)
  const files = readdirSync(directory).filter((file) => /^(licen[sc]e|copying|notice)/i.test(file)).sort()
  const texts = files.map((file) => readFileSync(join(directory, file), 'utf8').trim())
  if (texts.length === 0 && WITHOUT_TEXT.has(name) && license === 'MIT') texts.push(`Copyright (c) ${typeof author === 'string' ? author : author.name}\n\n${MIT}`)
  if (texts.length === 0) throw new Error(`${name} ${version} brings no text of its licence. Add it to scripts/third-party-notices.js, or take another package.`)
  return `${'-'.repeat(79)}\n${name} ${version} (${license})\n\n${texts.join('\n\n')}\n`
}

/** What a session's directory asks of its running job: legs of a route that the job opens on the node (jupyter/legs.ts). */
import {randomBytes} from 'node:crypto'
import type {Ask} from '../ask.ts'
import {isLegName} from '../rules.ts'
import {JnodeError} from '../errors.ts'
import type {RunResult} from '../ssh/remote.ts'
import {quote} from '../shell.ts'

/** Asks the job to run a leg's program, which tells in the record what came of it. A leg of that name runs once. */
export function startLeg(dir: string, {id, program}: {id: string; program: string}): Ask<void> {
  const file = quote(`${dir}/${id}.py`)
  return {
    // Only where the session still is. The line is one write, and comes when the program is whole.
    script: `umask 077; cd ${quote(dir)} || exit 1
printf %s ${quote(program)} >${file}.new && mv -f ${file}.new ${file} && printf '%s\\n' ${quote(`start ${id}`)} >>legs`,
    read: check(dir),
  }
}

/** The legs that are asked for now, the latest last. */
export function readLegs(dir: string): Ask<string[]> {
  return {
    script: `cat ${quote(`${dir}/legs`)} 2>/dev/null; exit 0`,
    read({stdout}) {
      const lines = stdout.split('\n').slice(0, -1).map((line) => line.split(' '))
      const ended = new Set(lines.filter(([verb]) => verb === 'end').map(([, id]) => id))
      return lines.filter(([verb, id]) => verb === 'start' && isLegName(id ?? '') && !ended.has(id)).map(([, id]) => id!)
    },
  }
}

/** Also removes the leg's program, and the socket where ssh made one for it. */
export function endLeg(dir: string, id: string): Ask<void> {
  return {script: `cd ${quote(dir)} && printf '%s\\n' ${quote(`end ${id}`)} >>legs && rm -f ${['py', 'sock', 'known'].map((kind) => quote(`${id}.${kind}`)).join(' ')}`, read: () => {}}
}

/** The session's certificate with its key: the one that is there, else this one, put there. Two at the same moment get the same. */
export function sharedIdentity(dir: string, fresh: string): Ask<string> {
  const own = `identity.${randomBytes(6).toString('hex')}`
  return {
    script: `umask 077; cd ${quote(dir)} || exit 1
printf %s ${quote(fresh)} >${own} || { rm -f ${own}; exit 1; }
ln ${own} identity.pem 2>/dev/null || [ -s identity.pem ] || mv ${own} identity.pem
rm -f ${own}; cat identity.pem`,
    read(answer) {
      check(dir)(answer)
      return answer.stdout
    },
  }
}

function check(dir: string) {
  return ({exitCode, stderr}: RunResult): void => {
    if (exitCode === 0) return
    const why = stderr.trim().split('\n').at(-1) ?? ''
    throw new JnodeError('remote-storage', `Cannot write to ${dir} on the cluster: ${why}`, {hint: 'Free some space or quota in your home directory there.'})
  }
}

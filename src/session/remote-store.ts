/**
 * A session's directory on the cluster, `~/.jnode/sessions/NAME/` (0700): the truth about it, so that another
 * computer can take over. All questions here; a flow asks them.
 *
 * job.sh, log, record: the job's. session.json: the facts. token, proof: secrets of their own, 0600, no newline
 * (Jupyter would take it as a part of the token).
 */
import {randomBytes} from 'node:crypto'
import type {Ask} from '../ask.ts'
import {LONG_ANSWER_BYTES, RECORD_BYTES, RECORD_LINES} from '../bounds.ts'
import {JnodeError} from '../errors.ts'
import type {RunResult} from '../ssh/remote.ts'
import {isSessionName, remoteHome} from '../rules.ts'
import {quote} from '../shell.ts'
import {trimEndOf} from '../trim-end.ts'
import {isToken, sharedFactsSchema, type SharedFacts} from './facts.ts'

/** What lies on the cluster for one session. */
export interface RemoteSession {
  facts: SharedFacts
  token: string
  /** The job's record as text; empty before the job runs. */
  record: string
  /** What the server says of its use, as text; empty before it runs. */
  activity: string
}

export interface RemoteListing {
  sessions: RemoteSession[]
  /** Directories whose facts cannot be read or do not fit: leftovers of a crash, of a newer jnode, or somebody's forgery. Nothing of them is used. */
  broken: {name: string; why: string}[]
}

/** Where sessions lie, for a home directory as the head node tells it. */
export function remoteDir(home: string, name: string): string {
  return `${trimEndOf(home, '/')}/.jnode/sessions/${name}`
}

/** Begins the name of each session's job. */
export const JOB_PREFIX = 'jnode-'

/** Grid Engine's name for a session's job. */
export function jobNameOf(name: string): string {
  return `${JOB_PREFIX}${name}`
}

/** The session that a job's name speaks of; null for another name. */
export function sessionOfJob(jobName: string): string | null {
  const name = jobName.startsWith(JOB_PREFIX) ? jobName.slice(JOB_PREFIX.length) : ''
  return isSessionName(name) ? name : null
}

/** What is submitted, in the session's directory. */
export const JOB_SCRIPT = 'job.sh'

const EXISTS = 17
const CANNOT_WRITE = 18

export interface NewSession {
  facts: SharedFacts
  token: string
  /** Answered by our server to anyone who asks, so that we know it before it is shown the token. */
  proof: string
  jobScript: string
}

/** Makes the directory and its files, or nothing. Throws `session-exists`, `remote-storage`. */
export function createRemoteSession({facts, token, proof, jobScript}: NewSession): Ask<void> {
  const dir = quote(facts.remoteDir)
  const files = {[JOB_SCRIPT]: jobScript, token, proof, 'session.json': JSON.stringify(facts, null, 2), record: '', legs: '', log: ''}
  // printf is the shell's own: nothing of this shows in a process list. `record` and `legs` exist from the start, because
  // NFS may remember for half a minute that a file is missing. Of a full disk some shells' printf says no more than
  // "I/O error"; a program that tries to write something large has the reason.
  const writes = Object.entries(files).map(([file, text]) => `printf %s ${quote(text)} > ${dir}/${file}`)
  return {
    script: `umask 077
parent=${quote(parentOf(facts.remoteDir))}
mkdir -p "$parent" || exit ${CANNOT_WRITE}
mkdir ${dir} || { [ -d ${dir} ] && exit ${EXISTS}; exit ${CANNOT_WRITE}; }
${writes.join(' &&\n')} || { cat /bin/sh > ${dir}/log; rm -rf ${dir}; exit ${CANNOT_WRITE}; }`,
    read({exitCode, stderr}) {
      if (exitCode === 0) return
      if (exitCode === EXISTS) {
        throw new JnodeError('session-exists', `A session named "${facts.name}" exists on ${facts.host}`, {
          hint: `Come back to it with \`jnode connect ${facts.name}\`, end it with \`jnode stop ${facts.name}\`, or choose another name.`,
        })
      }
      throw cannotWrite(facts, stderr)
    },
  }
}

function cannotWrite(facts: SharedFacts, stderr: string): JnodeError {
  const why = stderr.trim().split('\n').at(-1)?.split(':').slice(-2).join(':').trim() || 'it cannot be written to'
  return new JnodeError('remote-storage', `Cannot store the session below ${parentOf(facts.remoteDir)} on ${facts.host}: ${why}`, {
    hint: 'Free some space or quota in your home directory there, and check that it is yours to write to.',
  })
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** Replaces the facts on the cluster, by rename. */
export function updateRemoteFacts(facts: SharedFacts): Ask<void> {
  const file = quote(`${facts.remoteDir}/session.json`)
  return {
    // Only where the session still is: a late update must not bring a removed directory back to life.
    script: `umask 077; [ -d ${quote(facts.remoteDir)} ] || exit 0
printf %s ${quote(JSON.stringify(facts, null, 2))} > ${file}.new && mv -f ${file}.new ${file}`,
    read({exitCode, stderr}) {
      if (exitCode !== 0) throw cannotWrite(facts, stderr)
    },
  }
}

/**
 * Removes a session's directory, if it is still this session's: another one may have taken the name. Where a last
 * process of the job still holds a file open, NFS keeps a `.nfs*` file and the first try fails; so it is tried for two seconds.
 */
export function removeRemoteSession({remoteDir: dir, id}: Pick<SharedFacts, 'remoteDir' | 'id'>): Ask<{removed: boolean; why: string}> {
  const path = quote(dir)
  return {
    script: `[ -e ${path} ] || exit 0
[ ! -s ${path}/session.json ] || grep -q ${quote(id)} ${path}/session.json || exit 0
for i in 1 2 3 4 5 6 7 8; do rm -rf -- ${path} 2>/dev/null; [ -e ${path} ] || exit 0; sleep 0.25 2>/dev/null || sleep 1; done
rm -rf -- ${path}; [ ! -e ${path} ]`,
    read: ({exitCode, stderr}) => ({removed: exitCode === 0, why: stderr.trim()}),
  }
}

/** Bytes that are read of any other file of a session's directory, each of which has less than 3 kB, and how many directories are. */
const FILE_BYTES = 65_536
const MOST_SESSIONS = 2000

/** All sessions of the user on this cluster, or the named one only. */
export function readRemoteSessions(name?: string): Ask<RemoteListing> {
  const mark = `jnode-file-${randomBytes(8).toString('hex')}`
  const pattern = name === undefined ? '*' : quote(name)
  return {
    script: `printf '\\n%s home .\\n%s' ${mark} "$HOME"
cd "$HOME/.jnode/sessions" 2>/dev/null || exit 0
for dir in ${pattern}; do
  [ -d "$dir" ] || continue
  for file in session.json token record activity; do
    most=${FILE_BYTES}
    [ "$file" != record ] || most=${RECORD_BYTES + 1}
    printf '\\n%s %s %s\\n' ${mark} "$file" "$dir"; head -c $most "$dir/$file" 2>/dev/null
  done
done
exit 0`,
    maxBytes: LONG_ANSWER_BYTES,
    read: (answer) => sortOut(answer, mark, name),
  }
}

/** Names of sessions in whose directories something has come or gone in the last minutes, by the head node's own clock. */
export function recentSessions(minutes: number): Ask<ReadonlySet<string>> {
  return {
    script: `cd "$HOME/.jnode/sessions" 2>/dev/null || exit 0; find . -mindepth 1 -maxdepth 1 -mmin -${minutes} -print`,
    read: ({stdout}) => new Set(stdout.split('\n').filter(Boolean).map((path) => path.slice(2))),
  }
}

/** A host that is asked for one session gets no other one accepted. */
function sortOut({stdout}: RunResult, mark: string, asked?: string): RemoteListing {
  let home = ''
  const found = new Map<string, Record<string, string>>()
  for (const part of stdout.split(`\n${mark} `).slice(1)) {
    const [, file, name, text] = /^(\S+) ([^\n]*)\n([\s\S]*)$/.exec(part) ?? []
    if (file === undefined || name === undefined) continue
    if (file === 'home') home = text ?? ''
    if (file === 'home' || (asked !== undefined && name !== asked)) continue
    if (!found.has(name) && found.size === MOST_SESSIONS) continue
    const files = found.get(name) ?? {}
    files[file] = text ?? ''
    found.set(name, files)
  }
  const listing: RemoteListing = {sessions: [], broken: []}
  const place = remoteHome(home, 'the head node')
  for (const [name, files] of found) {
    const facts = readFacts(files['session.json'] ?? '', {name, remoteDir: remoteDir(place, name)})
    const token = (files['token'] ?? '').trim()
    if (typeof facts === 'string') listing.broken.push({name, why: facts})
    else if (!isToken(token)) listing.broken.push({name, why: 'its token is missing or is none'})
    else listing.sessions.push({facts, token, record: files['record'] ?? '', activity: files['activity'] ?? ''})
  }
  return listing
}

/** The facts, or why they are of no use. They must be those of the directory they lie in. */
function readFacts(text: string, place: Pick<SharedFacts, 'name' | 'remoteDir'>): SharedFacts | string {
  if (!isSessionName(place.name)) return 'jnode gives no such name'
  if (text.trim() === '') return 'session.json is missing or empty'
  try {
    const raw: unknown = JSON.parse(text)
    const version = (raw as {version?: unknown} | null)?.version
    if (typeof version === 'number' && version > 1) return 'it was made by a newer jnode'
    const parsed = sharedFactsSchema.safeParse(raw)
    const wrong = parsed.success ? misfits(parsed.data, place) : [...new Set(parsed.error.issues.map((issue) => issue.path.join('.') || 'everything'))]
    return parsed.success && wrong.length === 0 ? {...parsed.data, remoteDir: place.remoteDir} : `session.json lacks a right value for ${wrong.join(', ')}`
  } catch {
    return 'session.json is cut short or not JSON'
  }
}

/** A home directory may be called otherwise on another login node, so only the end of the path must fit; where it lies is known. */
function misfits({name, jobName, remoteDir: dir}: SharedFacts, place: Pick<SharedFacts, 'name' | 'remoteDir'>): string[] {
  const fits = {name: name === place.name, jobName: jobName === jobNameOf(place.name), remoteDir: dir.endsWith(remoteDir('', place.name))}
  return Object.entries(fits).filter(([, is]) => !is).map(([key]) => key)
}

/** The job's record as it is now; one byte more than `RECORD_BYTES` where it is longer. */
export function readRecordText(dir: string): Ask<string> {
  return {script: `head -c ${RECORD_BYTES + 1} ${quote(`${dir}/record`)} 2>/dev/null; exit 0`, read: ({stdout}) => stdout}
}

/** The last lines of the job's log, at most 64 kB. */
export function readLogTail(logPath: string, lines: number): Ask<string> {
  return {
    script: `tail -c 65536 ${quote(logPath)} 2>/dev/null | tail -n ${Math.trunc(lines)}; exit 0`,
    read: ({stdout}) => stdout,
  }
}

/**
 * Shell text for `follow`: prints the record's lines as they come, each once, for `seconds`.
 * The file is opened anew each time (NFS promises fresh content only then) and read by the shell itself,
 * so a round costs one `sleep` on the head node.
 */
export function followRecordScript(dir: string, seconds: number): string {
  return `file=${quote(`${dir}/record`)}
seen=0; rounds=0
while [ $rounds -lt ${Math.ceil(seconds / 0.15)} ] && [ -f "$file" ]; do
  n=0
  while IFS= read -r line; do
    n=$((n+1))
    [ $n -le ${RECORD_LINES + 1} ] || exit 0
    [ $n -gt $seen ] && printf '%s\\n' "$line"
  done < "$file"
  seen=$n
  rounds=$((rounds+1))
  sleep 0.15 2>/dev/null || { sleep 1; rounds=$((rounds+6)); }
done`
}

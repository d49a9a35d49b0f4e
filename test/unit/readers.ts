/** Every reader of what strangers say: how it is called with a text, the texts that would cost it most, and how much it takes. */
import {PassThrough, type Duplex} from 'node:stream'
import {readAnswer, type Ask} from '../../src/ask.ts'
import {ANSWER_BYTES, LINE_CHARS, PROVED_BYTES, RECORD_BYTES, UNPROVED_BYTES} from '../../src/bounds.ts'
import {JnodeError, redact} from '../../src/errors.ts'
import {serverInLog} from '../../src/flows/foreign-server.ts'
import {checkPort} from '../../src/flows/listener-owner.ts'
import {lookAtSocket} from '../../src/flows/socket-owner.ts'
import {headAddresses, whoIsTheHead} from '../../src/flows/ssh-legs.ts'
import {fetchOver} from '../../src/http.ts'
import {parseActivity} from '../../src/jupyter/activity.ts'
import {jupyterApi} from '../../src/jupyter/api.ts'
import {findJupyter} from '../../src/jupyter/find.ts'
import {readRuntimeFile, serversOfJob} from '../../src/jupyter/job-servers.ts'
import {lastLines, readLog} from '../../src/jupyter/log.ts'
import {findJupyterPlaces} from '../../src/jupyter/places.ts'
import {growingRecord, parseRecord} from '../../src/jupyter/record.ts'
import {showsProof} from '../../src/jupyter/shows-proof.ts'
import {lineSplitter} from '../../src/lines.ts'
import {homeSpace} from '../../src/session/home.ts'
import {printable} from '../../src/printable.ts'
import {readLegs, sharedIdentity} from '../../src/session/remote-legs.ts'
import {createRemoteSession, readLogTail, readRecordText, readRemoteSessions, recentSessions, remoteDir, removeRemoteSession} from '../../src/session/remote-store.ts'
import {gridEngine} from '../../src/sge/client.ts'
import {parseJobList, XML_BYTES} from '../../src/sge/qstat.ts'
import {discoverSite} from '../../src/sge/site.ts'
import {machineOf} from '../../src/ssh/machine.ts'
import {isChangePrompt, isPasswordPrompt} from '../../src/ssh/password-prompt.ts'
import {followOver, runOver, type ShellProcess} from '../../src/ssh/remote-command.ts'
import type {RunResult} from '../../src/ssh/remote.ts'
import {fixture} from './sge/fixture.ts'

/** A text of this many characters. */
export type Worst = (size: number) => string

export interface Reader {
  /** May throw the typed error. Without the limit, where somebody else keeps it. */
  read(text: string): unknown
  worst: readonly Worst[]
  /** Texts of the fixtures that it reads, by their names. */
  fixtures: RegExp
  /** Bytes of a text that it takes, and what it does with a longer one; null where a text of any length comes line by line. */
  limit: {bytes: number; refuses(text: string): unknown} | null
}

/** The same again and again, between two texts. */
export function times(piece: string, before = '', after = ''): Worst {
  return (size) => before + piece.repeat(Math.max(0, Math.ceil((size - before.length - after.length) / piece.length))) + after
}

const answer = (stdout: string): RunResult => ({exitCode: 0, stdout, stderr: ''})

interface Options {
  fixtures?: RegExp
  /** Where the text stands in the answer. */
  inside?(text: string): RunResult
}

/** A question's reader; it is refused what is too long before the reader sees it. */
function asked(question: Ask<unknown>, worst: readonly Worst[], {fixtures = /^(qstat-j|qsub|qalter)/, inside = answer}: Options = {}): Reader {
  return {
    read: (text) => question.read(inside(text)),
    worst,
    fixtures,
    limit: {
      bytes: question.maxBytes ?? ANSWER_BYTES,
      refuses: (text) => readAnswer({...question, read: () => 'it was read'}, inside(text)),
    },
  }
}

const grid = gridEngine({setup: ''})
const LIST = /^qstat-(?!j-|g-c).*\.xml$/
const listed = fixture('qstat-running.xml')
const [LIST_HEAD, LIST_TAIL] = [listed.slice(0, listed.indexOf('<job_list')), listed.slice(listed.lastIndexOf('</job_list>') + '</job_list>'.length)] as const
const JOB = listed.slice(listed.indexOf('<job_list'), listed.indexOf('</job_list>') + '</job_list>'.length)
const DETAILS = 'job_number: 7\nowner: a\njob_name: b\n'
const inDetails = (text: string) => answer(`${DETAILS}${text}`)

const XML_WORST: readonly Worst[] = [
  times('<!---->'), times('<!---->', '', listed), times('<?a?>'), times(' <!-- -->', "<?xml version='1.0'?>"), times('<'), times('<a'), times('<a>'), times('<?xml '), times('x', '<'), times(' ', '<job_info ', '>'), times('a="', '<job_info '),
  times('<job_info><queue_info>'), times('<a>', LIST_HEAD, LIST_TAIL), times(JOB, LIST_HEAD, LIST_TAIL), times('&lt;', `${LIST_HEAD}<job_list><JB_name>`, `</JB_name></job_list>${LIST_TAIL}`),
  times('<![CDATA[x]]>', `${LIST_HEAD}<job_list><JB_name>`, `</JB_name></job_list>${LIST_TAIL}`), times('<!ENTITY a "&b;&b;">', '<!DOCTYPE job_info [', `]>${listed}`),
]

const NOTES_WORST: readonly Worst[] = [times('(-l '), times('(project '), times('queue instance "'), times('parallel environment "'), times('(-l a=1) cannot run because exclusive resource ('), times('.0', '(-l a=1) cannot run in queue "q" because it offers only hc:gpu=0', '!')]

const remembered = readRemoteSessions()
const FILE_MARK = /jnode-file-\w+/.exec(remembered.script)![0]
const FACTS = {remoteDir: '/h/.jnode/sessions/a', id: 'a', name: 'a', host: 'h'} as Parameters<typeof createRemoteSession>[0]['facts']
const LOG = /^(lab|notebook|server|jupyter).*\.log$/

/** A shell whose stdout is this text between the marks that it was sent. */
async function shellThatSays(text: string): Promise<ShellProcess> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  let script = ''
  stdin.on('data', (data: Buffer) => {
    script += data.toString()
    const mark = /jnode-[0-9a-f]{24}/.exec(script)?.[0]
    if (mark === undefined || stdout.writableEnded) return
    stdout.end(`${mark} begin 0\n${text}\n${mark} end 0${script.includes('exec 3<&0') ? '' : ' 0'}\n`)
    stderr.end(`${mark} begin 0\n\n${mark} end 0\n`)
  })
  return {stdin, stdout, stderr, ended: Promise.resolve(), kill: () => stdout.destroy()}
}

/** A node that prints this text when it is asked. */
const onNode = (text: string) => ({nodeName: 'n1', script: (script: string) => script, notRun: (why: string) => new JnodeError('no-route', why), remote: {run: async () => [answer(text)]} as never})

const run = (text: string) => runOver(() => shellThatSays(text), 'alice@head')
const follow = (text: string, onLine: (line: string) => unknown) => followOver(() => shellThatSays(text), 'alice@head')('tail -f log', onLine, new AbortController().signal)

/** A stream whose other end sends this text, whatever it is sent. */
function sayer(text: string): Duplex {
  const [sent, stream] = [new PassThrough(), new PassThrough()]
  sent.resume()
  stream.end(text)
  return Object.assign(stream, {write: (...args: unknown[]) => sent.write(args[0] as Buffer), end: () => stream})
}
const says = (text: string) => fetchOver(async () => sayer(text))
const ok = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const api = (text: string) => jupyterApi({baseUrl: 'http://127.0.0.1:8888/', token: 't', fetch: says(text)})

export const READERS: Record<string, Reader> = {
  'the XML of qstat': {read: parseJobList, worst: XML_WORST, fixtures: LIST, limit: {bytes: XML_BYTES, refuses: parseJobList}},
  'qstat -xml, from the head node': asked(grid.list('alice', {prefix: '', ids: []}), [...XML_WORST, times('@@jnode status 1')], {fixtures: LIST, inside: (text) => answer(`${text}@@jnode status 0\n`)}),
  'what was called': asked(grid.remove('7'), [times('@@jnode called '), times('@@jnode called q\n')], {inside: (stderr) => ({exitCode: 0, stdout: '', stderr})}),
  'qstat -j, is it there': asked(grid.exists('7'), [times('a '), times(' ', 'a', '1'), times('a:\n'), times(' ', '', 'x\rx'), times('1', 'a ')]),
  'qstat -j, files': asked(grid.files('7'), [times('$HOME', `sge_o_home: /${'h'.repeat(9000)}\nstderr_path_list: `), times('$HOME,', 'stderr_path_list: '), times(',', 'stdout_path_list: '), times(':', 'stdout_path_list: ')], {inside: inDetails}),
  'qstat -j, why it waits': asked(grid.why('7', 'pending'), [...NOTES_WORST, times('1', '@@jnode instance a ', 'x y'), times('@@jnode instance a@b 1 u\n'), times(' range: 1', 'parallel environment: ')], {inside: inDetails}),
  'qstat -j, why it is held': asked(grid.why('7', 'held'), [times('@@jnode hold '), times('@@jnode hold u\n')], {inside: inDetails}),
  'qstat -j, why it is in error': asked(grid.why('7', 'error'), [times('[1', 'error reason 1: '), times(' uid=1', 'error reason 1: ')], {inside: inDetails}),
  'qstat -j, its limits': asked(grid.limit('7', 'all.q'), [times('h_rt=1,', 'hard resource_list: '), times('h_rt 1\n', '\n@@jnode-queue\n'), times('\n', '\n@@jnode-queue\nh_rt')], {fixtures: /^(qstat-j|qconf-sq)/, inside: inDetails}),
  'qstat -f, is the node silent': asked(grid.isNodeSilent({queue: 'all.q', node: 'n1'}), [times('all.q@n1 '), times(' \n')]),
  'qsub -w v and qsub': asked(grid.submit(['-pe', 'smp', '4', '-l', 'gpu=1'], '/job.sh'), [...NOTES_WORST, times('no suitable queues '), times('1', '@@jnode submitted\n'), times('Your job 1 (', '@@jnode submitted\n'), times('warning: ', '@@jnode submitted\n')], {fixtures: /^qsub/}),
  'qsub -w v': asked(grid.check(['-pe', 'smp', '4']), [...NOTES_WORST, times('@@jnode largest '), times('1', 'no suitable queues\n@@jnode largest a ', '\rx')], {fixtures: /^qsub/}),
  'qsub -w p': asked(grid.couldStart({args: [], text: ''}), [times('found suitable ')]),
  qdel: asked(grid.remove('7'), [times('has registered the job '), times('job "1')], {fixtures: /^qdel/}),
  'qmod -cj': asked(grid.clearError('7'), [times('cleared error ')]),
  qacct: asked(grid.account('7', null), [times('qname x\n'), times(':', 'qname x\nexit_status 0\nfailed ', '\rx'), times(' ', 'qname x\nfailed 0\nexit_status', '\rx'), times('h_rt=1,', 'qname x\nexit_status 0\nfailed 0\ncategory ')], {fixtures: /^qacct/}),
  'the site': asked(discoverSite({setup: null, learn: {parallelEnvironments: true, resources: true, account: true}}), [
    times('qname x\n', '@@jnode queues\n'), times('\\\n', '@@jnode queues\nqname x\n'), times(' ', '@@jnode queues\nqname', 'a\rx'), times('[', '@@jnode queues\nqname x\npe_list '), times('x', '@@jnode queues\nqname x\ncomplex_values '),
    times('gc:', '@@jnode hosts\nHOSTNAME x\n'), times('gc:a', '@@jnode hosts\nHOSTNAME x\n'), times('no queue ', '@@jnode queues\n'), times('@@jnode queues\n'), times('a a INT <= YES YES\n', '@@jnode resources\n'), times('pe_name x\n', '@@jnode environments\n'),
    times('name x\n', '@@jnode access\n'), times('a ', '@@jnode groups\n'), times('/\n', '@@jnode scratch\n'),
  ], {fixtures: /^(qconf|qhost)/, inside: (text) => answer(`@@jnode host\na\n/h\nh\n@@jnode found\na\n${text}`)}),
  'sessions on the cluster': asked(remembered, [times(`\n${FILE_MARK} session.json a\n`), times(`\n${FILE_MARK} `), times('[', `\n${FILE_MARK} session.json a\n`), times('{"a":', `\n${FILE_MARK} session.json a\n`)]),
  'sessions that have changed': asked(recentSessions(15), [times('./a\n'), times('\n')]),
  'where a session cannot be written': asked(createRemoteSession({facts: FACTS, token: 't', proof: 'p', jobScript: ''}), [times(':'), times(': ')], {inside: (stderr) => ({exitCode: 1, stdout: '', stderr})}),
  'what keeps a session from being removed': asked(removeRemoteSession(FACTS), [times(' ')], {inside: (stderr) => ({exitCode: 1, stdout: '', stderr})}),
  'the home directory': {read: (text) => remoteDir(text, 'a'), worst: [times('/'), times('/', '', 'x')], fixtures: /^$/, limit: null},
  'room in the home directory': asked(homeSpace, [times('said '), times('1', 'free ')]),
  'legs of a session': asked(readLegs('/d'), [times('start a\nend a\n'), times(' ')]),
  'the certificate of a session': asked(sharedIdentity('/d', ''), [times('x')]),
  'the record as a text': asked(readRecordText('/d'), [times('x')]),
  'the record': {
    read: parseRecord,
    worst: [times('hostkey a b\n', 'jnode-record 1\n'), times('name x\nname y\n', 'jnode-record 1\n'), times('jnode-record 1\n'), times('leg a failed x\n', 'jnode-record 1\n'), times('x', 'jnode-record 1\nend 1 ', '\u2028x\n'), times('1 ', 'jnode-record 1\naddress '), times('\n'), times('\r')],
    fixtures: /^$/,
    limit: {bytes: RECORD_BYTES, refuses: (text) => parseRecord(`${text}\njnode-record 1\n`)},
  },
  'the record, line by line': {
    read(text) {
      const record = growingRecord()
      for (const [i, line] of text.split('\n').entries()) record.line(i, line)
      return record.record
    },
    worst: [times('hostkey a b\n', 'jnode-record 1\n'), times('signal USR1\n', 'jnode-record 1\n')],
    fixtures: /^$/,
    limit: {bytes: RECORD_BYTES, refuses: (text) => growingRecord().line(0, text)},
  },
  'the activity': {read: parseActivity, worst: [times('1')], fixtures: /^$/, limit: null},
  'the log of any Jupyter': {
    read: readLog,
    worst: [times('No kernels '), times('UNIX sockets are not '), times('\x1b]'), times('\x1b[0'), times('/lab', 'http://a', '\u2028x\n'), times('token=&', 'http://a/?', ' x\n'), times(':1', 'http://', '\n'), times('running at ', '[I 1 ServerApp] '), times(' ', '['), times('1: x\n'), times('/', 'http://a', '?\n')],
    fixtures: LOG,
    limit: null,
  },
  'the last lines of a log': {read: (text) => lastLines(text, 12), worst: [times('token=x&'), times('authorization: '), times('"token" : '), times('bearer ', 'authorization: ')], fixtures: LOG, limit: null},
  'the end of a log': asked(readLogTail('/log', 40), [times('x')]),
  'what is hidden of a text': {read: redact, worst: [times('token='), times('token%3D'), times(' ', 'authorization'), times(' ', 'authorization: bearer', '[secret]'), times('"token"'), times(' ', '"token"')], fixtures: LOG, limit: null},
  'the log and files of a Jupyter job': asked(serverInLog('7', []), [times('\n@@jnode-file log\n'), times('\n@@jnode-file runtime\n'), times('http://a/\n', '\n@@jnode-file log\n')], {fixtures: LOG, inside: (text) => answer(`\n@@jnode-file log\n${text}`)}),
  'servers of a job': asked(serversOfJob('7'), [
    times('\n@@jnode server\n'), (size) => times('socket /x\n', '\n@@jnode server\n')(size / 2) + times('file\n{"sock":"/y"}\n')(size / 2), (size) => times('port 1F\nport 2F\n', '\n@@jnode server\n')(size / 2) + times('file\n{"port":1}\n')(size / 2),
  ]),
  'a runtime file': {read: readRuntimeFile, worst: [times('['), times('{"port":')], fixtures: /^$/, limit: null},
  'is there a Jupyter': asked(findJupyter({app: 'lab', modules: [], conda: null, setup: [], dir: null} as never), [times('app '), times('why ')]),
  'where Jupyter is': asked(findJupyterPlaces(), [times('@@jupyter\tpath\ta\tb\tlab\n'), times('\t')]),
  'addresses of a node': asked(headAddresses(['n1']), [times('10.0.0.1\n'), times('127.')]),
  'who the head is': asked(whoIsTheHead, [times('name a\n'), times('key a\n')]),
  'who holds a port of a node': {read: (text) => checkPort({host: '127.0.0.1', port: 1}, onNode(text)), worst: [times('held 0A 1 1\n', 'me 1\n'), times('1', 'held 0A '), times('me ')], fixtures: /^$/, limit: null},
  'whose a socket of a node is': {read: (text) => lookAtSocket('/s', onNode(text)), worst: [times('directory 1 41ed\n', 'me 1\npath /s\nfile 1 c000 x\n'), times('/a', 'me 1\nfile 1 c000 x\npath '), times('1', 'file ')], fixtures: /^$/, limit: null},
  'the proof on a stream': {
    read: (text) => showsProof(sayer(text), 't'),
    worst: [times('x'), times('x: y\r\n', 'HTTP/1.1 200 OK\r\n'), times('x', 'HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n')],
    fixtures: LOG,
    limit: {bytes: 65_536, refuses: (text) => showsProof(sayer(text), 't')},
  },
  'prompts for a password': {read: (text) => isPasswordPrompt(text) || isChangePrompt(text), worst: [times('password '), times('your '), times(' ', '', 'x'), times('(a@b ')], fixtures: /^$/, limit: null},
  'the address of the head': {read: (text) => machineOf({run: run(text)}), worst: [times('a '), times('a')], fixtures: /^$/, limit: {bytes: ANSWER_BYTES, refuses: (text) => machineOf({run: run(text)})}},
  'words of a server before the login': {read: printable, worst: [times('\x1b['), times('\r\n')], fixtures: LOG, limit: null},
  'an answer of a shell': {read: (text) => run(text)(['x']), worst: [times('\n'), times('jnode-')], fixtures: LOG, limit: {bytes: ANSWER_BYTES + 1_000_000, refuses: (text) => run(text)(['x'], {maxBytes: ANSWER_BYTES})}},
  'lines that are followed': {read: (text) => follow(text, () => {}), worst: [times('x'), times('x\r'), times('\n')], fixtures: LOG, limit: null},
  'lines of another process': {
    read(text) {
      const splitter = lineSplitter()
      let longest = 0
      for (let at = 0; at < text.length; at += 1000) for (const line of splitter.take(text.slice(at, at + 1000))) longest = Math.max(longest, line.length)
      if (longest > LINE_CHARS) throw new Error(`a line of ${longest} characters`)
    },
    worst: [times('x'), times('\n')],
    fixtures: LOG,
    limit: null,
  },
  'a server that is not proved': {
    read: (text) => api(text).identify(),
    worst: [times('x', 'HTTP/1.1 200 OK\r\n\r\n'), times('x: y\r\n', 'HTTP/1.1 200 OK\r\n'), times('HTTP/1.1 103 Early Hints\r\n\r\n'), times('1;x\r\nx\r\n', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'), times('x: y\r\n', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n')],
    fixtures: LOG,
    limit: {bytes: UNPROVED_BYTES, refuses: (text) => says(ok(text))(new URL('http://127.0.0.1/'), {redirect: 'manual', signal: new AbortController().signal})},
  },
  'a server that is ours': {
    read: (text) => api(ok(text)).kernels().catch(() => {}),
    worst: [times('['), times('{},', '[', '{}]')],
    fixtures: LOG,
    limit: {bytes: PROVED_BYTES, refuses: (text) => api(ok(text)).kernels()},
  },
}

/**
 * An SSH server of this process that stands for a host: what an ssh program asks of it goes over the connection that there
 * is, so that nobody logs in again. Whoever has a stream to it is its user; what it shows is a key of its own.
 */
import {once} from 'node:events'
import {duplexPair, type Duplex, type Readable, type Writable} from 'node:stream'
import ssh2, {type Client, type ClientChannel, type PseudoTtyInfo, type PseudoTtyOptions, type ServerChannel, type Session} from 'ssh2'
import {messageOf} from '../errors.ts'
import type {StandIn} from './remote.ts'

/** Not chacha20, which ssh likes best: without its native part ssh2 mixes it up where one connection runs inside of another. */
const ALGORITHMS: ssh2.Algorithms = {compress: ['none'], cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes256-ctr']}

let ownKey: {private: string; public: string} | undefined

/** For a client that is logged in to the host. */
export function standInFor(client: Client): StandIn {
  ownKey ??= ssh2.utils.generateKeyPairSync('ed25519')
  const key = ownKey
  return {
    hostKey: key.public.trim(),
    open: async () => {
      const [theirs, ours] = duplexPair()
      serve(ours, client, key.private)
      return theirs
    },
  }
}

function serve(stream: Duplex, client: Client, hostKey: string): void {
  const server = new ssh2.Server({hostKeys: [hostKey], algorithms: ALGORITHMS}, (connection) => {
    connection.on('error', () => {})
    connection.on('authentication', (login) => login.accept())
    const modes = terminalModes(connection)
    connection.on('session', (accept) => serveSession(accept(), client, modes))
    const end = () => void connection.end()
    client.once('close', end)
    connection.once('close', () => client.off('close', end))
  })
  stream.on('error', () => {})
  server.injectSocket(stream as never)
}

const CHANNEL_REQUEST = 98
const PTY_REQ = Buffer.from('\0\0\0\x07pty-req')

/**
 * The modes of the terminal in the last request for one, as they were sent: ssh2 reads them wrongly. `_protocol` and
 * `_onPayload` are private to it; test/cluster/node-shell.test.ts notices a change.
 */
function terminalModes(connection: object): () => Buffer | undefined {
  const {_protocol: protocol} = connection as {_protocol?: {_onPayload?: (payload: Buffer) => unknown}}
  const onPayload = protocol?._onPayload
  let modes: Buffer | undefined
  if (onPayload) {
    protocol._onPayload = (payload) => {
      // Type, channel, name, whether to reply, name of the terminal, four sizes, modes.
      if (payload[0] === CHANNEL_REQUEST && PTY_REQ.equals(payload.subarray(5, 5 + PTY_REQ.length))) {
        const term = 5 + PTY_REQ.length + 1
        const at = term + 4 + payload.readUInt32BE(term) + 16
        modes = Buffer.from(payload.subarray(at + 4, at + 4 + payload.readUInt32BE(at)))
      }
      return onPayload(payload)
    }
  }
  return () => modes
}

type Open = (done: (error: Error | undefined, channel: ClientChannel) => void) => void
type Terminal = Omit<PseudoTtyInfo, 'modes'> & {modes: Buffer | undefined}

function serveSession(session: Session, client: Client, modes: () => Buffer | undefined): void {
  let terminal: Terminal | undefined
  let there: ClientChannel | undefined
  const env: Record<string, string> = {}
  session.on('pty', (accept, _, info) => {
    terminal = {...info, modes: modes()}
    accept?.()
  })
  session.on('window-change', (accept, _, {rows, cols, height, width}) => {
    if (terminal) terminal = {...terminal, rows, cols, height, width}
    there?.setWindow(rows, cols, height, width)
    accept?.()
  })
  session.on('env', (accept, _, {key, val}) => {
    env[key] = val
    accept?.()
  })
  const pty = () => (terminal ? {pty: terminal as unknown as PseudoTtyOptions} : {})
  const run = (accept: () => ServerChannel, open: Open) => {
    const here = accept()
    try {
      open((error, channel) => {
        if (error) return refuse(here, error)
        there = channel
        connect(here, channel)
      })
    } catch (error) {
      refuse(here, error)
    }
  }
  session.on('exec', (accept, _, {command}) => run(accept, (done) => client.exec(command, {env, ...pty()}, done)))
  session.on('shell', (accept) => run(accept, (done) => client.shell(terminal ? pty().pty! : false, {env}, done)))
}

function refuse(here: ServerChannel, error: unknown): void {
  here.stderr.write(`The host opened no session: ${messageOf(error)}\n`)
  here.exit(255)
  here.end()
}

/** Bytes both ways, and how it ended: ssh2 closes this end with its last byte, so that comes after all else. */
function connect(here: ServerChannel, there: ClientChannel): void {
  for (const side of [here, there]) side.on('error', () => {})
  here.pipe(there)
  const written = writeInTurn(here, [there, here], [there.stderr, here.stderr])
  there.once('exit', (code: number | null, signal?: string, dumped?: string, text?: string) => {
    if (code === null) here.exit(signal!, dumped !== undefined && dumped !== '', text ?? '')
    else here.exit(code)
  })
  void Promise.all([once(there, 'close'), once(there, 'end'), once(there.stderr, 'end')]).then(written, () => {}).then(() => here.end())
  here.once('close', () => there.close())
}

/**
 * Copies both outputs, one write after the other. Where both wait for room at once, ssh2 sends the same bytes again: it keeps
 * what it has sent (`_chunk`, private to it) and takes it for what still waits.
 */
function writeInTurn(channel: object, ...outputs: [from: Readable, to: Writable][]): () => Promise<void> {
  let last = Promise.resolve()
  const write = (to: Writable, chunk: Buffer) =>
    new Promise<void>((written) => {
      to.write(chunk, () => {
        Object.assign(channel, {_chunk: undefined, _chunkcb: undefined, _chunkErr: undefined, _chunkcbErr: undefined})
        written()
      })
    })
  for (const [from, to] of outputs) {
    from.on('data', (chunk: Buffer) => {
      from.pause()
      last = last.then(() => write(to, chunk)).then(() => void from.resume())
    })
  }
  return () => last
}

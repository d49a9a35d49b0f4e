/** The way to the first hop, and the words for when there is none. */
import {lookup} from 'node:dns/promises'
import {connect} from 'node:net'
import type {Duplex} from 'node:stream'
import {abortReason, JnodeError, messageOf, throwIfAborted} from '../errors.ts'
import type {Hop} from './host-config.ts'
import {coalesceWrites} from './packets.ts'
import {openProxy} from './proxy-command.ts'
import type {Witness} from './remote.ts'

export interface Dialling {
  /** Is told what is seen on the way. */
  witness: Witness
  /** Nobody is there to answer anything. */
  quiet: boolean
}

/** A byte pipe to the first hop, to the first of its addresses that answers. Throws `unreachable`, or what the signal was aborted with. */
export async function dial(hop: Hop, {witness, quiet}: Dialling, signal?: AbortSignal): Promise<Duplex> {
  throwIfAborted(signal)
  if (hop.proxyCommand !== null) {
    witness({kind: 'connected', hop: hop.label, to: hop.host, through: 'ProxyCommand'})
    return openProxy(hop.proxyCommand, {quiet})
  }
  const addresses = await unlessAborted(addressesOf(hop), signal)
  witness({kind: 'resolved', hop: hop.label, addresses})
  let last: unknown = null
  for (const address of addresses) {
    throwIfAborted(signal)
    try {
      const socket = await connectTo(address, hop, signal)
      witness({kind: 'connected', hop: hop.label, to: `${address} port ${hop.port}`, through: null})
      return socket
    } catch (error) {
      last = error
    }
  }
  throw last
}

/** As ssh: in the resolver's order, the one that is meant before the others. */
async function addressesOf(hop: Hop): Promise<string[]> {
  const found = await lookup(hop.host, {all: true, family: hop.addressFamily}).catch((cause: unknown) => {
    throw unreachable(hop, cause)
  })
  const addresses = found.map(({address}) => address)
  return addresses.sort((a, b) => Number(b === hop.address) - Number(a === hop.address))
}

/** A lookup cannot be given up, and takes ten seconds and more where nameservers are silent; nobody waits for it after an abort. */
function unlessAborted<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortReason(signal!))
    signal?.addEventListener('abort', onAbort, {once: true})
    void work.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort))
  })
}

function connectTo(address: string, hop: Hop, signal?: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: address,
      port: hop.port,
      noDelay: true,
      keepAlive: true,
      ...(hop.bindAddress ? {localAddress: hop.bindAddress} : {}),
    })
    const timer = setTimeout(() => fail(new Error('no answer')), hop.connectTimeoutMs)
    const onAbort = () => fail(abortReason(signal!))
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', fail)
    }
    const fail = (cause: Error) => {
      settle()
      socket.on('error', () => {}) // a late error of a socket given up must not crash the process
      socket.destroy()
      reject(signal?.aborted ? cause : unreachable(hop, cause))
    }
    signal?.addEventListener('abort', onAbort, {once: true})
    socket.once('error', fail)
    socket.once('connect', () => {
      settle()
      coalesceWrites(socket)
      resolve(socket)
    })
  })
}

/** Why a hop cannot be reached, from here or from the hop before it. */
export function unreachable(hop: Hop, cause: unknown, via?: string): JnodeError {
  const code = (cause as NodeJS.ErrnoException).code ?? codeOf(messageOf(cause))
  const where = `${hop.alias}${hop.alias === hop.host ? '' : ` (${hop.host})`}`
  const from = via ? ` from ${via}` : ''
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new JnodeError('unreachable', `No host is called ${where}${via ? ` on ${via}` : ''}`, {cause, hint: 'Check the name, your network, and whether you need the VPN.'})
  }
  if (code === 'ECONNREFUSED') {
    return new JnodeError('unreachable', `${where} refused the connection on port ${hop.port}${from}`, {cause, hint: 'Check the host and port; its SSH server may be down.'})
  }
  return new JnodeError('unreachable', `Cannot reach ${where} on port ${hop.port}${from}: ${messageOf(cause)}`, {
    cause,
    hint: via ? `Ask whether ${via} may connect to ${hop.alias}.` : 'Check your network, and whether you need the VPN.',
  })
}

/** A hop's sshd tells in words why it could not connect onwards. */
function codeOf(said: string): string | undefined {
  if (/connection refused/i.test(said)) return 'ECONNREFUSED'
  if (/name or service not known|temporary failure in name resolution|could not resolve|unknown host/i.test(said)) return 'ENOTFOUND'
  return undefined
}

/**
 * The TLS leg: where bytes have to pass a TCP port that others can reach, a relay on the node takes them there and TLS
 * runs all the way between it and this computer. One certificate for each session, made here; whoever has its key
 * is let in, from either side, and nobody else gets a byte.
 */
import {X509Certificate} from 'node:crypto'
import {connect} from 'node:tls'
import {JnodeError} from '../errors.ts'
import type {OpenToServer} from './tunnel.ts'

const HANDSHAKE_MS = 10_000

/** TLS inside each stream. `identity`: the session's certificate and key as PEM; the other end must show the same. */
export function secured(open: OpenToServer, identity: string): OpenToServer {
  const own = new X509Certificate(identity).fingerprint256
  return async () => {
    const socket = await open()
    return new Promise((resolve, reject) => {
      const stream = connect({
        // Said, since people switch it off for all of Node.js (NODE_TLS_REJECT_UNAUTHORIZED) behind their company's proxy.
        rejectUnauthorized: true,
        socket, cert: identity, key: identity, ca: identity, minVersion: 'TLSv1.2',
        checkServerIdentity: (_, {fingerprint256}) => (fingerprint256 === own ? undefined : new Error('another certificate')),
      })
      const fail = (cause: Error) => {
        clearTimeout(timer)
        stream.on('error', () => {})
        stream.destroy()
        socket.destroy()
        reject(new JnodeError('connection-lost', `The relay on the node did not finish its TLS handshake: ${cause.message}`, {cause}))
      }
      const timer = setTimeout(() => fail(new Error('no answer')), HANDSHAKE_MS)
      const onClose = () => fail(new Error('the connection was closed'))
      stream.once('error', fail).once('close', onClose)
      stream.once('secureConnect', () => {
        clearTimeout(timer)
        stream.off('error', fail).off('close', onClose)
        resolve(stream)
      })
    })
  }
}

/** A new self-signed certificate with its key, as PEM, good for ten years: the session's end is its end. */
export async function makeIdentity(): Promise<string> {
  const {generateKeyPairSync} = await import('node:crypto')
  const {default: forge} = await import('node-forge')
  const keys = generateKeyPairSync('rsa', {modulusLength: 2048, publicKeyEncoding: {type: 'spki', format: 'pem'}, privateKeyEncoding: {type: 'pkcs8', format: 'pem'}})
  const cert = forge.pki.createCertificate()
  cert.publicKey = forge.pki.publicKeyFromPem(keys.publicKey)
  cert.serialNumber = '01'
  // Clocks of nodes may be wrong.
  cert.validity.notBefore = new Date(Date.now() - 86_400_000)
  cert.validity.notAfter = new Date(Date.now() + 3650 * 86_400_000)
  const name = [{name: 'commonName', value: 'jnode session'}]
  cert.setSubject(name)
  cert.setIssuer(name)
  // Each end takes it for its only authority.
  cert.setExtensions([{name: 'basicConstraints', cA: true}])
  cert.sign(forge.pki.privateKeyFromPem(keys.privateKey), forge.md.sha256.create())
  return forge.pki.certificateToPem(cert).replaceAll('\r', '') + keys.privateKey
}

export interface RelaySpec {
  /** What the record calls it. */
  id: string
  /** Absolute path of the session's directory, with `identity.pem` in it. */
  dir: string
  /** Addresses of the node to listen on: the first that is one of its own. */
  bind: readonly string[]
}

/** A Python program that relays between a TCP port and the server's socket, run by the Python that runs Jupyter (3.6 or later). */
export function relayProgram(spec: RelaySpec): string {
  return `import json, os, sys
spec = json.loads(r'''${asJson(spec)}''')


def tell(text):
    with open(spec["dir"] + "/record", "a") as record:
        record.write("leg %s %s\\n" % (spec["id"], " ".join(text.split())))


if sys.version_info < (3, 6):
    tell("failed the Python that runs Jupyter is older than 3.6")
    sys.exit(1)

import asyncio, logging, socket, ssl, threading

# Whoever knocks without the certificate is not worth a line in the job's log.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


def listener():
    why = "no address to listen on"
    for host in spec["bind"]:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
            sock = socket.socket(family, kind, protocol)
            sock.bind(address)
            return sock
        except OSError as error:
            why = "%s: %s" % (host, error)
    raise OSError(why)


async def carry(reader, writer):
    try:
        while True:
            data = await reader.read(65536)
            if not data:
                break
            writer.write(data)
            await writer.drain()
    except Exception:
        pass  # either end may go at any moment
    finally:
        writer.close()


async def serve(reader, writer):
    try:
        from_server, to_server = await asyncio.open_unix_connection(sys.argv[1] + "/sock")
    except OSError:
        writer.close()
        return
    await asyncio.gather(carry(reader, to_server), carry(from_server, writer))


def end_with_jupyter():
    sys.stdin.read()
    os._exit(0)


try:
    identity = spec["dir"] + "/identity.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if hasattr(ssl, "TLSVersion"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    context.load_cert_chain(identity)
    context.load_verify_locations(identity)
    context.verify_mode = ssl.CERT_REQUIRED
    sock = listener()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.start_server(serve, sock=sock, ssl=context))
    tell("listening %s %d" % sock.getsockname()[:2])
except Exception as error:
    tell("failed %s" % error)
    sys.exit(1)
threading.Thread(target=end_with_jupyter, daemon=True).start()
loop.run_forever()
`
}

/** JSON for the inside of a raw Python text in three single quotes. */
export function asJson(value: unknown): string {
  return JSON.stringify(value).replaceAll("'", '\\u0027')
}

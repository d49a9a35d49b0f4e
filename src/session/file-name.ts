/** What a file is called after a name that comes from outside: a cluster's, a session's. The only place that makes such a name. */
import {createHash} from 'node:crypto'

/** File systems take 255 bytes; what is appended (`.known_hosts`, a part's number) needs some of them. */
const MOST_BYTES = 200

/** Windows opens a device by these names, whatever extension follows. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(?=\.|$)/i

/**
 * Ordinary names stay as they are. No name means the folder itself, the one above or a device; no two names get the same file, also
 * where a file system does not tell upper from lower case, or leaves out dots at the end.
 */
export function fileNameOf(name: string, platform: NodeJS.Platform = process.platform): string {
  // Half a character (a lone surrogate) can be in no file's name, and two of them must not look alike.
  if (/\p{Cs}/u.test(name)) return hashed('', name)
  const plain = encodeURIComponent(name).replaceAll('*', '%2A').replace(/^\.|\.$/g, '%2E').replace(DEVICE, (device) => escaped(device[0]!) + device.slice(1))
  // Not inside of what is encoded already.
  const encoded = platform === 'win32' || platform === 'darwin' ? plain.replaceAll(/%..|[A-Z]/g, (part) => (part.startsWith('%') ? part : escaped(part))) : plain
  return name === '' || encoded.length > MOST_BYTES ? hashed(encoded, name) : encoded
}

function escaped(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16).toUpperCase()}`
}

/** No encoded name holds `%~`. */
function hashed(encoded: string, name: string): string {
  const digest = createHash('sha256').update(name, 'utf16le').digest('hex').slice(0, 32)
  return `${encoded.slice(0, 100)}%~${digest}`
}

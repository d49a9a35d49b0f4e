/** The page that a browser gets in place of the server's while there is no way to it. It holds no secret: anyone on this computer may ask. */
import {randomBytes} from 'node:crypto'

export interface AwayPage {
  html: string
  /** What the page may do, as a Content-Security-Policy. */
  policy: string
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.3em}code{background:#8882;padding:.1em .3em;border-radius:.2em}#again{color:#777}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}`

const NOBODY = 'Nobody answers here any more: the session has ended, or its tunnel was closed. In a terminal, jnode list tells; this page goes on looking.'

/**
 * Counts down and then looks whether somebody answers before it reloads: while one jnode hands the port to another nobody
 * does for a moment, and the browser's own error page would stay for ever. Asks for the path only, as the rest of the URL may hold a token.
 */
const SCRIPT = `let left = Number(document.currentScript.dataset.seconds)
let misses = 0
const again = document.getElementById('again')
const tick = () => {
  again.textContent = misses > 5 ? '${NOBODY}' : left > 0 ? 'Looking again in ' + left + ' s.' : 'Looking again …'
  if (left-- > 0) return setTimeout(tick, 1000)
  fetch(location.pathname, {method: 'HEAD', cache: 'no-store', redirect: 'manual'}).then(() => location.reload(), () => { misses++; left = 2; setTimeout(tick, 1000) })
}
tick()`

/** `lines` is plain text; what stands between backquotes in it is a command. */
export function awayPage(lines: readonly string[], reloadSeconds: number): AwayPage {
  const nonce = randomBytes(16).toString('base64')
  const [title = '', ...rest] = lines.map(markUp)
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>jnode: ${title.replaceAll(/<[^<>]*>/g, '')}</title><meta name="viewport" content="width=device-width">
<noscript><meta http-equiv="refresh" content="${reloadSeconds}"></noscript><style nonce="${nonce}">${STYLE}</style></head>
<body role="status"><h1>${title}</h1>${rest.map((line) => `<p>${line}</p>`).join('')}<p id="again">This page looks again by itself.</p>
<script nonce="${nonce}" data-seconds="${reloadSeconds}">${SCRIPT}</script></body></html>
`
  return {html, policy: `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`}
}

function markUp(text: string): string {
  const entities: Record<string, string> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;'}
  return text.replaceAll(/[&<>"]/g, (sign) => entities[sign]!).replaceAll(/`([^`]*)`/g, '<code>$1</code>')
}

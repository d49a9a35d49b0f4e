/**
 * Draws a terminal as SVG: `tmux capture-pane -e -p | node scripts/picture.js > docs/start.svg`.
 * Reads text with the colours of a terminal on stdin. Tokens in it are blotted out whatever happens.
 */
import {readFileSync} from 'node:fs'

const CELL = {width: 8.43, height: 19}
const MARGIN = 16
const COLOURS = {
  30: '#6e7681', 31: '#ff7b72', 32: '#56d364', 33: '#e3b341', 34: '#79c0ff', 35: '#d2a8ff', 36: '#56d4dd', 37: '#e6edf3',
  90: '#8b949e', 91: '#ffa198', 92: '#7ee787', 93: '#f2cc60', 94: '#a5d6ff', 95: '#e2c5ff', 96: '#b3f0ff', 97: '#ffffff',
}

const plain = () => ({colour: null, bold: false, dim: false})

function styled(style, codes) {
  for (const code of codes.split(';').map(Number)) {
    if (code === 0) style = plain()
    else if (code === 1) style = {...style, bold: true}
    else if (code === 2) style = {...style, dim: true}
    else if (code === 22) style = {...style, bold: false, dim: false}
    else if (code === 39) style = {...style, colour: null}
    else if (COLOURS[code]) style = {...style, colour: COLOURS[code]}
  }
  return style
}

/** The pieces of a line that look alike; the style goes on into the next line. */
function pieces(line, style) {
  const found = []
  let column = 0
  for (const part of line.split(/(\u001B\[[0-9;]*m)/)) {
    const codes = /^\u001B\[([0-9;]*)m$/.exec(part)?.[1]
    if (codes !== undefined) style = styled(style, codes === '' ? '0' : codes)
    else if (part !== '') {
      found.push({text: part, column, style})
      column += [...part].length
    }
  }
  return {found, style, width: column}
}

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

function tspan({text, column, style}) {
  const looks = [
    style.colour ? ` fill="${style.colour}"` : '',
    style.bold ? ' font-weight="bold"' : '',
    style.dim ? ' opacity="0.6"' : '',
  ].join('')
  // The length is said, so that any font keeps the columns.
  return `<tspan x="${(MARGIN + column * CELL.width).toFixed(1)}" textLength="${([...text].length * CELL.width).toFixed(1)}"${looks}>${escaped(text)}</tspan>`
}

const input = readFileSync(0, 'utf8').replaceAll(/token=[0-9a-f]+/g, 'token=...').replace(/\s+$/, '')
let style = plain()
let columns = 0
const rows = input.split('\n').map((line) => {
  const row = pieces(line.replace(/ +$/, ''), style)
  style = row.style
  columns = Math.max(columns, row.width)
  return row.found
})
const width = Math.ceil(columns * CELL.width + 2 * MARGIN)
const height = Math.ceil(rows.length * CELL.height + 2 * MARGIN)
const text = rows.map((row, i) => `<text y="${(MARGIN + (i + 0.75) * CELL.height).toFixed(1)}">${row.map(tspan).join('')}</text>`).join('\n')
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="jnode start in a terminal">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#e6edf3" xml:space="preserve">
${text}
</g>
</svg>
`)

/**
 * A kernel as an open notebook holds it: one websocket, connected again whenever it closes. `{url}` is the first line on
 * stdin, with the `kernel` of an earlier run to go on with; each `{code}` after it is run, once more on a new websocket if the old one closed before the answer was there.
 * Each line on stdout is one thing that happened: `{kernel}`, `{output}`, `{opened}` or `{closed}`. The URL comes by stdin because
 * it holds the token.
 */
import {randomUUID} from 'node:crypto'
import {createInterface} from 'node:readline'
import {WebSocket} from 'ws'

const AGAIN_MS = 500
const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`)
const lines = createInterface({input: process.stdin})[Symbol.asyncIterator]()
const {url, kernel} = JSON.parse((await lines.next()).value)
const {origin, searchParams} = new URL(url)
const headers = {authorization: `token ${searchParams.get('token')}`}

const id = kernel ?? (await create())
tell({kernel: id})
let socket
let asked = null // {code, request, output, done}

async function create() {
  const created = await fetch(`${origin}/api/kernels`, {method: 'POST', headers, body: JSON.stringify({name: 'python3'})})
  if (created.status !== 201) throw new Error(`POST /api/kernels answered ${created.status}`)
  return (await created.json()).id
}

function ask() {
  if (!asked || socket.readyState !== WebSocket.OPEN) return
  asked.request = randomUUID()
  asked.output = ''
  const header = {msg_id: asked.request, username: '', session: randomUUID(), msg_type: 'execute_request', version: '5.3', date: new Date().toISOString()}
  const content = {code: asked.code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true}
  socket.send(JSON.stringify({channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: []}))
}

function hear(data) {
  const {header, parent_header: parent, content} = JSON.parse(data)
  if (!asked || parent.msg_id !== asked.request) return
  if (header.msg_type === 'stream') asked.output += content.text
  if (header.msg_type === 'error') asked.output += `${content.ename}: ${content.evalue}\n`
  // Iopub is in order: after "idle" comes no more output of this cell.
  if (header.msg_type === 'status' && content.execution_state === 'idle') asked.done()
}

function connect() {
  socket = new WebSocket(`${origin.replace('http', 'ws')}/api/kernels/${id}/channels?session_id=${randomUUID()}`, {headers})
  let refused = null
  socket.on('open', () => (tell({opened: true}), ask()))
  socket.on('message', hear)
  socket.on('unexpected-response', (_, response) => (refused = response.statusCode, socket.terminate()))
  socket.on('error', () => {}) // its close follows
  socket.on('close', (code) => (tell({closed: refused ?? code}), setTimeout(connect, AGAIN_MS)))
}

connect()
for await (const line of lines) {
  await new Promise((done) => {
    asked = {code: JSON.parse(line).code, done}
    ask()
  })
  tell({output: asked.output})
  asked = null
}
process.exit(0)

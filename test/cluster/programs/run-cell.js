/**
 * Runs one cell over a kernel's websocket, as a notebook does: `{url, code}` on stdin, what the cell prints on
 * stdout. The URL comes by stdin because it holds the token.
 */
import {randomUUID} from 'node:crypto'
import {text} from 'node:stream/consumers'
import {WebSocket} from 'ws'

const {url, code} = JSON.parse(await text(process.stdin))
const {origin, searchParams} = new URL(url)
const headers = {authorization: `token ${searchParams.get('token')}`}

const created = await fetch(`${origin}/api/kernels`, {method: 'POST', headers, body: JSON.stringify({name: 'python3'})})
if (created.status !== 201) throw new Error(`POST /api/kernels answered ${created.status}`)
const {id} = await created.json()
const socket = new WebSocket(`${origin.replace('http', 'ws')}/api/kernels/${id}/channels?session_id=${randomUUID()}`, {headers})
const request = randomUUID()
socket.on('open', () => {
  const header = {msg_id: request, username: '', session: randomUUID(), msg_type: 'execute_request', version: '5.3', date: new Date().toISOString()}
  const content = {code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true}
  socket.send(JSON.stringify({channel: 'shell', header, parent_header: {}, metadata: {}, content, buffers: []}))
})
await new Promise((resolve, reject) => {
  socket.on('error', reject)
  socket.on('close', (status) => reject(new Error(`the websocket was closed (${status})`)))
  socket.on('message', (data) => {
    const {header, parent_header: parent, content} = JSON.parse(data)
    if (parent.msg_id !== request) return
    if (header.msg_type === 'stream') process.stdout.write(content.text)
    if (header.msg_type === 'error') reject(new Error(`${content.ename}: ${content.evalue}`))
    // Iopub is in order: after "idle" comes no more output of this cell.
    if (header.msg_type === 'status' && content.execution_state === 'idle') resolve()
  })
})
socket.removeAllListeners('close').close()
await fetch(`${origin}/api/kernels/${id}`, {method: 'DELETE', headers})

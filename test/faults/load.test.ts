/** Much through one tunnel: many connections, slow readers, large files. */
import {afterEach, expect, test} from 'vitest'
import type {Lab} from '../cluster/lab.ts'
import {pageOf, sweep} from '../cluster/jnode.ts'
import {useLab} from '../cluster/use-lab.ts'
import {figure, seconds, through} from './scene.ts'

const lab = await useLab()

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

interface Footprint {
  residentMb: number
  descriptors: number
}

/** What the keeper holds of the laptop's memory and descriptors. */
async function footprint({exec}: Lab, pid: number): Promise<Footprint> {
  const {stdout} = await exec('laptop', 'alice', `awk '/^VmRSS/ {print $2}' /proc/${pid}/status; ls /proc/${pid}/fd | wc -l`)
  const [kilobytes, descriptors] = stdout.trim().split('\n').map(Number)
  return {residentMb: Math.round(kilobytes! / 1024), descriptors: descriptors!}
}

const GIB = 1024 ** 3
const run = (program: string, input: object) => lab.exec('laptop', 'alice', ['node', '--input-type=module', '-e', `const input = ${JSON.stringify(input)}\n${program}`], {timeoutMs: 600_000})

test('200 connections that open and drop, again and again: none is left', async () => {
  await through(lab, 'many', async ({session}) => {
    const before = await footprint(lab, session.keeperPid)
    // Some say nothing, some drop amid the request, some amid the answer.
    const program = `import {connect} from 'node:net'
const one = (i) => new Promise((done) => {
  const socket = connect(input.port, input.host, () => {
    if (i % 3) socket.write('GET /api/status HTTP/1.1\\r\\nHost: ' + input.host + ':' + input.port + '\\r\\n' + (i % 3 === 1 ? '' : '\\r\\n'))
    setTimeout(() => socket.resetAndDestroy(), i)
  })
  socket.on('data', () => {}).on('error', () => {}).on('close', done)
})
for (let round = 0; round < 5; round++) await Promise.all(Array.from({length: 200}, (_, i) => one(i)))`
    const {exitCode, stderr} = await run(program, {host: new URL(session.url!).hostname, port: session.localPort})
    expect(exitCode, stderr).toBe(0)
    await expect.poll(async () => (await footprint(lab, session.keeperPid)).descriptors, {timeout: 30_000, interval: 500}).toBeLessThanOrEqual(before.descriptors + 1)
    const after = await footprint(lab, session.keeperPid)
    await figure('200 connections five times: descriptors of the keeper before and after', `${before.descriptors}, ${after.descriptors}`)
  })
})

test('a slow reader against a fast sender: the keeper holds a window, not the file', async () => {
  await through(lab, 'slow', async ({session, kernel}) => {
    await kernel.run(`import os\nopen('big', 'wb').truncate(${2 * GIB})`)
    const before = await footprint(lab, session.keeperPid)
    const program = `import {get} from 'node:http'
const response = await new Promise((resolve) => get(input.url, resolve))
response.pause()
const until = Date.now() + 40_000
while (Date.now() < until) { response.read(16_384); await new Promise((wake) => setTimeout(wake, 20)) }
process.exit(0)`
    const reading = run(program, {url: pageOf(session.url, 'files/big')})
    let most = 0
    for (let i = 0; i < 35; i++) {
      await seconds(1)
      most = Math.max(most, (await footprint(lab, session.keeperPid)).residentMb)
    }
    expect((await reading).exitCode).toBe(0)
    expect(most - before.residentMb).toBeLessThan(60)
    await figure('slow reader of 2 GiB: resident memory of the keeper before and at most', `${before.residentMb} MB, ${most} MB`)
    await kernel.run(`os.remove('big')`)
  })
})

test('2 GiB down and up, whole', async () => {
  await through(lab, 'bulk', async ({session, kernel}) => {
    // Not zeros all over, so that a lost or doubled piece is seen; and cheap to make on both sides.
    await kernel.run(`import hashlib, os\nblock = bytes(range(256)) * 4096\nwith open('big', 'wb') as file:\n  for i in range(2048):\n    file.write(i.to_bytes(8, 'big') + block[8:])`)
    const sum = (await kernel.run(`print(hashlib.file_digest(open('big', 'rb'), 'sha256').hexdigest())`)).trim()
    const before = await footprint(lab, session.keeperPid)
    const from = Date.now()
    const down = await lab.exec('laptop', 'alice', 'curl -sS "$(cat)" | tee ~/big | sha256sum', {input: pageOf(session.url, 'files/big'), timeoutMs: 600_000})
    const downSeconds = (Date.now() - from) / 1000
    expect(down.stdout.split(' ')[0]).toBe(sum)
    // Jupyter takes large files in pieces of 1 MiB, as its own upload button sends them.
    const upload = `import {open} from 'node:fs/promises'
const file = await open(process.env.HOME + '/big')
const {origin, searchParams} = new URL(input.url)
const headers = {authorization: 'token ' + searchParams.get('token')}
for (let chunk = 1; ; chunk++) {
  const {bytesRead, buffer} = await file.read(Buffer.alloc(4194304), 0, 4194304)
  const last = chunk * 4194304 >= ${2 * GIB}
  const body = JSON.stringify({type: 'file', format: 'base64', content: buffer.subarray(0, bytesRead).toString('base64'), chunk: last ? -1 : chunk})
  const {status} = await fetch(origin + '/api/contents/up', {method: 'PUT', headers, body})
  if (status > 201) throw new Error('chunk ' + chunk + ' answered ' + status)
  if (last) break
}`
    const began = Date.now()
    const up = await run(upload, {url: session.url})
    const upSeconds = (Date.now() - began) / 1000
    expect(up.exitCode, up.stderr).toBe(0)
    expect((await kernel.run(`print(hashlib.file_digest(open('up', 'rb'), 'sha256').hexdigest())`)).trim()).toBe(sum)
    const after = await footprint(lab, session.keeperPid)
    await figure('2 GiB down and up', `${Math.round(downSeconds)} s (${Math.round(2048 / downSeconds)} MB/s), ${Math.round(upSeconds)} s as base64 through Jupyter`)
    await figure('2 GiB down and up: resident memory of the keeper before and after', `${before.residentMb} MB, ${after.residentMb} MB`)
    await kernel.run(`os.remove('big'), os.remove('up')`)
    await lab.exec('laptop', 'alice', 'rm ~/big')
  })
})

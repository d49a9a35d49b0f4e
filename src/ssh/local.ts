/** This machine as a `Remote`: for the head node itself (`--host local`). Same framing as over SSH. */
import {spawn} from 'node:child_process'
import {connect} from 'node:net'
import {hostname, userInfo} from 'node:os'
import {JnodeError} from '../errors.ts'
import type {Endpoint, OpenStream, Remote} from './remote.ts'
import {followOver, runOver, type OpenShell} from './remote-command.ts'

const openShell: OpenShell = async () => {
  // A group of its own, so that ending a script ends what it started.
  const child = spawn('/bin/sh', ['-s'], {stdio: 'pipe', detached: true})
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  const kill = () => {
    child.stdin.destroy()
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      try {
        process.kill(-child.pid, 'SIGTERM')
      } catch {
        // it ended meanwhile
      }
    }
  }
  return {stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, kill}
}

/** Opens a stream to an endpoint of this machine. */
export const openHere: OpenStream = (endpoint, signal) =>
  new Promise((resolve, reject) => {
    const options = endpoint.kind === 'socket' ? {path: endpoint.path} : {host: endpoint.host, port: endpoint.port}
    const socket = connect({...options, noDelay: true, allowHalfOpen: true, ...(signal ? {signal} : {})})
    socket.once('connect', () => {
      socket.off('error', onError)
      resolve(socket)
    })
    const onError = (cause: Error) => reject(new JnodeError('unreachable', `Nothing answers at ${describe(endpoint)} on this machine`, {cause}))
    socket.once('error', onError)
  })

export function describe(endpoint: Endpoint): string {
  return endpoint.kind === 'socket' ? endpoint.path : `${endpoint.host}:${endpoint.port}`
}

export function localRemote(): Remote {
  const label = `${userInfo().username}@${hostname()}`
  let close!: (reason: string) => void
  const closed = new Promise<string>((resolve) => {
    close = resolve
  })
  // Here no connection goes and takes along what runs over it.
  const closing = new AbortController()
  const follow = followOver(openShell, label)
  return {
    label,
    run: runOver(openShell, label),
    follow: (script, onLine, signal) => follow(script, onLine, AbortSignal.any([signal, closing.signal])),
    open: openHere,
    closed,
    async close() {
      closing.abort()
      close('closed')
    },
  }
}

/** The contract of both transports on the real hosts. Runs as alice on the laptop, by `transportsOnLaptop` of ../contract.test.ts. */
import {request} from 'node:http'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'
import {describe, onTestFinished} from 'vitest'
import {emptySecrets} from '../../../src/ssh/auth.ts'
import {sshDoor} from '../../../src/ssh/door.ts'
import {opensshDoor} from '../../../src/ssh/openssh.ts'
import {noPrompter} from '../../../src/ssh/prompt.ts'
import type {Endpoint} from '../../../src/ssh/remote.ts'
import {remoteContract, type Site} from '../../contract/remote.ts'

/** What an ordinary user cannot see and do is asked of the suite outside. */
function asked<T>(what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    request({socketPath: process.env.JNODE_SITE, path: `/${what}`}, (answer) => void text(answer).then((body) => resolve(JSON.parse(body) as T), reject)).on('error', reject).end()
  })
}

const site: Site = {
  accepted: (hop) => asked<number>(`accepted/${hop}`),
  connections: (hop) => asked<number>(`connections/${hop}`),
  cut: (hop) => asked<void>(`cut/${hop}`),
  echoes() {
    onTestFinished(() => asked<void>('echoes-end/head'))
    return asked<Endpoint[]>('echoes/head')
  },
}

const HEAD = [{user: null, host: 'head', port: null}]
const options = {env: process.env, prompter: noPrompter, secrets: emptySecrets(), machines: new Map<string, string>(), tell: () => {}, knownHosts: null, nodesFile: join(homedir(), 'nodes')}

describe('over ssh2', () =>
  remoteContract(async () => site, async () => {
    const door = sshDoor(options)
    const head = await door.open(HEAD)
    return {head, toNode: (name, hostKeys) => door.nodeThrough(head, {name, hostKeys})}
  }))

describe('over the system’s ssh', () =>
  remoteContract(async () => site, async () => {
    const door = opensshDoor(options)
    const {signal} = new AbortController()
    const {head, hop} = await door.open(HEAD, signal)
    return {head, toNode: (name, hostKeys) => door.nodeThrough(head, hop, {name, hostKeys}, signal)}
  }))

import {execFile, spawn} from 'node:child_process'
import {runOver} from '../../src/ssh/remote-command.ts'
import type {RunResult} from '../../src/ssh/remote.ts'
import {contract} from '../contract/contract.ts'
import {startFakeCluster} from '../fake-cluster/cluster.ts'

contract('the fake cluster', async () => {
  const cluster = await startFakeCluster()
  const {env} = cluster.laptop
  const run = runOver(async () => {
    const child = spawn('ssh', ['head', 'exec /bin/sh -s'], {env, stdio: 'pipe'})
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    return {stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended, kill: () => void child.kill()}
  }, 'the fake head node')
  return {
    user: cluster.user,
    run,
    onLaptop: (line) =>
      new Promise<RunResult>((resolve) => {
        execFile('bash', ['-c', line], {env}, (error, stdout, stderr) => resolve({exitCode: error ? Number(error.code ?? -1) : 0, stdout, stderr}))
      }),
    node: {laptop: process.execPath, job: process.execPath},
    close: () => cluster.close(),
  }
})

import {runOver} from '../../src/ssh/remote-command.ts'
import {contract} from '../contract/contract.ts'
import {useLab} from './use-lab.ts'

contract('the real cluster', async () => {
  const lab = await useLab()
  const run = runOver(async () => {
    const child = lab.spawn('head', 'alice', ['/bin/sh', '-s'])
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    return {stdin: child.stdin!, stdout: child.stdout!, stderr: child.stderr!, ended, kill: () => void child.kill()}
  }, 'alice@head')
  return {
    user: 'alice',
    run,
    async onLaptop(line) {
      const {exitCode, stdout, stderr} = await lab.exec('laptop', 'alice', line)
      return {exitCode: exitCode ?? -1, stdout, stderr}
    },
    node: {laptop: '/srv/bin/node', job: '/srv/bin/node'},
    close: async () => {}, // the suite's lab stays for the next file
  }
})

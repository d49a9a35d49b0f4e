/** npm run cluster up|down|status|shell HOST USER [--name LAB] */
import {parseArgs} from 'node:util'
import {attachLab, downLab, type Lab, labsBeside, NoLabHere, upLab} from './lab.ts'
import {initPid} from './hosts.ts'
import {obstacle} from './packages.ts'
import {DEFAULT_LAB} from './paths.ts'
import {HOST_NAMES, type HostName, HOSTS} from './topology.ts'
import {account, USERS} from './users.ts'

const USAGE = 'usage: npm run cluster -- up|down|status|shell HOST USER [--name LAB]   (LAB: $JNODE_LAB or "t")'

async function main(): Promise<number> {
  const {values, positionals} = parseArgs({allowPositionals: true, options: {name: {type: 'string', default: DEFAULT_LAB}}})
  const [verb, host = 'laptop', user = 'alice'] = positionals
  const reason = obstacle()
  if (reason !== undefined) throw new NoLabHere(reason)
  switch (verb) {
    case 'up': {
      const started = Date.now()
      const lab = await upLab(values.name)
      console.log(`lab ${lab.name} is up (${((Date.now() - started) / 1000).toFixed(1)} s)`)
      await printFacts(lab)
      return 0
    }
    case 'down':
      for (const name of new Set([values.name, ...(await labsBeside(values.name))])) {
        await downLab(name)
        console.log(`lab ${name} is down`)
      }
      return 0
    case 'status':
      await printFacts(await attachLab(values.name))
      return 0
    case 'shell': {
      if (!(HOST_NAMES as readonly string[]).includes(host)) throw new Error(`no host ${host}, only ${HOST_NAMES.join(', ')}`)
      const shell = (await attachLab(values.name)).spawn(host as HostName, user, [account(user).shell, '-l'], {stdio: 'inherit'})
      return new Promise((resolve) => shell.on('close', (code) => resolve(code ?? 1)))
    }
    default:
      console.error(USAGE)
      return 2
  }
}

async function printFacts(lab: Lab): Promise<void> {
  for (const host of HOST_NAMES) {
    console.log(`  ${host.padEnd(8)} ${HOSTS[host].address.padEnd(11)} ${initPid(lab.name, host) === undefined ? 'off' : 'on'}`)
  }
  console.log(`  users    ${USERS.map(({name, shell}) => `${name} (${shell})`).join(', ')}`)
  console.log(`  project  /srv/jnode, node at /srv/bin/node, on every host`)
  console.log(`  enter    npm run cluster -- shell laptop alice${lab.name === 't' ? '' : ` --name ${lab.name}`}`)
  const {stdout} = await lab.exec('head', 'alice', ['qstat', '-g', 'c'])
  console.log(stdout.trimEnd().replaceAll(/^/gm, '  '))
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  return error instanceof NoLabHere ? 2 : 1
})

/** A shell on the compute node, and ssh, scp and rsync by `jnode ssh-config`. */
import {afterEach, expect, test} from 'vitest'
import {countLogins, jnodeIn, nothingLeft, sweep} from './jnode.ts'
import {useLab} from './use-lab.ts'

const lab = await useLab()
const jnode = jnodeIn(lab)
const NONE = {gateway: 0, head: 0, node1: 0, node2: 0}

afterEach(async ({task}) => {
  if (task.result?.state === 'fail') await sweep(lab)
})

const JNODE = '/srv/jnode/bin/run.js'
const onLaptop = (line: string) => lab.exec('laptop', 'alice', line)

test('ssh and ssh-config reach the session’s node, over the keeper’s connection and without one', async () => {
  await jnode.ok('start s --host head --node node1')
  const logins = await countLogins(lab)
  expect(await jnode.run("ssh s -- 'hostname; id -un; cat; exit 7' </dev/null")).toMatchObject({exitCode: 7, stdout: 'node1.local\nalice\n'})
  expect((await onLaptop(`head -c 3000000 /dev/urandom >~/data; ${JNODE} ssh s -- 'cat >/tmp/data; cat /tmp/data & cat /tmp/data >&2; wait; rm /tmp/data' <~/data 2>~/err >~/out; cmp ~/data ~/out && cmp ~/data ~/err && echo same; rm ~/data ~/out ~/err`)).stdout).toBe('same\n')

  // In a terminal the command has one as well, of the same size and with the same modes; a shell where none is named.
  const typed = await onLaptop(`script -qefc 'stty cols 150 rows 40 iutf8 intr ^B; exec ${JNODE} ssh s -- "tty; stty size; stty -a"' /dev/null`)
  expect(typed.stdout).toMatch(/\/dev\/pts\/\d+\r?\n40 150\r?\n[^]*intr = \^B;[^]* iutf8/)
  const shell = jnode.spawn('ssh s', {terminal: true})
  shell.type('echo at $(hostname); exit 5\n')
  const {exitCode, stdout} = await shell.ended
  expect({exitCode, there: /at node1\.local/.test(stdout)}).toEqual({exitCode: 5, there: true})
  expect(await logins(), 'the keeper’s connection to the node is used').toEqual(NONE)

  const config = (await jnode.run('ssh-config s')).stdout
  await lab.exec('laptop', 'alice', 'cat >~/node.config', {input: config})
  expect((await onLaptop('ssh -F ~/node.config s hostname')).stdout).toBe('node1.local\n')
  expect((await onLaptop('head -c 3000000 /dev/urandom >~/data && scp -q -F ~/node.config ~/data s:/tmp/data && scp -q -F ~/node.config s:/tmp/data ~/back && cmp ~/data ~/back && echo same')).stdout).toBe('same\n')
  expect((await onLaptop('rsync -e "ssh -F node.config" --remove-source-files s:/tmp/data ~/back2 && cmp ~/data ~/back2 && echo same; rm ~/data ~/back*')).stdout).toBe('same\n')
  // ssh closes at its start all that it inherits but these three, and with it the /dev/fd of bash's <(...).
  expect((await onLaptop(`ssh -F /dev/stdin s hostname < <(${JNODE} ssh-config s)`)).stdout).toBe('node1.local\n')
  expect((await onLaptop(`zsh -c 'ssh -F =(${JNODE} ssh-config s) s hostname'`)).stdout).toBe('node1.local\n')
  expect((await onLaptop(`fish -c 'ssh -F (${JNODE} ssh-config s | psub) s hostname'`)).stdout).toBe('node1.local\n')
  expect(await logins(), 'ssh itself logs in to the node').toEqual({...NONE, node1: 7})

  // The way needs no keeper, and takes no other host for the node.
  await jnode.ok('disconnect s')
  const before = await countLogins(lab)
  expect((await onLaptop('ssh -F ~/node.config s hostname')).stdout).toBe('node1.local\n')
  expect(await before()).toEqual({gateway: 1, head: 1, node1: 1, node2: 0})
  expect((await jnode.run('ssh s -- hostname')).stdout).toBe('node1.local\n')
  expect(await before()).toEqual({gateway: 2, head: 2, node1: 2, node2: 0})
  await onLaptop('sed -i "s/HostName node1/HostName node2/; s/HostKeyAlias node1/HostKeyAlias node2/" ~/node.config')
  const refused = await onLaptop('ssh -F ~/node.config s hostname')
  expect(refused).toMatchObject({exitCode: 255, stderr: expect.stringContaining('Host key verification failed') as string})
  await onLaptop('rm ~/node.config')
  await jnode.ok('stop s')
  await nothingLeft(lab)
  expect(await jnode.fails('ssh s --host head')).toMatchObject({exitCode: 8, code: 'no-session'})
})

test('a job that waits has no node yet, and this is said', async () => {
  await jnode.ok('start w --host head --no-wait --sge-arg -h')
  expect(await jnode.fails('ssh-config w')).toMatchObject({exitCode: 9, message: 'The job of w does not run yet'})
  await jnode.ok('stop w')
  await nothingLeft(lab)
})

/** The job script as child processes: real shells, with programs that stand in for Jupyter, modules and conda. */
import {appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterEach, describe, expect, it} from 'vitest'
import {jobScript, type JobSpec} from '../../../src/jupyter/job-script.ts'
import {makeHome, PROOF, runJob, TOKEN, type Run, type RunOptions} from './job-run.ts'

/** Writes the file that a Jupyter Server writes once it listens, and lives until it is told to end. */
const server = ({port = 0, end = ''} = {}) => `
if [ ${port} = 0 ]; then
  # a real socket, since the job looks for one
  node -e 'require("net").createServer().listen(process.argv[1])' "\${JUPYTER_RUNTIME_DIR%/runtime}/sock" & peer=$!
  until [ -S "\${JUPYTER_RUNTIME_DIR%/runtime}/sock" ]; do sleep 0.05; done
fi
trap 'echo "told to end"; [ -z "$peer" ] || kill $peer; rm -f "$file"; exit 0' TERM
umask
env >"$HOME/env"
pwd >"$HOME/cwd"
file=$JUPYTER_RUNTIME_DIR/jpserver-$$.json
printf '{\\n  "base_url": "/",\\n  "hostname": "127.0.0.1",\\n  "port": %s,\\n  "version": "2.14.2"\\n}' ${port} >"$file"
${end}
while :; do sleep 0.1; done`

const node = `exec ${process.execPath} "$@"`
const fakes = {'jupyter-lab': server(), node}
const shells = [['dash'], ['bash', '--posix']].filter(([name]) => existsSync(`/bin/${name}`)) as string[][]

/** The outer half of the job finds the programs of the test, too. */
const withFakes = (script: string) => script.replace('\n', '\nPATH=$HOME/bin:$PATH\n')

let run: Run
const start = (options: RunOptions = {}) => (run = runJob({programs: fakes, ...options}))
afterEach(() => run?.remove())
const ending = async () => {
  await run.ended
  return run.record()?.end
}

describe.each(shells)('under %s', (...shell) => {
  it('tells where the server will listen, then that it does', async () => {
    start({shell})
    const first = await run.until((record) => record.node !== null)
    expect(first).toMatchObject({jobId: '4711', slots: 2, tmpdir: run.tmp, endpoint: {kind: 'socket', path: `${run.tmp}/jnode/sock`}})
    expect(first.names).toContain('node1.cluster')
    expect(first.names[0]).toBe(first.node)
    const ready = await run.until((record) => record.listening)
    expect(ready).toMatchObject({app: 'lab', baseUrl: '/', version: '2.14.2', end: null, endpoint: first.endpoint})
    const pinned = JSON.parse(readFileSync(`${run.tmp}/jnode/config/jupyter_lab_config.json`, 'utf8'))
    expect(pinned).toMatchObject({
      ServerApp: {token: TOKEN, password: '', ip: '127.0.0.1', sock: `${run.tmp}/jnode/sock`, sock_mode: '0600'},
      NotebookApp: {token: TOKEN},
      IdentityProvider: {token: TOKEN},
    })
    expect(pinned.ServerApp.tornado_settings.headers).toEqual({'X-Jnode-Session': PROOF})
    for (const place of ['jnode', 'jnode/config', 'jnode/runtime']) expect(statSync(`${run.tmp}/${place}`).mode & 0o777).toBe(0o700)
    expect(statSync(`${run.session}/record`).mode & 0o777).toBe(0o600)
  })

  it('names the node after its keys, since it is logged in to as soon as it is named', async () => {
    start({shell})
    await run.until((record) => record.node !== null)
    const lines = readFileSync(`${run.session}/record`, 'utf8').split('\n')
    const from = lines.findIndex((line) => line.startsWith('hostkeys-from '))
    expect(lines[from + 1]).toMatch(/^node \S/)
    expect(lines.findLastIndex((line) => line.startsWith('hostkey '))).toBeLessThan(from)
    expect(lines.findIndex((line) => line.startsWith('endpoint '))).toBeLessThan(from)
  })

  it('believes what the node’s own SSH server shows rather than the files in /etc/ssh', async () => {
    const scan = `case "$*" in '-T 2 -t ed25519,ecdsa,rsa 127.0.0.1 '*) ;; *) exit 1 ;; esac
echo '# 127.0.0.1:22 SSH-2.0-OpenSSH_9.2p1'
echo '127.0.0.1 ssh-ed25519 AAAAshown'; echo '10.0.0.2 ssh-ed25519 AAAAshown'; echo '127.0.0.1 ssh-rsa AAAArsa'`
    start({shell, programs: {...fakes, 'ssh-keyscan': scan}, edit: withFakes})
    const record = await run.until(({node}) => node !== null)
    expect(record).toMatchObject({hostKeys: [{type: 'ssh-ed25519', key: 'AAAAshown'}, {type: 'ssh-rsa', key: 'AAAArsa'}], hostKeysFrom: 'sshd'})
  })

  it.each([
    ['shows nothing', 'exit 1', withFakes],
    ['may be anybody’s, as all users have such ports', 'echo "127.0.0.1 ssh-ed25519 AAAAother"', (text: string) => withFakes(text).replace('/proc/sys/net/ipv4/ip_unprivileged_port_start', '"$HOME/lowest"')],
  ])('takes the keys from the files where what answers on port 22 %s', async (_, scan, edit) => {
    start({shell, programs: {...fakes, 'ssh-keyscan': scan}, files: {lowest: '0\n'}, edit})
    const record = await run.until(({node}) => node !== null)
    expect(record.hostKeysFrom).toBe('files')
    expect(record.hostKeys.map(({key}) => key)).not.toContain('AAAAother')
  })

  it('starts Jupyter while the SSH server of the node lets the question for its keys wait', async () => {
    start({shell, programs: {...fakes, 'ssh-keyscan': 'until [ -e "$HOME/go" ]; do sleep 0.05; done; echo "127.0.0.1 ssh-ed25519 AAAAlate"'}, edit: withFakes})
    expect(await run.until((record) => record.listening)).toMatchObject({node: null, hostKeys: []})
    writeFileSync(`${run.home}/go`, '')
    expect(await run.until(({node}) => node !== null)).toMatchObject({hostKeys: [{key: 'AAAAlate'}], listening: true})
  })

  it('says nothing of its end when Grid Engine has started it again elsewhere before ending it here', async () => {
    start({shell})
    await run.until((record) => record.listening)
    appendFileSync(`${run.session}/record`, 'jnode-record 1\nstart node2.77\nnode node2\n')
    run.signal('SIGUSR2')
    expect(await run.ended).toBe(0)
    expect(run.record()).toMatchObject({node: 'node2', signals: [], end: null})
  })

  it('ends the server and leaves nothing when Grid Engine announces the kill', async () => {
    start({shell})
    await run.until((record) => record.listening)
    run.signal('SIGUSR2')
    expect(await ending()).toMatchObject({code: 0, reason: 'deleted'})
    expect(run.record()?.signals).toEqual(['USR2'])
    expect(run.log()).toContain('told to end')
    expect(readdirSync(run.tmp)).toEqual([])
    expect(run.processes()).toEqual([])
    expect(await run.ended).toBe(0)
  })

  it('outlives the announcement of a suspension, and notes it', async () => {
    start({shell})
    await run.until((record) => record.listening)
    run.signal('SIGUSR1')
    const noted = await run.until((record) => record.signals.includes('USR1'))
    expect(noted.end).toBeNull()
    run.signal('SIGTERM')
    expect(await ending()).toMatchObject({reason: 'deleted'})
    expect(run.log()).toContain('told to end')
  })

  it('ends the server at the soft limit of time, which no suspension follows', async () => {
    const home = makeHome()
    start({shell, home, files: {'spool/config': 'notify=0\n'}, env: {SGE_JOB_SPOOL_DIR: `${home}/spool`}})
    await run.until((record) => record.listening)
    run.signal('SIGUSR1')
    expect(await ending()).toMatchObject({code: 0, reason: 'time-limit', text: expect.stringContaining('s_rt') as string})
    expect(run.log()).toContain('told to end')
    expect(readdirSync(run.tmp)).toEqual([])
  })

  it('writes nothing into the record of a later start, which Grid Engine may begin elsewhere before this one has ended', async () => {
    start({shell})
    await run.until((record) => record.listening)
    appendFileSync(`${run.session}/record`, '\njnode-record 1\nstart node2.77\njob 4711\nnode node2\n')
    run.signal('SIGUSR2')
    await run.ended
    expect(run.record()).toMatchObject({node: 'node2', signals: [], end: null})
  })

  it('kills a server that does not listen to reason', async () => {
    start({shell, programs: {...fakes, 'jupyter-lab': `trap '' TERM\n${server().replace(/trap .*/, '')}`}, edit: (text) => text.replace('-ne 400', '-ne 4')})
    await run.until((record) => record.listening)
    run.signal('SIGUSR2')
    expect(await ending()).toMatchObject({code: 0, reason: 'deleted'})
    expect(readdirSync(run.tmp)).toEqual([])
  })

  it('ends during a slow set-up', async () => {
    start({shell, spec: {setup: ['echo here; sleep 600']}})
    await expect.poll(() => run.log()).toContain('here')
    run.signal('SIGUSR2')
    expect(await ending()).toMatchObject({reason: 'deleted'})
    expect(run.processes()).toEqual([])
  })

  it('ends what set-up lines left running', async () => {
    start({shell, spec: {setup: ['sleep 600 &']}, programs: {...fakes, 'jupyter-lab': server({port: 1, end: 'exit 0'})}})
    await run.ended
    await expect.poll(() => run.processes()).toEqual([])
  })

  it('tells of a server that was shut down, and of one that died', async () => {
    start({shell, programs: {'jupyter-lab': `${server({port: 12345})}`.replace(/while .*/, 'sleep 0.5; exit 0')}})
    expect(await ending()).toMatchObject({code: 0, reason: 'finished'})
    await run.remove()
    start({shell, programs: {'jupyter-lab': 'echo "no luck" >&2; exit 3'}})
    expect(await ending()).toEqual({code: 3, reason: 'jupyter-exited', text: 'Jupyter ended with exit status 3'})
    expect(await run.ended).toBe(3)
    expect(run.log()).toContain('no luck')
    await run.remove()
    start({shell, programs: {'jupyter-lab': 'kill -KILL $$'}})
    expect(await ending()).toEqual({code: 137, reason: 'jupyter-exited', text: 'Jupyter was killed by signal 9'})
  })

  it.each([99, 100])('does not let exit status %d of the server run the job again', async (status) => {
    start({shell, programs: {'jupyter-lab': `exit ${status}`}})
    expect(await run.ended).toBe(1)
    expect(run.record()?.end).toMatchObject({code: status, reason: 'jupyter-exited'})
  })

  it('follows a server that takes a port because it knows no sockets', async () => {
    start({shell, programs: {'jupyter-lab': server({port: 23456})}})
    const ready = await run.until((record) => record.listening)
    expect(ready.endpoint).toEqual({kind: 'tcp', host: '127.0.0.1', port: 23456})
  })

  it('goes on when the record cannot be written, and says so in the log', async () => {
    const home = makeHome()
    mkdirSync(join(home, '.jnode/sessions/lab/record'), {recursive: true})
    start({shell, home, programs: {'jupyter-lab': `${server({port: 1})}`.replace(/while .*/, 'sleep 0.3; exit 0')}})
    expect(await run.ended).toBe(0)
    expect(run.log()).toContain('jnode could not record: listening')
    expect(run.log()).toContain('jnode could not record: end 0 finished')
  })

  it('takes a short private place where TMPDIR is too deep, missing or odd', async () => {
    for (const TMPDIR of [`/tmp/${'x'.repeat(95)}`, undefined, '/nowhere', '/tmp/a b', '/tmp/a\nb', 'relative']) {
      start({shell, env: {TMPDIR}})
      const {endpoint} = await run.until((record) => record.listening)
      const path = endpoint?.kind === 'socket' ? endpoint.path : ''
      expect(path).toMatch(/^\/tmp\/jnode\.\w+\/sock$/)
      expect(statSync(path.replace(/\/sock$/, '')).mode & 0o777).toBe(0o700)
      run.signal('SIGUSR2')
      await run.ended
      expect(existsSync(path.replace(/\/sock$/, ''))).toBe(false)
      await run.remove()
    }
  })

  it('does not use a directory that somebody has made before', async () => {
    const home = makeHome()
    mkdirSync(join(home, 'tmp/jnode'), {recursive: true})
    start({shell, home})
    const {endpoint} = await run.until((record) => record.listening)
    expect(endpoint).toMatchObject({path: expect.stringMatching(/^\/tmp\/jnode\.\w+\/sock$/)})
    run.signal('SIGUSR2')
    await run.ended
  })

  it('says so when the session was removed while the job waited', async () => {
    start({shell, edit: (text) => text.replace('IFS= read -r token', 'rm -f "$session"/token\n$&')})
    expect(await ending()).toMatchObject({code: 1, reason: 'session-removed'})
  })
})

describe('what the job brings to Jupyter', () => {
  const environment = () => Object.fromEntries(readFileSync(join(run.home, 'env'), 'utf8').split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)))

  it('as many threads as slots for every library, unless the user has said so', async () => {
    start({spec: {setup: ['export NUMBA_NUM_THREADS=3']}, files: {'.bash_profile': '. ~/.profile; export OPENBLAS_NUM_THREADS=1'}, env: {MKL_NUM_THREADS: '7'}})
    await run.until((record) => record.listening)
    const threads = Object.fromEntries(Object.entries(environment()).filter(([name]) => /_THREADS$/.test(name)))
    expect(threads).toEqual({
      OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '1', BLIS_NUM_THREADS: '2', MKL_NUM_THREADS: '7', NUMEXPR_NUM_THREADS: '2', NUMBA_NUM_THREADS: '3',
      JULIA_NUM_THREADS: '2', POLARS_MAX_THREADS: '2', RAYON_NUM_THREADS: '2',
    })
  })

  it('tells which GPUs it was given', async () => {
    start({env: {CUDA_VISIBLE_DEVICES: '1,3', SGE_HGR_gpu: '1 3', SGE_HGRX: 'x'}})
    expect(await run.until((record) => record.node !== null)).toMatchObject({gpus: 'CUDA_VISIBLE_DEVICES=1,3 SGE_HGR_gpu=1 3'})
  })

  it('threads, private places, no token, nothing of the login session', async () => {
    start({
      env: {MKL_NUM_THREADS: '7', token: 'a name of ours', proof: 'b', pins: 'c', config: 'd', XDG_RUNTIME_DIR: '/run/user/1', JUPYTER_TOKEN: 'x', JUPYTER_PORT: '1', JPY_PARENT_PID: '1', JUPYTER_NO_CONFIG: '1', JUPYTER_CONFIG_PATH: '/site'},
    })
    await run.until((record) => record.listening)
    expect(environment()).toMatchObject({
      OMP_NUM_THREADS: '2', MKL_NUM_THREADS: '7', JUPYTER_RUNTIME_DIR: `${run.tmp}/jnode/runtime`, JUPYTER_CONFIG_PATH: `${run.tmp}/jnode/config:/site`,
    })
    for (const name of ['XDG_RUNTIME_DIR', 'JUPYTER_TOKEN', 'JUPYTER_PORT', 'JPY_PARENT_PID', 'JUPYTER_NO_CONFIG']) expect(environment()).not.toHaveProperty(name)
    expect(JSON.stringify(environment())).not.toContain(TOKEN)
    expect(readFileSync(join(run.home, 'cwd'), 'utf8').trim()).toBe(run.home)
  })

  it("the user's own mask for files, however private ours are", async () => {
    start({files: {'.bash_profile': '. ~/.profile; umask 002'}})
    await run.until((record) => record.listening)
    expect(run.log()).toMatch(/^0002$/m)
  })

  it('set-up lines in order, written for bash, in the same shell', async () => {
    start({spec: {setup: ['list=(1 2 3); export B="it\'s $HOME"', 'export A=${list[2]} C=$\'x\\ty\'', "# nothing\n#$ -l h_rt=1\nexport D='x\n#$ -q evil'"]}})
    await run.until((record) => record.listening)
    expect(environment()).toMatchObject({A: '3', B: `it's ${run.home}`, C: 'x\ty'})
    expect(readFileSync(join(run.home, 'env'), 'utf8')).toContain('D=x\n#$ -q evil')
  })

  it.each(['work dir/it\'s $(touch pwned)', '~/work dir', '$HOME/x', './x'])('the directory %s', async (dir) => {
    const home = makeHome()
    const place = join(home, dir.replace(/^(~|\$HOME|\.)\//, ''))
    mkdirSync(place, {recursive: true})
    start({home, spec: {dir, setup: ['cd /']}})
    await run.until((record) => record.listening)
    expect(readFileSync(join(home, 'cwd'), 'utf8').trim()).toBe(place)
    expect(existsSync(join(place, 'pwned'))).toBe(false)
    const pinned = JSON.parse(readFileSync(`${run.tmp}/jnode/config/jupyter_notebook_config.json`, 'utf8'))
    expect(pinned).toMatchObject({ServerApp: {root_dir: '.'}, NotebookApp: {notebook_dir: '.'}})
  })

  it('the program that was asked for, or the best there is', async () => {
    const all = {...fakes, 'jupyter-server': server(), 'jupyter-notebook': server(), 'jupyter-voila': server()}
    for (const [app, programs, expected] of [
      ['auto', all, 'lab'],
      ['auto', {'jupyter-server': all['jupyter-server'], node}, 'server'],
      ['notebook', all, 'notebook'],
      ['voila', all, 'voila'],
    ] as const) {
      start({spec: {app}, programs})
      expect((await run.until((record) => record.listening)).app).toBe(expected)
      await run.remove()
    }
  })

  it('a program from ~/.local/bin, where pip puts it', async () => {
    start({programs: {node}, files: {'.local/bin/jupyter-lab': `#!/bin/sh\n${server()}`}, edit: (text) => `chmod 755 ~/.local/bin/*\n${text}`})
    expect((await run.until((record) => record.listening)).app).toBe('lab')
  })
})

describe('what keeps Jupyter from starting', () => {
  const module = (body: string) => ({files: {'.bash_profile': `. ~/.profile; module() { ${body}; }`}})

  it.each<[string, RunOptions, object]>([
    ['no Jupyter at all', {programs: {node}}, {code: 127, reason: 'no-jupyter', text: 'jupyter-lab is not on PATH'}],
    ['another Jupyter', {programs: {'jupyter-notebook': '', node}, spec: {app: 'lab'}}, {reason: 'no-jupyter', text: 'jupyter-lab is not on PATH (there is: notebook)'}],
    ['a missing directory', {spec: {dir: '/no/where\nat all'}}, {reason: 'dir-missing', text: 'cannot enter the directory /no/where at all'}],
    ['a set-up line that fails', {spec: {setup: ['true', 'source venv/bin/activate']}}, {reason: 'setup-failed', text: 'this set-up line failed: source venv/bin/activate'}],
    ['a set-up line that ends the shell', {spec: {setup: ['exit 0']}}, {code: 1, reason: 'setup-failed'}],
    ['a set-up line that is no shell', {spec: {setup: ['if then "']}}, {reason: 'setup-failed', text: 'this set-up line failed: if then "'}],
    ['no module command', {spec: {modules: ['jupyter']}}, {reason: 'module-failed', text: 'there is no "module" command here'}],
    ['a module that is not there', {spec: {modules: ['a/1', 'b']}, ...module('LOADEDMODULES=$2; [ "$2" = a/1 ]')}, {reason: 'module-failed', text: 'module load b failed'}],
    ['an old module command that never fails', {spec: {modules: ['b']}, ...module('true')}, {reason: 'module-failed', text: 'module load b failed'}],
    ['no conda', {spec: {conda: 'science'}}, {reason: 'conda-failed'}],
  ])('%s', async (_, options, expected) => {
    start(options)
    expect(await ending()).toMatchObject(expected)
    expect(readdirSync(run.tmp)).toEqual([])
    expect(await run.ended).not.toBe(0)
    expect(run.log()).toContain('jnode: ')
  })

  it('not a module that was loaded before', async () => {
    start({spec: {modules: ['gcc']}, files: {'.bash_profile': '. ~/.profile; export LOADEDMODULES=gcc/12:x/1; module() { true; }'}})
    await run.until((record) => record.listening)
  })

  it('not a profile that ends its shell: then Jupyter starts without it', async () => {
    start({files: {'.bash_profile': 'exit 3'}, edit: (text) => `. ~/.profile; export PATH\n${text}`})
    await run.until((record) => record.listening)
    expect(run.log()).toContain('the login profile ended its shell')
  })

  it('not a profile that fails here and there, or sets traps for scripts', async () => {
    start({files: {'.bash_profile': '. ~/.profile\nfalse\nno-such-command\nset -uC\n'}})
    await run.until((record) => record.listening)
  })
})

describe('conda', () => {
  /** As conda.sh does it: a shell function that evaluates what the program prints. */
  const condaSh = 'conda() { [ "$1 $2" = "activate science" ] || { echo "EnvironmentNameNotFound: $2" >&2; return 1; }; export CONDA_PREFIX=/opt/science; }'
  const installed = (base: string) => ({[`${base}/etc/profile.d/conda.sh`]: condaSh, [`${base}/bin/conda`]: ''})

  it.each<[string, RunOptions]>([
    ['in a usual place', {files: installed('miniconda3')}],
    ['named by CONDA_EXE', {files: {...installed('my/conda'), '.bash_profile': '. ~/.profile; export CONDA_EXE=$HOME/my/conda/bin/conda'}}],
    ['known to ~/.bashrc only', {files: installed('c'), edit: (text) => `echo "__conda_setup=\\"\\$('$HOME/c/bin/conda' 'shell.bash' 'hook' 2> /dev/null)\\"" >~/.bashrc\n${text}`}],
    ['initialised already', {files: {'.bash_profile': `. ~/.profile; ${condaSh}`}}],
    ['a program on PATH that lies elsewhere', {files: installed('c'), programs: {...fakes, conda: 'echo "$HOME/c"'}}],
  ])('%s', async (_, options) => {
    start({...options, spec: {conda: 'science'}})
    await run.until((record) => record.listening)
    expect(readFileSync(join(run.home, 'env'), 'utf8')).toContain('CONDA_PREFIX=/opt/science')
  })

  it('without the environment asked for', async () => {
    start({files: installed('miniconda3'), spec: {conda: 'typo'}})
    expect(await ending()).toMatchObject({reason: 'conda-failed', text: 'conda activate typo failed'})
    expect(run.log()).toContain('EnvironmentNameNotFound: typo')
  })
})

describe('the text', () => {
  const spec: JobSpec = {name: 'lab', sessionDir: '/home/ann/.jnode/sessions/lab', app: 'lab', dir: null, modules: [], conda: null, setup: [], idleSeconds: null, kernelTransport: 'ipc'}

  it('holds no line that qsub would take for an option, whatever the user says', () => {
    const evil = 'x\n#$ -q evil\r\n#$ -o /dev/null'
    const text = jobScript({...spec, name: evil, sessionDir: `/home/${evil}`, dir: evil, modules: [evil], conda: evil, setup: [evil]})
    expect(text).not.toMatch(/^#\$/m)
    expect(text.endsWith('\n')).toBe(true)
    expect(jobScript({...spec, setup: ['one\r\ntwo\r\n']})).not.toContain('\r')
  })

  it.each(['', 'lab; touch pwned', '../lab', '--help'])('is refused for the program "%s"', (app) => {
    expect(() => jobScript({...spec, app})).toThrowError(expect.objectContaining({code: 'usage'}))
  })

  it('is as it was reviewed', async () => {
    const text = jobScript({...spec, app: 'auto', dir: '~/my work', modules: ['anaconda/2024'], conda: 'science', setup: ['export A=1', '. venv/bin/activate'], idleSeconds: 7200})
    await expect(text).toMatchFileSnapshot('../../fixtures/job-scripts/full.sh')
  })

  it("works in a home directory with the worst name, and with text that looks like the script's own marks", async () => {
    start({home: makeHome(`o'br "ien" $(touch pwned) \`x\` \n#$ -q evil *`), spec: {setup: ['echo one\nEND_OF_START\n: END_OF_START_'.replace('\nEND_OF_START\n', '\n: END_OF_START\n'), "A='\nEND_OF_START\n'"]}})
    await run.until((record) => record.listening)
    run.signal('SIGUSR2')
    expect(await ending()).toMatchObject({reason: 'deleted'})
    expect(run.log()).toContain('one')
    rmSync(run.session, {recursive: true})
  })
})

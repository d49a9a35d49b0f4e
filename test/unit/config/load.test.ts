import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {homedir, tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {loadConfig, NO_SETTINGS, type Config} from '../../../src/config/load.ts'
import {rejectionOf, type Told} from '../expect-error.ts'

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jnode-config-'))
  file = join(folder, 'config.toml')
})
afterAll(() => rm(folder, {recursive: true}))

async function load(text: string): Promise<Config> {
  await writeFile(file, text)
  return loadConfig(file)
}

async function refused(text: string): Promise<Told> {
  await writeFile(file, text)
  return rejectionOf(loadConfig(file))
}

test('no file is an empty configuration', async () => {
  const missing = join(folder, 'none', 'config.toml')
  expect(await loadConfig(missing)).toEqual({file: missing, where: missing, defaultCluster: null, clusters: new Map(), profiles: new Map()})
})

test('everything a cluster can say', async () => {
  const config = await load(`
default_cluster = "hpc"
[clusters.hpc]
host = "me@head.example.org:2222"
jump = ["me@gw1", "gw2"]
route = "node"
pe = "smp"
memory = {resource = "h_vmem", per = "slot"}
gpu = {resource = "gpu"}
sge_setup = ". /opt/sge/default/common/settings.sh"
setup = ["source /etc/profile.d/modules.sh", "umask 077"]
app = "notebook"
kernel_transport = "tcp"
module = ["python/3.12", "cuda"]
conda = "base"
mem = "4G"
time = "8h"
project = "p"
known_hosts = "~/.ssh/hpc_hosts"
[clusters.plain]
host = "head2"
known_hosts = "hosts"
node_password = "same"
[clusters."9x"]
host = "local"
`)
  expect(config.defaultCluster).toBe('hpc')
  expect(config.clusters.get('hpc')).toEqual({
    host: 'me@head.example.org:2222',
    jump: ['me@gw1', 'gw2'],
    settings: {
      route: 'node',
      pe: 'smp',
      memory: [{resource: 'h_vmem', per: 'slot'}],
      gpu: {resource: 'gpu'},
      sgeSetup: '. /opt/sge/default/common/settings.sh',
      transport: null,
      setup: ['source /etc/profile.d/modules.sh', 'umask 077'],
      app: 'notebook',
      kernelTransport: 'tcp',
      modules: ['python/3.12', 'cuda'],
      conda: 'base',
      memoryBytes: 4 * 2 ** 30,
      runSeconds: 28_800,
      project: 'p',
      knownHosts: join(homedir(), '.ssh/hpc_hosts'),
    },
  })
  expect(config.clusters.get('plain')).toEqual({
    host: 'head2',
    jump: [],
    settings: {...NO_SETTINGS, knownHosts: join(folder, 'hosts'), nodePassword: 'same'},
  })
  expect(config.clusters.get('9x')?.host).toBe('local')
})

test('several resources for memory', async () => {
  const config = await load('[clusters.a]\nhost = "h"\nmemory = [{resource = "tmem", per = "slot"}, {resource = "h_vmem", per = "job"}]\n')
  expect(config.clusters.get('a')?.settings.memory).toEqual([{resource: 'tmem', per: 'slot'}, {resource: 'h_vmem', per: 'job'}])
  expect((await refused('[clusters.a]\nhost = "h"\nmemory = [{resource = "tmem"}]\n')).message).toBe(`clusters.a.memory[0].per in ${file} is missing`)
})

describe('files of the site below the user\'s', () => {
  const site = () => join(folder, 'site.toml')
  const both = async (users: string, sites: string) => {
    await writeFile(file, users)
    await writeFile(site(), sites)
    return loadConfig(file, [join(folder, 'nosuch.toml'), site()])
  }

  test('count key by key', async () => {
    const config = await both(
      '[clusters.hpc]\nsetup = ["mine"]\npe = "omp"\n[profiles.big]\ncores = 16\n',
      'default_cluster = "hpc"\n[clusters.hpc]\nhost = "head"\npe = "smp"\nknown_hosts = "keys"\n[clusters.old]\nhost = "old"\n[profiles.big]\ncores = 8\nmem = "8G"\n',
    )
    expect(config).toMatchObject({file, where: `${file} and ${site()}`, defaultCluster: 'hpc'})
    expect(config.clusters.get('hpc')).toEqual({host: 'head', jump: [], settings: {...NO_SETTINGS, pe: 'omp', setup: ['mine'], knownHosts: join(folder, 'keys')}})
    expect([...config.clusters.keys()].sort()).toEqual(['hpc', 'old'])
    expect(config.profiles.get('big')).toEqual({cores: 16, memoryBytes: 8 * 2 ** 30})
  })

  test('are named where they are wrong', async () => {
    expect((await rejectionOf(both('', '[clusters.hpc]\nhots = "h"\n'))).message).toBe(`clusters.hpc.hots in ${site()} is not a key of jnode’s configuration`)
    expect((await rejectionOf(both('', '[clusters.hpc]\nhost = "h"\ntime = "25:61"\n'))).message).toContain(`clusters.hpc.time in ${site()} must be`)
    expect((await rejectionOf(both('[clusters.x]\npe = "smp"\n', '[clusters.hpc]\nhost = "h"\n'))).message).toBe(`clusters.x.host in ${file} is missing`)
    expect((await rejectionOf(both('default_cluster = "x"\n', '[clusters.hpc]\nhost = "h"\n'))).message).toBe(`default_cluster in ${file} names the cluster "x", which is not there`)
    expect((await rejectionOf(both('', 'default_cluster = "x"\n'))).message).toBe(`default_cluster in ${site()} names the cluster "x", which is not there`)
  })
})

test('everything a profile can say, as the flags mean it', async () => {
  const config = await load(`
[clusters.hpc]
host = "head"
[profiles.big]
cluster = "hpc"
cores = 8
mem = "32G"
gpus = 1
time = "1-12:00:00"
queue = "long.q"
node = "node7"
pe = "smp"
project = "p"
account = "a"
sge-arg = ["-l", "ib=1"]
app = "server"
dir = "~/work"
module = ["python/3.12", "cuda"]
conda = "base"
setup = ["export A=1"]
port = 9000
route = "socket"
browser = "firefox"
no-browser = true
wait = "10m"
detach = true
kernel_transport = "tcp"
[profiles.far]
host = "me@head"
jump = ["gw"]
`)
  expect(config.profiles.get('big')).toEqual({
    cluster: 'hpc', cores: 8, memoryBytes: 32 * 2 ** 30, gpus: 1, runSeconds: 129_600, queue: 'long.q', node: 'node7', pe: 'smp', project: 'p', account: 'a',
    sgeArgs: ['-l', 'ib=1'], app: 'server', dir: '~/work', modules: ['python/3.12', 'cuda'], conda: 'base', setup: ['export A=1'], port: 9000, route: 'socket',
    browser: 'firefox', noBrowser: true, waitSeconds: 600, detach: true, kernelTransport: 'tcp',
  })
  expect(config.profiles.get('far')).toEqual({host: 'me@head', jump: ['gw']})
})

test('kernel_transport is ipc or tcp', async () => {
  const error = await rejectionOf(load('[clusters.a]\nhost = "h"\nkernel_transport = "udp"\n'))
  expect(error.message).toBe(`clusters.a.kernel_transport in ${file} must be "ipc" or "tcp", not "udp"`)
})

test('a byte order mark, as some editors leave it, does no harm', async () => {
  expect((await load('\uFEFF[clusters.a]\nhost = "h"\n')).clusters.has('a')).toBe(true)
})

describe('bad TOML is named by file, line and column', () => {
  test.each([
    ['an unquoted text', '[clusters.hpc]\nhost = head\n', 'line 2, column 8'],
    ['a bracket left open', 'a = 1\n[clusters.hpc\nhost = "h"', 'line 2, column 14'],
    ['a key twice', '[clusters.hpc]\nhost = "a"\nhost = "b"\n', 'line 3, column 1'],
    ['a table twice', '[clusters.hpc]\nhost = "a"\n[clusters.hpc]\n', 'line 3, column 2'],
    ['not TOML at all', '{"default_cluster": "hpc"}', 'line 1, column 1'],
  ])('%s', async (_what, text, place) => {
    const {code, message, hint} = await refused(text)
    expect(code).toBe('config')
    expect(message).toMatch(new RegExp(`^${file} is not valid TOML at ${place}: [^\\n]+$`))
    expect(hint).toBe('Mend that line. Text stands in quotes, as in host = "you@head.example.org".')
  })
})

test.each([
  ['defaultcluster = "a"', 'defaultcluster', 'Did you mean "default_cluster"? The keys there are: default_cluster, clusters, profiles.'],
  ['[cluster.a]\nhost = "h"', 'cluster', 'Did you mean "clusters"? The keys there are: default_cluster, clusters, profiles.'],
  ['[clusters.a]\nhots = "h"', 'clusters.a.hots', /^Did you mean "host"\? The keys there are: host, jump, .*, known_hosts\.$/],
  ['[clusters.a]\nhost = "h"\nsge-setup = "x"', 'clusters.a.sge-setup', /^Did you mean "sge_setup"\?/],
  ['[clusters.a]\nhost = "h"\nmemory = {resource = "m", per = "slot", resourse = "n"}', 'clusters.a.memory.resourse', 'Did you mean "resource"? The keys there are: resource, per.'],
  ['[clusters.a]\nhost = "h"\ngpu = {name = "gpu"}', 'clusters.a.gpu.name', 'The keys there are: resource.'],
  ['[profiles.p]\ncore = 8', 'profiles.p.core', /^Did you mean "cores"\?/],
  ['[profiles.p]\nsge_arg = ["-l"]', 'profiles.p.sge_arg', /^Did you mean "sge-arg"\?/],
  ['[profiles.p]\nprofile = "q"', 'profiles.p.profile', /^(?!Did you mean "profile").*The keys there are: cluster, /],
])('a wrong key is named in full, with the nearest right one: %j', async (text, key, hint) => {
  const told = await refused(text)
  expect(told.code).toBe('config')
  expect(told.message).toBe(`${key} in ${file} is not a key of jnode’s configuration`)
  expect(told.hint).toMatch(hint)
})

test('a secret has no place here, and is not repeated', async () => {
  const told = await refused('[clusters.hpc]\nhost = "h"\npassword = "hunter2"\n')
  expect(told.message).toBe(`clusters.hpc.password in ${file} is not a key of jnode’s configuration`)
  expect(JSON.stringify(told)).not.toContain('hunter2')
})

test.each([
  ['default_cluster = 5', 'default_cluster', 'must be text in quotes, such as "hpc", not 5'],
  ['clusters = "hpc"', 'clusters', 'must be tables, such as [clusters.NAME], not "hpc"'],
  ['[clusters]\nhpc = "me@head"', 'clusters.hpc', 'must be a table, such as [clusters.NAME], not "me@head"'],
  ['[clusters.hpc]\npe = "smp"', 'clusters.hpc.host', 'is missing'],
  ['[clusters.hpc]\nhost = true', 'clusters.hpc.host', 'must be text in quotes, such as "you@head.example.org", not true'],
  ['[clusters.hpc]\nhost = "h"\njump = "gw"', 'clusters.hpc.jump', 'must be a list, such as ["you@gateway.example.org"], not "gw"'],
  ['[clusters.hpc]\nhost = "h"\njump = ["gw", 7]', 'clusters.hpc.jump[1]', 'must be text in quotes, such as "you@gateway.example.org", not 7'],
  ['[clusters.hpc]\nhost = "h"\nmemory = "h_vmem"', 'clusters.hpc.memory', 'must be a table, such as {resource = "h_vmem", per = "slot"}, not "h_vmem"'],
  ['[clusters.hpc]\nhost = "h"\nmemory = {resource = "h_vmem"}', 'clusters.hpc.memory.per', 'is missing'],
  ['[clusters.hpc]\nhost = "h"\nmemory = {resource = "h_vmem", per = "core"}', 'clusters.hpc.memory.per', 'must be "slot" or "job", not "core"'],
  ['[clusters.hpc]\nhost = "h"\nnode_password = "hunter2"', 'clusters.hpc.node_password', 'must be "ask" or "same"'],
  ['[clusters.hpc]\nhost = "h"\nmemory = {resource = "a=1,b", per = "job"}', 'clusters.hpc.memory.resource', 'must be the name of one resource, not "a=1,b"'],
  ['[profiles.p]\ncores = "8"', 'profiles.p.cores', 'must be a whole number, such as 8, not "8"'],
  ['[profiles.p]\ncores = 8.5', 'profiles.p.cores', 'must be a whole number, such as 8, not 8.5'],
  ['[profiles.p]\nmem = 32', 'profiles.p.mem', 'must be text in quotes, such as "32G", not 32'],
  ['[profiles.p]\ntime = 08:00:00', 'profiles.p.time', 'must be text in quotes, such as "8h", not a date or time'],
  ['[profiles.p]\nmodule = {a = 1}', 'profiles.p.module', 'must be a list, such as ["python/3.12"], not a table'],
  ['[profiles.p]\nno-browser = "yes"', 'profiles.p.no-browser', 'must be true or false, not "yes"'],
])('a wrong type says what it must be: %j', async (text, key, sentence) => {
  expect(await refused(text)).toEqual({code: 'config', message: `${key} in ${file} ${sentence}`, hint: `Change it in ${file}.`})
})

test.each([
  ['[clusters.hpc]\nhost = "me@he ad"', 'clusters.hpc.host', 'must be [user@]host[:port], not "me@he ad": the host name holds characters that no host name has'],
  ['[clusters.hpc]\nhost = ""', 'clusters.hpc.host', 'must be [user@]host[:port], not ""'],
  ['[clusters.hpc]\nhost = "h"\njump = ["-oProxyCommand=x"]', 'clusters.hpc.jump', 'must be [user@]host[:port], not "-oProxyCommand=x": the host name holds characters that no host name has'],
  ['[clusters.hpc]\nhost = "h"\nroute = "heads"', 'clusters.hpc.route', 'must be auto, socket, node, head, direct or reverse, not "heads"'],
  ['[clusters.hpc]\nhost = "h"\npe = "smp 8"', 'clusters.hpc.pe', 'must be one name without blanks, not "smp 8"'],
  ['[profiles.p]\ncores = 0', 'profiles.p.cores', 'must be a whole number from 1 to 100000, not 0'],
  ['[profiles.p]\nmem = "12Q"', 'profiles.p.mem', 'must be an amount of memory above zero, not "12Q"'],
  ['[profiles.p]\ntime = "25:61"', 'profiles.p.time', 'must be a length of time, not "25:61"'],
  ['[profiles.p]\nport = 0', 'profiles.p.port', 'must be a whole number from 1 to 65535, not 0'],
  ['[profiles.p]\nqueue = ""', 'profiles.p.queue', 'must be one line of text, not ""'],
])('a wrong value is refused in the words of the flag, and names file and key: %j', async (text, key, sentence) => {
  const {code, message, hint} = await refused(text)
  expect({code, message}).toEqual({code: 'config', message: `${key} in ${file} ${sentence}`})
  expect(hint).not.toBeNull()
})

test('a cluster that is named and not there', async () => {
  const there = '[clusters.hpc]\nhost = "h"\n[clusters.lab]\nhost = "h"\n'
  expect(await refused(`default_cluster = "hcp"\n${there}`)).toEqual({
    code: 'config',
    message: `default_cluster in ${file} names the cluster "hcp", which is not there`,
    hint: 'Did you mean "hpc"? The clusters are: hpc, lab.',
  })
  expect((await refused(`${there}[profiles.p]\ncluster = "x"`)).message).toBe(`profiles.p.cluster in ${file} names the cluster "x", which is not there`)
})

test.each(['a b', 'a/b', '', 'me@head', 'x'.repeat(41)])('a cluster cannot be named %j: sessions are kept under its name', async (name) => {
  const {code, message} = await refused(`[clusters."${name}"]\nhost = "h"`)
  expect(code).toBe('config')
  expect(message).toContain(`in ${file} cannot be the name of a cluster`)
})

test('a file that cannot be read is not an empty configuration', async () => {
  const {code, message, hint} = await rejectionOf(loadConfig(folder))
  expect(code).toBe('config')
  expect(message).toContain(`The configuration ${folder} cannot be read: `)
  expect(hint).toBe('Check that it is a file and that you may read it.')
})

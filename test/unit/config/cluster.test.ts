import {describe, expect, test} from 'vitest'
import {clusterOfSession, resolveCluster, type Place} from '../../../src/config/cluster.ts'
import {NO_SETTINGS, type Config, type SiteSettings} from '../../../src/config/load.ts'
import {failureOf} from '../expect-error.ts'

const BARE: SiteSettings = NO_SETTINGS
const HPC: SiteSettings = {...BARE, pe: 'smp', setup: ['umask 077'], sgeSetup: '. /opt/sge/settings.sh', knownHosts: '/hosts'}

function config(clusters: Config['clusters'] = new Map(), defaultCluster: string | null = null): Config {
  return {file: '/me/config.toml', where: '/me/config.toml', defaultCluster, clusters, profiles: new Map()}
}
const hpc = {host: 'me@head:2222', jump: ['gw1', 'me@gw2'], settings: HPC}
const lab = {host: 'labhead', jump: [], settings: BARE}
const both = new Map([['hpc', hpc], ['lab', lab]])

const resolve = (place: Place, setup: Config = config(), hasLocalQsub = false) => resolveCluster(place, setup, hasLocalQsub)

describe('which cluster', () => {
  test('the one that is named, with its gateways, head node and settings', () => {
    expect(resolve({cluster: 'hpc'}, config(both, 'lab'), true)).toEqual({
      ...HPC,
      name: 'hpc',
      kind: 'ssh',
      label: 'me@head:2222',
      hops: [{user: null, host: 'gw1', port: null}, {user: 'me', host: 'gw2', port: null}, {user: 'me', host: 'head', port: 2222}],
    })
  })

  test('else the host that is named, known by what was typed and without any settings', () => {
    expect(resolve({host: ' me@head:2222', jump: ['gw']}, config(both, 'lab'), true)).toEqual({
      ...BARE,
      name: 'me@head:2222',
      kind: 'ssh',
      label: 'me@head:2222',
      hops: [{user: null, host: 'gw', port: null}, {user: 'me', host: 'head', port: 2222}],
    })
  })

  test.each([
    ['else the default of the configuration', config(both, 'lab'), 'lab'],
    ['else the only one configured', config(new Map([['hpc', hpc]])), 'hpc'],
    ['else this machine', config(), 'local'],
  ])('%s', (_what, setup, name) => {
    expect(resolve({}, setup, true).name).toBe(name)
  })

  test('other gateways than the configured ones, when given', () => {
    const {name, hops} = resolve({cluster: 'hpc', jump: ['home']}, config(both))
    expect(name).toBe('hpc')
    expect(hops.map(({host}) => host)).toEqual(['home', 'head'])
  })
})

describe('this machine', () => {
  const here = {...BARE, name: 'local', kind: 'local', label: 'this machine', hops: []}

  test('by --host local, also where a cluster is configured and qsub is not on PATH', () => {
    expect(resolve({host: 'local'}, config(both, 'hpc'))).toEqual(here)
  })

  test('without a word, where nothing is configured and qsub is there', () => {
    expect(resolve({}, config(), true)).toEqual(here)
  })

  test('as a configured cluster with settings', () => {
    const clusters = new Map([['here', {host: 'local', jump: [], settings: HPC}]])
    expect(resolve({}, config(clusters))).toEqual({...here, ...HPC, name: 'here'})
  })

  test('needs no gateway', () => {
    expect(failureOf(() => resolve({host: 'local', jump: ['gw']}))).toEqual({
      code: 'usage',
      message: 'This machine is reached without SSH, so there is nothing to jump through',
      hint: 'Leave out --jump, or name a head node with --host.',
    })
  })
})

describe('told in words', () => {
  test('--cluster and --host at once', () => {
    expect(failureOf(() => resolve({cluster: 'hpc', host: 'head'}, config(both)))).toEqual({
      code: 'usage',
      message: 'Either --cluster or --host says where to go, not both',
      hint: 'Leave one of them out.',
    })
  })

  test('a cluster that is not configured, with the nearest name', () => {
    expect(failureOf(() => resolve({cluster: 'hcp'}, config(both)))).toEqual({
      code: 'config',
      message: 'There is no cluster "hcp" in /me/config.toml',
      hint: 'Did you mean "hpc"? The clusters are: hpc, lab.',
    })
    expect(failureOf(() => resolve({cluster: 'hpc'})).hint).toBe('There are no clusters.')
    expect(failureOf(() => resolve({cluster: 'local'})).hint).toBe('For this machine itself, write --host local.')
  })

  test('nothing configured and no qsub here: the way to go on', () => {
    expect(failureOf(() => resolve({}))).toEqual({
      code: 'config',
      message: 'No cluster is configured, and this machine has no qsub',
      hint: `Name the head node, where qsub is: jnode start --host you@head.example.org (and --jump you@gateway on the way),
or once and for all: jnode init --host you@head.example.org`,
    })
  })

  test.each([true, false])('several clusters and none named (qsub here: %s)', (hasLocalQsub) => {
    expect(failureOf(() => resolve({}, config(both), hasLocalQsub))).toEqual({
      code: 'config',
      message: 'Which cluster is meant is not said; /me/config.toml has hpc, lab',
      hint: 'Say it with --cluster, or set default_cluster in /me/config.toml.',
    })
  })

  test('gateways that lead nowhere', () => {
    expect(failureOf(() => resolve({jump: ['gw']}))).toEqual({
      code: 'usage',
      message: '--jump says how to get to a head node, but none is named',
      hint: 'Name it with --host [user@]head.',
    })
  })

  test('a host that ssh would misread', () => {
    expect(failureOf(() => resolve({host: '-oProxyCommand=id'}))).toMatchObject({code: 'usage', message: expect.stringMatching(/^--host must be \[user@\]host\[:port\], not /)})
  })
})

describe('a host with the name of a configured cluster', () => {
  test('is that cluster where both mean the same host', () => {
    const clusters = new Map([['head', {host: 'head', jump: ['gw'], settings: HPC}]])
    expect(resolve({host: 'head'}, config(clusters))).toEqual(resolve({cluster: 'head'}, config(clusters)))
  })

  test('is refused where they do not: their sessions would be taken for each other’s', () => {
    expect(failureOf(() => resolve({host: 'hpc'}, config(both)))).toEqual({
      code: 'usage',
      message: '--host hpc is also the name of a configured cluster, whose host is me@head:2222',
      hint: 'Write --cluster hpc for that one, or --host you@hpc for the other.',
    })
  })
})

describe('the cluster of a saved session', () => {
  const hops = [{user: 'me', host: 'head', port: null}]

  test('is reached as it was, with the settings of today', () => {
    expect(clusterOfSession({cluster: 'hpc', hops}, config(both))).toEqual({...HPC, name: 'hpc', kind: 'ssh', label: 'me@head', hops})
  })

  test('needs no configuration', () => {
    expect(clusterOfSession({cluster: 'me@head', hops}, config())).toEqual({...BARE, name: 'me@head', kind: 'ssh', label: 'me@head', hops})
    expect(clusterOfSession({cluster: 'local', hops: []}, config())).toMatchObject({kind: 'local', label: 'this machine', hops: []})
  })
})

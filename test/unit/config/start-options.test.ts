import {describe, expect, test} from 'vitest'
import {NO_SETTINGS, type Config, type ConfiguredCluster, type SiteSettings} from '../../../src/config/load.ts'
import {resolvePlace, resolveStart, resolveTunnel, type StartFlags, type StartOptions} from '../../../src/config/start-options.ts'
import {failureOf} from '../expect-error.ts'

const BARE: SiteSettings = NO_SETTINGS
const LAB = {host: 'labhead', jump: [], settings: BARE}
const HPC = {host: 'head', jump: ['gw'], settings: {...BARE, pe: 'cluster-pe', app: 'notebook', route: 'node' as const, setup: ['cluster line']}}

function config(profiles: Config['profiles'] = new Map()): Config {
  return {file: '/me/config.toml', where: '/me/config.toml', defaultCluster: 'lab', clusters: new Map<string, ConfiguredCluster>([['lab', LAB], ['hpc', HPC]]), profiles}
}

interface Said {
  /** Variables; as oclif does, each takes the place of a flag that is not given. */
  env?: Record<string, string>
  config?: Config
  cwd?: string
}

function start(flags: StartFlags, {env = {}, config: setup = config(), cwd = '/here'}: Said = {}): StartOptions {
  return resolveStart(flags, {config: setup, env, hasLocalQsub: false, cwd})
}

const refused = (flags: StartFlags, said: Said = {}) => failureOf(() => start(flags, said))

describe('with nothing said', () => {
  test('the defaults', () => {
    const {cluster, ...rest} = start({})
    expect(cluster.name).toBe('lab')
    expect(rest).toEqual({
      cores: 1, memoryBytes: null, gpus: 0, runSeconds: null, idleSeconds: null, queue: null, node: null, pe: null, project: null, account: null, sgeArgs: [],
      app: 'auto', dir: null, modules: [], conda: null, setup: [], port: null, route: 'auto', openBrowser: true, browser: null, waitSeconds: null, detach: false, kernelTransport: 'ipc',
    })
  })
})

test('every flag arrives as what it means', () => {
  const {cluster, ...rest} = start({
    host: 'me@far', jump: ['gw1', 'gw2'], cores: '8', mem: '32G', gpus: '2', time: '8h', idle: '2h', queue: 'long.q', node: 'node7', pe: 'smp*', project: 'p', account: 'a', 'sge-arg': ['-l', 'ib=1'],
    app: 'server', dir: '/data', module: ['python/3.12'], conda: '/opt/my env', setup: ['export A="b c"'], port: '9000', route: 'socket', browser: 'firefox', wait: '10m', detach: true,
  })
  expect(cluster.hops.map(({host}) => host)).toEqual(['gw1', 'gw2', 'far'])
  expect(rest).toEqual({
    cores: 8, memoryBytes: 32 * 2 ** 30, gpus: 2, runSeconds: 28_800, idleSeconds: 7200, queue: 'long.q', node: 'node7', pe: 'smp*', project: 'p', account: 'a', sgeArgs: ['-l', 'ib=1'],
    app: 'server', dir: '/data', modules: ['python/3.12'], conda: '/opt/my env', setup: ['export A="b c"'], port: 9000, route: 'socket', openBrowser: true, browser: 'firefox', waitSeconds: 600, detach: true, kernelTransport: 'ipc',
  })
})

test('what a cluster has for those who do not say', () => {
  const settings = {...BARE, pe: 'smp', memoryBytes: 2 ** 32, runSeconds: 3600, project: 'p', modules: ['a'], conda: 'base'}
  const setup = {...config(), clusters: new Map([['lab', {...LAB, settings}]])}
  expect(start({}, {config: setup})).toMatchObject({pe: null, memoryBytes: 2 ** 32, runSeconds: 3600, project: 'p', modules: ['a'], conda: 'base'})
  expect(start({cores: 2, mem: '1G', time: '8h', project: 'q', module: ['b'], conda: 'mine'}, {config: setup})).toMatchObject({
    pe: 'smp', memoryBytes: 2 ** 30, runSeconds: 28_800, project: 'q', modules: ['a', 'b'], conda: 'mine',
  })
})

describe('flag > variable > profile > cluster > default', () => {
  const said = config(new Map([['p', {cluster: 'hpc', pe: 'profile-pe', cores: 4, app: 'server'}]]))

  test.each([
    ['the flag', {pe: 'flag-pe', profile: 'p'}, {JNODE_PE: 'env-pe'}, 'flag-pe'],
    ['the variable', {pe: 'env-pe', profile: 'p'}, {JNODE_PE: 'env-pe'}, 'env-pe'],
    ['the profile', {profile: 'p'}, {}, 'profile-pe'],
    ['the cluster', {cluster: 'hpc', cores: 2}, {}, 'cluster-pe'],
    ['the default', {cluster: 'lab', cores: 2}, {}, null],
  ])('%s', (_who, flags, env, pe) => {
    expect(start(flags, {env, config: said}).pe).toBe(pe)
  })

  test('app and route of the cluster count where nobody else says one', () => {
    expect(start({cluster: 'hpc'})).toMatchObject({app: 'notebook', route: 'node'})
    expect(start({cluster: 'hpc', app: 'lab', route: 'auto'})).toMatchObject({app: 'lab', route: 'auto'})
    expect(start({profile: 'p'}, {config: said})).toMatchObject({app: 'server', route: 'node', cores: 4})
  })

  test('setup, modules and arguments of qsub add up: cluster, profile, flags', () => {
    const lists = config(new Map([['p', {cluster: 'hpc', setup: ['profile line'], modules: ['python'], sgeArgs: ['-l', 'ib=1']}]]))
    expect(start({profile: 'p', setup: ['a', 'b'], module: ['cuda'], 'sge-arg': ['-hard']}, {config: lists})).toMatchObject({
      setup: ['cluster line', 'profile line', 'a', 'b'],
      modules: ['python', 'cuda'],
      sgeArgs: ['-l', 'ib=1', '-hard'],
    })
  })
})

describe('where to go', () => {
  const profiles = config(new Map([['far', {host: 'me@far', jump: ['gw1']}], ['near', {cluster: 'hpc'}]]))
  const hops = (options: StartOptions) => options.cluster.hops.map(({host}) => host)

  test('a profile may name a cluster or a host', () => {
    expect(hops(start({profile: 'far'}, {config: profiles}))).toEqual(['gw1', 'far'])
    expect(start({profile: 'near'}, {config: profiles}).cluster.name).toBe('hpc')
  })

  test('a flag replaces cluster, host and gateways of the profile at once', () => {
    expect(start({profile: 'far', cluster: 'lab'}, {config: profiles}).cluster.name).toBe('lab')
    expect(hops(start({profile: 'near', host: 'other'}, {config: profiles}))).toEqual(['other'])
    expect(hops(start({profile: 'far', host: 'other'}, {config: profiles}))).toEqual(['other'])
    expect(hops(start({profile: 'far', jump: ['gw2']}, {config: profiles}))).toEqual(['gw2', 'far'])
  })

  test('a typed --host counts more than $JNODE_CLUSTER, though oclif hands over both', () => {
    expect(hops(start({cluster: 'hpc', host: 'other'}, {env: {JNODE_CLUSTER: 'hpc'}}))).toEqual(['other'])
    expect(refused({cluster: 'hpc', host: 'other'})).toMatchObject({code: 'usage', message: 'Either --cluster or --host says where to go, not both'})
  })

  test('gateways may be listed as for ssh -J, also in a variable', () => {
    expect(hops(start({host: 'other', jump: ['gw1,gw2']}))).toEqual(['gw1', 'gw2', 'other'])
    expect(hops(start({host: 'other', jump: 'gw1,gw2'}, {env: {JNODE_JUMP: 'gw1,gw2', JNODE_HOST: 'other'}}))).toEqual(['gw1', 'gw2', 'other'])
  })

  test('the other commands ask by the same rule', () => {
    expect(resolvePlace({cluster: 'hpc', host: 'other', jump: ['a,b']}, {JNODE_CLUSTER: 'hpc'})).toEqual({cluster: undefined, host: 'other', jump: ['a', 'b']})
    expect(resolvePlace({}, {})).toEqual({cluster: undefined, host: undefined, jump: undefined})
    expect(failureOf(() => resolvePlace({host: 'a b'}, {})).message).toMatch(/^--host must be /)
  })
})

describe('lists in variables', () => {
  test('one item per line; modules part at blanks', () => {
    const env = {JNODE_MODULE: 'python cuda', JNODE_SETUP: 'a b\n\nc', JNODE_SGE_ARG: '-l\nib=1'}
    expect(start({module: env.JNODE_MODULE, setup: env.JNODE_SETUP, 'sge-arg': env.JNODE_SGE_ARG}, {env})).toMatchObject({
      modules: ['python', 'cuda'],
      setup: ['a b', 'c'],
      sgeArgs: ['-l', 'ib=1'],
    })
  })

  test('a setup command may go over several lines, and stays as it is', () => {
    expect(start({setup: ['if x; then\n\n\ty\r\nfi\n', ' ']}).setup).toEqual(['if x; then\n\n\ty\nfi'])
    expect(refused({setup: ['a\nb\rc']}).message).toBe('--setup must be one line of text, not "b\\rc"')
  })
})

describe('the browser', () => {
  const quiet = config(new Map([['p', {noBrowser: true}], ['b', {browser: 'lynx'}]]))
  const browser = (flags: StartFlags, env: Record<string, string> = {}) => {
    const {openBrowser, browser: program} = start(flags, {env, config: quiet})
    return openBrowser ? (program ?? 'the system’s') : 'none'
  }

  test.each([
    ['unless told', {}, {}, 'the system’s'],
    ['--no-browser', {'no-browser': true}, {}, 'none'],
    ['--no-browser against $JNODE_BROWSER', {'no-browser': true, browser: 'x'}, {JNODE_BROWSER: 'x'}, 'none'],
    ['--browser against $JNODE_NO_BROWSER', {'no-browser': true, browser: 'x'}, {JNODE_NO_BROWSER: '1'}, 'x'],
    ['--browser against the profile', {browser: 'x', profile: 'p'}, {}, 'x'],
    ['$JNODE_NO_BROWSER=0 against the profile', {'no-browser': false, profile: 'p'}, {JNODE_NO_BROWSER: '0'}, 'the system’s'],
    ['--no-browser against the profile', {'no-browser': true, profile: 'b'}, {}, 'none'],
    ['the profile', {profile: 'b'}, {}, 'lynx'],
  ])('%s', (_what, flags, env, opened) => {
    expect(browser(flags, env)).toBe(opened)
  })

  test('connect asks by the same rule', () => {
    expect(resolveTunnel({port: '9000', browser: 'x', 'no-browser': true, wait: '5m'}, {JNODE_NO_BROWSER: 'true'})).toEqual({port: 9000, openBrowser: true, browser: 'x', waitSeconds: 300})
    expect(resolveTunnel({}, {})).toEqual({port: null, openBrowser: true, browser: null, waitSeconds: null})
  })
})

describe('the directory', () => {
  const near = {host: 'local'}
  const far = {cluster: 'hpc'}

  test.each([
    ['an absolute path', far, '/data/me', '/data/me'],
    ['one of the home directory there', far, 'work', 'work'],
    ['the same', far, '~/work', 'work'],
    ['the same', far, './work', 'work'],
    ['the home directory itself', far, '~', null],
    ['the same', far, '~/', null],
    ['the same', far, '.', null],
    ['beside the home directory', far, '../shared', '../shared'],
    ['on this machine, the current one', near, '.', '/here'],
    ['below the current one', near, 'work', '/here/work'],
    ['the home directory', near, '~', null],
    ['below it', near, '~/work', 'work'],
    ['an absolute path', near, '/data', '/data'],
  ])('%s (%j, %s)', (_what, place, dir, result) => {
    expect(start({...place, dir}).dir).toBe(result)
  })

  test('a profile does not know where it is used from', () => {
    expect(start({...near, profile: 'p'}, {config: config(new Map([['p', {dir: 'work'}]]))}).dir).toBe('work')
  })

  test('another user’s home by its short name is not known here', () => {
    expect(refused({dir: '~other/x'})).toEqual({
      code: 'usage',
      message: '--dir must be a directory of your own home or an absolute path, not "~other/x"',
      hint: 'Write another user’s directory as an absolute path.',
    })
  })
})

describe('bad values', () => {
  test.each<[StartFlags, string]>([
    [{cores: '0'}, '--cores must be a whole number from 1 to 100000, not 0'],
    [{cores: '-1'}, '--cores must be a whole number from 1 to 100000, not -1'],
    [{cores: 'x'}, '--cores must be a whole number from 1 to 100000, not "x"'],
    [{cores: '1e9'}, '--cores must be a whole number from 1 to 100000, not "1e9"'],
    [{cores: '1000000000'}, '--cores must be a whole number from 1 to 100000, not 1000000000'],
    [{cores: '1.5'}, '--cores must be a whole number from 1 to 100000, not "1.5"'],
    [{cores: ''}, '--cores must be a whole number from 1 to 100000, not ""'],
    [{gpus: '-1'}, '--gpus must be a whole number from 0 to 1000, not -1'],
    [{gpus: 'a100'}, '--gpus must be a whole number from 0 to 1000, not "a100"'],
    [{port: '0'}, '--port must be a whole number from 1 to 65535, not 0'],
    [{port: '65536'}, '--port must be a whole number from 1 to 65535, not 65536'],
    [{port: 'x'}, '--port must be a whole number from 1 to 65535, not "x"'],
    [{mem: '12Q'}, '--mem must be an amount of memory above zero, not "12Q"'],
    [{time: '25:61'}, '--time must be a length of time, not "25:61"'],
    [{wait: 'soon'}, '--wait must be a length of time, not "soon"'],
    [{wait: '30d'}, '--wait must be at most 24 days, not "30d"'],
    [{route: 'heads'}, '--route must be auto, socket, node, head, direct or reverse, not "heads"'],
    [{route: 'Node'}, '--route must be auto, socket, node, head, direct or reverse, not "Node"'],
    [{app: 'lab; id'}, '--app must be the name of a Jupyter application, not "lab; id"'],
    [{app: '--help'}, '--app must be the name of a Jupyter application, not "--help"'],
    [{queue: ''}, '--queue must be one line of text, not ""'],
    [{queue: 'all.q -l x=1'}, '--queue must be one name without blanks, not "all.q -l x=1"'],
    [{pe: '-b'}, '--pe must be one name without blanks, not "-b"'],
    [{node: 'n1\nn2'}, '--node must be one line of text, not "n1\\nn2"'],
    [{conda: 'x\n'.repeat(2)}, '--conda must be one line of text, not "x\\nx\\n"'],
    [{'sge-arg': ['']}, '--sge-arg must be one line of text, not ""'],
    [{host: 'a b'}, '--host must be [user@]host[:port], not "a b": the host name holds characters that no host name has'],
    [{host: 'h', jump: ['gw', '']}, '--jump must be one line of text, not ""'],
  ])('%j', (flags, message) => {
    const told = refused(flags)
    expect({code: told.code, message: told.message}).toEqual({code: 'usage', message})
    expect(told.hint).toMatch(/^[A-Z].*\.$/)
  })

  test('a variable is named as one', () => {
    expect(refused({cores: '0'}, {env: {JNODE_CORES: '0'}}).message).toBe('JNODE_CORES must be a whole number from 1 to 100000, not 0')
    expect(refused({'sge-arg': '\x01'}, {env: {JNODE_SGE_ARG: '\x01'}}).message).toBe('JNODE_SGE_ARG must be one line of text, not "\\u0001"')
    expect(refused({cores: '0'}, {env: {JNODE_CORES: '4'}}).message).toMatch(/^--cores /)
  })

  test('a profile that is not there, with the nearest name', () => {
    const profiles = config(new Map([['big', {}], ['small', {}]]))
    expect(refused({profile: 'bug'}, {config: profiles})).toEqual({
      code: 'config',
      message: 'There is no profile "bug" in /me/config.toml',
      hint: 'Did you mean "big"? The profiles are: big, small.',
    })
    expect(refused({profile: 'big'}).hint).toBe('There are no profiles.')
  })
})

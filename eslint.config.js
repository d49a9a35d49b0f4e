import importX from 'eslint-plugin-import-x'
import regexp from 'eslint-plugin-regexp'
import tseslint from 'typescript-eslint'

/** Third-party packages that only one place may import: [package, the files that are this place]. */
const oneHome = [
  ['ssh2', 'src/ssh/transport.ts', 'src/ssh/ssh2-remote.ts', 'src/ssh/stand-in.ts'],
  ['ssh-config', 'src/ssh/config-file.ts'],
  ['fast-xml-parser', 'src/sge/qstat.ts'],
  ['listr2', 'src/ui/progress.ts'],
  ['node-forge', 'src/tunnel/relay.ts'],
  ['@listr2/prompt-adapter-inquirer', 'src/ui/progress.ts'],
]

/** The five rooms that know nothing of each other, and what is above them. */
const rooms = ['sge', 'jupyter', 'tunnel', 'session', 'config']
const zone = (target, from, message) => ({target, from, message})

const zones = [
  ...rooms.flatMap((room) => [
    ...rooms
      .filter((other) => other !== room)
      .map((other) => zone(`src/${room}`, `src/${other}`, `${room}/ and ${other}/ never import each other; a flow joins them`)),
    ...['commands', 'flows', 'daemon', 'ui', 'base-command.ts', 'runtime.ts'].map((above) =>
      zone(`src/${room}`, `src/${above}`, 'imports point down'),
    ),
    {target: `src/${room}`, from: 'src/ssh', except: ['remote.ts'], message: `${room}/ knows the types in ssh/remote.ts only`},
  ]),
  ...['commands', 'ui', 'base-command.ts', 'runtime.ts'].map((above) => zone('src/flows', `src/${above}`, 'imports point down')),
  {target: 'src/flows', from: 'src/ssh', except: ['remote.ts'], message: 'flows know no ssh, only ssh/remote.ts types'},
  ...[...rooms, 'commands', 'flows', 'daemon', 'ui', 'base-command.ts', 'runtime.ts'].map((other) =>
    zone('src/ssh', `src/${other}`, 'ssh/ stands below everything'),
  ),
]

const noExit = {selector: "CallExpression[callee.object.name='process'][callee.property.name='exit']", message: 'process.exit skips clean-up; abort the signal and return'}

const onlyInOutput = 'only ui/output.ts writes to the terminal: what comes from a cluster is made printable there'
const noRawOutput = [
  {selector: "CallExpression[callee.property.name='write'][callee.object.object.name='process'][callee.object.property.name=/^std(out|err)$/]", message: onlyInOutput},
  {selector: "CallExpression[callee.property.name='write'][callee.object.name=/^std(out|err)$/]", message: onlyInOutput},
  {selector: "CallExpression[callee.object.type='ThisExpression'][callee.property.name=/^(log|logToStderr|warn)$/]", message: onlyInOutput},
]

export default tseslint.config(
  {ignores: ['dist/', 'node_modules/', 'coverage/']},
  ...tseslint.configs.recommended,
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    plugins: {'import-x': importX},
    languageOptions: {parserOptions: {projectService: true, tsconfigRootDir: import.meta.dirname}},
    settings: {'import-x/resolver': {node: {extensions: ['.ts', '.js']}}},
    rules: {
      'import-x/no-restricted-paths': ['error', {basePath: import.meta.dirname, zones}],
      'import-x/no-cycle': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', {considerDefaultExhaustiveForUnions: true}],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', {checksVoidReturn: false}],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/commands/**', 'src/base-command.ts', 'src/main.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {paths: [...oneHome.map(([name, ...home]) => ({name, message: `only ${home.join(', ')} may import ${name}`})), {name: '@oclif/core', message: 'only commands/ and base-command.ts may import @oclif/core'}]},
      ],
    },
  },
  ...oneHome.map(([, ...home]) => ({
    files: home,
    rules: {
      'no-restricted-imports': [
        'error',
        {paths: oneHome.filter(([, ...place]) => !place.some((file) => home.includes(file))).map(([other, ...place]) => ({name: other, message: `only ${place.join(', ')} may import ${other}`}))},
      ],
    },
  })),
  {
    // Much of what is read comes from strangers, and a pattern that takes time by the square of it freezes the program.
    files: ['src/**/*.ts'],
    plugins: {regexp},
    rules: {
      'regexp/no-super-linear-backtracking': ['error', {report: 'potential'}],
      'regexp/no-super-linear-move': ['error', {report: 'potential', ignorePartial: false}],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {'no-console': 'error', 'no-restricted-syntax': ['error', noExit, ...noRawOutput]},
  },
  {
    files: ['src/ui/output.ts'],
    rules: {'no-restricted-syntax': ['error', noExit]},
  },
  {
    files: ['test/**/*.ts'],
    rules: {'no-restricted-syntax': ['error', {selector: "CallExpression[callee.object.name='vi'][callee.property.name='mock']", message: 'no mock of the project\'s own modules: fixtures, fakes for ports, a real peer for protocols'}]},
  },
)

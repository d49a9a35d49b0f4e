/** Bundles the program: one file per entry and shared chunks, since many small files are what makes a command slow to start. */
import {readFileSync, rmSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {build} from 'esbuild'

const {version} = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
rmSync(new URL('../dist', import.meta.url), {recursive: true, force: true})
await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  entryPoints: ['src/main.ts', 'src/daemon/keeper.ts'],
  outdir: 'dist',
  entryNames: '[name]',
  chunkNames: 'chunk-[hash]',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  // ssh2 loads native addons by path; oclif asks for typescript only where commands are written in it.
  external: ['ssh2', 'typescript'],
  define: {'process.env.JNODE_VERSION': JSON.stringify(version)},
  // CommonJS packages in an ES module bundle still call require for Node's own modules.
  banner: {js: "import {createRequire as makeRequire} from 'node:module'; const require = makeRequire(import.meta.url);"},
  legalComments: 'none',
  logLevel: 'warning',
})

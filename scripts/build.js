/** Bundles the program: one file per entry and shared chunks, since many small files are what makes a command slow to start. */
import {copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {basename, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {build} from 'esbuild'
import {bundledPackages, noticesOf} from './third-party-notices.js'

const {version} = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const {outputFiles, metafile} = await build({
  absWorkingDir: root,
  write: false,
  metafile: true,
  entryPoints: ['src/main.ts', 'src/daemon/keeper.ts', 'src/daemon/guard.ts'],
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

const files = [...outputFiles, {path: join(dist, 'THIRD-PARTY-NOTICES'), contents: noticesOf(root, bundledPackages(metafile))}]

// A program that is running loads its chunks later: so each file is replaced whole, entries last, and what is stale goes at the end.
mkdirSync(dist, {recursive: true})
const names = new Set(files.map(({path}) => basename(path)))
const isEntry = ({path}) => !basename(path).startsWith('chunk-')
for (const file of files.sort((a, b) => Number(isEntry(a)) - Number(isEntry(b)))) {
  const beside = `${file.path}.${process.pid}.new`
  writeFileSync(beside, file.contents)
  renameSync(beside, file.path)
}
mkdirSync(join(dist, 'quiet'), {recursive: true})
copyFileSync(join(root, 'src/ssh/quiet/ssh'), join(dist, 'quiet/ssh'))
names.add('quiet')
for (const name of readdirSync(dist)) if (!names.has(name) && !name.endsWith('.new')) rmSync(join(dist, name), {recursive: true, force: true})

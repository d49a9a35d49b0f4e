/** A built copy of the package in a directory of its own, so that no build of the checkout changes it under a test. */
import {execFileSync} from 'node:child_process'
import {cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

export interface BuiltPackage {
  /** Stands on the command line of every process of this copy, and of no other. */
  root: string
  /** What a user runs. */
  bin: string
  remove(): void
}

const checkout = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))

/** The blank in its path is what a user's home directory may have too. */
export function buildPackage(): BuiltPackage {
  const root = join(realpathSync(mkdtempSync(join(tmpdir(), 'jnode-smoke-'))), 'a copy')
  mkdirSync(root)
  for (const name of ['bin', 'scripts', 'package.json']) cpSync(checkout(name), join(root, name), {recursive: true})
  for (const name of ['src', 'node_modules']) symlinkSync(checkout(name), join(root, name), 'junction')
  execFileSync(process.execPath, [join(root, 'scripts', 'build.js')], {stdio: ['ignore', 'ignore', 'inherit']})
  return {root, bin: join(root, 'bin', 'run.js'), remove: () => rmSync(join(root, '..'), {recursive: true, force: true})}
}

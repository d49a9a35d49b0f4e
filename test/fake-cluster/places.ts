/** Where the fake cluster lives on disk: one short temporary directory with homes and the programs of each host. */
import {chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {quote} from '../../src/shell.ts'
import type {HopName} from './faults.ts'

export interface Places {
  root: string
  /** The user's home on head and nodes. */
  home: string
  /** Parent of the jobs' TMPDIRs. Short: a Unix socket's path has at most 103 characters on macOS. */
  jobTmp: string
  /** Requests of the Grid Engine programs to the mock. */
  asks: string
  /** A site's settings.sh: puts the Grid Engine programs on PATH. */
  settings: string
  bin: {sge: string; jupyter: string; host(hop: HopName): string}
  /** Directories of this machine's own programs. */
  system: string[]
  /**
   * The same without any real Grid Engine or Jupyter, which a lab machine has in /usr/bin: for hosts that shall have
   * none. Elsewhere the fake ones come first on PATH, and the second or so that this may take is saved.
   */
  systemWithout(): string[]
}

const SGE = ['qsub', 'qstat', 'qdel', 'qacct', 'qconf', 'qselect', 'qhost', 'qalter', 'qmod', 'qrls', 'qrsh', 'qlogin', 'qquota', 'qping', 'qsh', 'qhold']
const JUPYTER = /^jupyter/
const SYSTEM = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin', '/opt/homebrew/bin']

export function makePlaces(): Places {
  const root = mkdtempSync(join(tmpdir(), 'jf'))
  const at = (...names: string[]) => {
    const path = join(root, ...names)
    mkdirSync(path, {recursive: true})
    return path
  }
  const sge = at('bin', 'sge')
  const settings = join(at('sge', 'default', 'common'), 'settings.sh')
  writeFileSync(settings, `SGE_ROOT=${join(root, 'sge')}; export SGE_ROOT\nPATH=${sge}:$PATH; export PATH\n`)
  const home = at('h')
  chmodSync(home, 0o700)
  let cleanSystem: string[] | undefined
  return {
    root,
    home,
    jobTmp: at('t'),
    asks: at('asks'),
    settings,
    bin: {sge, jupyter: at('bin', 'jupyter'), host: (hop) => at('bin', hop)},
    system: SYSTEM,
    systemWithout: () => (cleanSystem ??= systemWithout(join(root, 'bin', 'system'))),
  }
}

/** Writes a POSIX sh program. */
export function writeProgram(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}`)
  chmodSync(path, 0o755)
}

/** The programs by which a host knows its own name and the user's. */
export function writeHostPrograms(directory: string, {host, user}: {host: string; user: string}): void {
  writeProgram(join(directory, 'hostname'), `case "$*" in -s) echo ${quote(host.split('.')[0]!)} ;; -I) echo 127.0.0.1 ;; *) echo ${quote(host)} ;; esac\n`)
  writeProgram(join(directory, 'uname'), `case "$*" in -n) echo ${quote(host)} ;; *) exec ${realPath('uname')} "$@" ;; esac\n`)
  writeProgram(join(directory, 'whoami'), `echo ${quote(user)}\n`)
  writeProgram(join(directory, 'logname'), `echo ${quote(user)}\n`)
  writeProgram(join(directory, 'id'), `case "$*" in -un | -nu | '-u -n' | '-n -u') echo ${quote(user)} ;; *) exec ${realPath('id')} "$@" ;; esac\n`)
}

function realPath(program: string): string {
  return ['/usr/bin', '/bin'].map((directory) => join(directory, program)).find((path) => existsSync(path))!
}

/** Each directory that holds a program not wanted is replaced by a directory of links to everything else in it. */
function systemWithout(farm: string): string[] {
  const unwanted = (name: string) => SGE.includes(name) || JUPYTER.test(name)
  const directories = new Set(SYSTEM.filter((directory) => existsSync(directory)).map((directory) => realpathSync(directory)))
  return [...directories].map((directory) => {
    const names = readdirSync(directory)
    if (!names.some(unwanted)) return directory
    const copy = join(farm, directory.replaceAll('/', '_'))
    mkdirSync(copy, {recursive: true})
    for (const name of names) if (!unwanted(name)) symlinkSync(join(directory, name), join(copy, name))
    return copy
  })
}

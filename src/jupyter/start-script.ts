/**
 * The inner half of the job: from a login shell to Jupyter. Run by bash where there is one, because `module`,
 * `conda activate` and people's own set-up lines are written for it, with the site's and the user's profile read.
 *
 * It says beforehand what it is about to do in "$private/why", so that however it ends (a profile's `exit`,
 * a set-up line's `exit`, a syntax error), the outer half knows in which step.
 */
import {quote} from '../shell.ts'

export interface StartSpec {
  /** `auto`, or a word of the `jupyter` command: `lab`, `notebook`, `server`, ... */
  app: string
  /** Absolute, or below the home directory; null = the home directory. */
  dir: string | null
  modules: string[]
  /** Name or path of a conda environment. */
  conda: string | null
  /** Shell lines of the user, run as they are. */
  setup: string[]
}

/** A word for sh that holds no line starting with `#$`, which qsub would read as an option even inside quotes. */
export function word(text: string): string {
  return quote(text).replaceAll('\n#$', "\n''#$")
}

/** `DIR`, `~/DIR` and `$HOME/DIR` as shell text. Relative paths are meant from the home directory. */
export function directory(dir: string): string {
  if (dir.startsWith('/')) return word(dir)
  const rest = dir.replace(/^(?:~|\$HOME)(?=\/|$)\/*/, '').replace(/^\.\/+/, '')
  return rest === '' || rest === '.' ? '"$HOME"' : `"$HOME"/${word(rest)}`
}

/** One line for the record: no line breaks, no other control characters. */
function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ').trim()
}

const why = (reason: string, text: string) => `why ${reason} ${word(oneLine(text))}`

export function startScript(spec: StartSpec): string {
  return [findProgram(spec), LAUNCH].join('\n\n')
}

/** The same up to the start: it only notes which program it would be. */
export function findScript(spec: StartSpec): string {
  return [findProgram(spec), NOTE].join('\n\n')
}

function findProgram(spec: StartSpec): string {
  return [PRELUDE, enter(spec.dir), ...modules(spec.modules), ...conda(spec.conda), ...setup(spec.setup), again(spec.dir), program(spec.app)]
    .filter((part) => part !== '')
    .join('\n\n')
}

// A profile may have set -e, -u or noclobber.
const PRELUDE = `set +eu +C
private=$1 record=$2
why() { printf '%s\\n' "$*" >"$private/why"; }
why setup-failed 'the start-up of the shell ended the job'`

function enter(dir: string | null): string {
  if (dir === null) return 'cd'
  return `${why('dir-missing', `cannot enter the directory ${dir}`)}
cd -- ${directory(dir)} || exit 1`
}

/** Set-up lines may have gone elsewhere. Without a wish for a directory that is where Jupyter starts. */
function again(dir: string | null): string {
  return dir === null ? '' : enter(dir)
}

function modules(names: string[]): string[] {
  if (names.length === 0) return []
  const loads = names.map((name) => `${why('module-failed', `module load ${name} failed`)}\njnode_load ${word(name)} || exit 1`)
  return [MODULE_COMMAND, ...loads]
}

// Old Environment Modules return 0 whatever happens: there only LOADEDMODULES tells.
export const MODULE_COMMAND = `why module-failed 'there is no "module" command here'
for file in "\${MODULESHOME-}/init/bash" "\${LMOD_PKG-}/init/bash" /etc/profile.d/modules.sh /etc/profile.d/lmod.sh \\
  /etc/profile.d/z00_lmod.sh /usr/share/modules/init/bash /usr/share/lmod/lmod/init/bash; do
  command -v module >/dev/null && break
  [ -r "$file" ] && . "$file"
done
command -v module >/dev/null || exit 1
jnode_load() {
  before=\${LOADEDMODULES-}
  module load "$1" || return
  [ "\${LOADEDMODULES-}" = "$before" ] || return 0
  case :$before: in *":$1:"* | *":$1/"*) ;; *) return 1 ;; esac
}`

function conda(environment: string | null): string[] {
  if (environment === null) return []
  const activate = `${why('conda-failed', `conda activate ${environment} failed`)}
conda activate ${word(environment)} || exit 1`
  return [CONDA_COMMAND, activate]
}

// `conda activate` needs the shell function from conda.sh, which `conda init` gives to interactive shells only.
// "command -v" prints a bare name for a function and a path for a program.
export const CONDA_COMMAND = `why conda-failed 'there is no conda here; if a module brings it, name that with --module'
conda=$(command -v conda)
if [ "$conda" != conda ]; then
  [ -n "$conda" ] || conda=$(sed -n "s/^__conda_setup=.\\$('\\([^']*\\)'.*/\\1/p" ~/.bashrc ~/.bash_profile 2>/dev/null | head -n 1)
  exe=\${CONDA_EXE:-$conda}
  for base in "\${exe%/*/*}" "\${conda%/*/*}" ~/miniconda3 ~/miniforge3 ~/mambaforge ~/anaconda3; do
    [ -r "$base/etc/profile.d/conda.sh" ] && break
  done
  [ -r "$base/etc/profile.d/conda.sh" ] || base=$("\${conda:-false}" info --base)
  . "$base/etc/profile.d/conda.sh" || exit 1
fi`

function setup(lines: string[]): string[] {
  return lines.map((line) => {
    const text = line.replaceAll('\r\n', '\n')
    return `${why('setup-failed', `this set-up line failed: ${text}`)}\neval ${word(text)} || exit 1`
  })
}

/** The programs themselves, because `jupyter lab` first costs another start of Python. */
function program(app: string): string {
  return `PATH=$PATH:$HOME/.local/bin
there=
for app in lab notebook server; do
  command -v "jupyter-$app" >/dev/null && there="$there $app"
done
${app === 'auto' ? 'app=${there# }\napp=${app%% *}' : `app=${word(app)}`}
if ! command -v "jupyter-\${app:-lab}" >/dev/null; then
  why no-jupyter "jupyter-\${app:-lab} is not on PATH\${there:+ (there is:$there)}"
  exit 127
fi`
}

const NOTE = `printf 'app %s\\n' "$app" >>"$record"`

// Libraries that take all cores of the host when nothing is said; sites kill jobs that use more than their slots.
const THREADED = ['OMP', 'OPENBLAS', 'BLIS', 'MKL', 'NUMEXPR', 'NUMBA', 'JULIA'].map((library) => `${library}_NUM_THREADS`).concat('POLARS_MAX_THREADS', 'RAYON_NUM_THREADS')

const LAUNCH = `if [ -n "\${NSLOTS-}" ]; then
${THREADED.map((name) => `  export ${name}="\${${name}:-$NSLOTS}"`).join('\n')}
fi
# The login session's, gone or not here; and what would speak against our configuration.
unset XDG_RUNTIME_DIR JPY_PARENT_PID JUPYTER_NO_CONFIG JUPYTER_TOKEN JUPYTER_TOKEN_FILE JUPYTER_PORT JUPYTER_PORT_RETRIES
export JUPYTER_RUNTIME_DIR="$private/runtime"
export JUPYTER_CONFIG_PATH="$private/config\${JUPYTER_CONFIG_PATH:+:$JUPYTER_CONFIG_PATH}"
${NOTE}
: >"$private/why"
exec "jupyter-$app"`

/** Where there is a Jupyter on the cluster, as the head node sees it in a login shell, which is what the job uses too. */
import type {Ask} from '../ask.ts'
import {quote} from '../shell.ts'
import {CONDA_COMMAND, MODULE_COMMAND} from './start-script.ts'

export interface JupyterPlace {
  /** How a job gets at it: it is on the PATH, in a conda environment, or in a module. */
  kind: 'path' | 'conda' | 'module'
  /** What `--conda` or `--module` takes; empty for one on the PATH. */
  name: string
  /** Directory of its programs. */
  directory: string
  apps: string[]
}

const MARK = '@@jupyter'

/** Modules are loaded to look into them, some 0.3 s each: only where there is nothing else, and only so many. */
const MODULES_TO_TRY = 6

const SEARCH = `
why() { :; }
show() {
  for app in lab notebook server; do
    [ ! -x "$3/jupyter-$app" ] || printf '${MARK}\\t%s\\t%s\\t%s\\t%s\\n' "$1" "$2" "$3" "$app"
  done
}
on_path() {
  for app in lab notebook server; do
    path=$(command -v "jupyter-$app") && printf '%s\\n' "\${path%/*}"
  done | sort -u
}
PATH=$PATH:$HOME/.local/bin
known=$(on_path)
[ -z "$known" ] || printf '%s\\n' "$known" | while IFS= read -r directory; do show path '' "$directory"; done
environments=$(
  ${CONDA_COMMAND}
  base=\${CONDA_EXE-}
  base=\${base%/*/*}
  show conda base "$base/bin"
  for directory in "$base"/envs/*; do show conda "\${directory##*/}" "$directory/bin"; done
  [ ! -r ~/.conda/environments.txt ] || while IFS= read -r directory; do
    case $directory in "$base" | "$base"/envs/*) ;; *) show conda "$directory" "$directory/bin";; esac
  done <~/.conda/environments.txt
)
printf '%s\\n' "$environments"
case $known$environments in *?*) exit;; esac
(
  ${MODULE_COMMAND}
  names=$(module -t avail 2>&1 | sed -e 's/(default)$//' -e '/[:/]$/d' | sort -rV)
  { printf '%s\\n' "$names" | grep -iE 'jupyter|notebook'; printf '%s\\n' "$names" | grep -iE 'conda|mamba|python' | grep -viE 'jupyter|notebook'; } | head -n ${MODULES_TO_TRY}
) | while IFS= read -r name; do
  (
    ${MODULE_COMMAND}
    module load "$name" >/dev/null 2>&1
    directory=$(on_path | head -n 1)
    [ -z "$directory" ] || show module "$name" "$directory"
  ) </dev/null
done`

/** Looks for all there are; modules only where there is no other. Takes a second where modules are loaded, 20 s at most. */
export function findJupyterPlaces(): Ask<JupyterPlace[]> {
  return {
    script: `command -v bash >/dev/null 2>&1 || exit 0
limit=; if command -v timeout >/dev/null 2>&1; then limit='timeout 20'; fi
$limit bash -lc ${quote(SEARCH)} 2>/dev/null`,
    read: ({stdout}) => readJupyters(stdout),
  }
}

/** A login shell prints what it likes; lines of ours bear the mark. */
function readJupyters(stdout: string): JupyterPlace[] {
  const found = new Map<string, JupyterPlace>()
  for (const line of stdout.split('\n')) {
    const [mark, kind, name, directory, app] = line.split('\t')
    if (!mark?.endsWith(MARK) || app === undefined || (kind !== 'path' && kind !== 'conda' && kind !== 'module')) continue
    const key = `${kind} ${name} ${directory}`
    const one = found.get(key) ?? {kind, name: name!, directory: directory!, apps: []}
    found.set(key, one)
    one.apps.push(app)
  }
  return [...found.values()]
}

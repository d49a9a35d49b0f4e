/**
 * The script that looks for Grid Engine. A command sent by ssh gets neither a login nor an interactive shell, so on
 * many sites qsub is not on its PATH; and only PATH without SGE_ROOT does not work either.
 */
import {quote} from '../shell.ts'

export interface Learn {
  /** With the queues that offer them and the lists of who may use them. */
  parallelEnvironments: boolean
  /** With what hosts have of them. */
  resources: boolean
  /** The user's projects and places. */
  account: boolean
}

/** What of a login shell's environment makes Grid Engine work. */
export const ENVIRONMENT: readonly string[] = ['PATH', 'LD_LIBRARY_PATH', 'SGE_ROOT', 'SGE_CELL', 'SGE_CLUSTER_NAME', 'SGE_QMASTER_PORT', 'SGE_EXECD_PORT']

const MARK = '@@jnode'

/** Sections of the script's output: a line with the mark and a name begins one. */
export function parseSections(stdout: string): (name: string) => string[] {
  const sections = new Map<string, string[]>()
  let current: string[] = []
  for (const line of stdout.split('\n')) {
    if (line.startsWith(`${MARK} `)) sections.set(line.slice(MARK.length + 1), (current = []))
    else current.push(line)
  }
  return (name) => {
    const lines = sections.get(name) ?? []
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines
  }
}

// Each trial prints an environment, behind whatever a login shell's start-up files print.
const PRINT = `echo ${MARK}; env`

/** -xml stands in the help of every Grid Engine, and in that of no PBS or Slurm; the help needs no contact to qmaster. */
const FUNCTIONS = `
LC_ALL=C; export LC_ALL
tried=
works() {
  command -v qsub >/dev/null 2>&1 || return 1
  help=$(qstat -help 2>&1 </dev/null)
  case $help in *-xml*) return 0;; esac
  complaint=$help
  return 1
}
adopt() {
  inside=
  while IFS= read -r line; do
    case $line in
      ${MARK}) inside=1;;
      ${ENVIRONMENT.map((name) => `${name}=*`).join('|')}) [ -z "$inside" ] || export "$line";;
    esac
  done
}
trial() {
  tried="$tried$1
"
  found=$1
  shift
  printed=$("$@" </dev/null 2>/dev/null)
  adopt <<END_OF_ENVIRONMENT
$printed
END_OF_ENVIRONMENT
  [ -n "$inside" ] && works
}`

/** csh knows no login shell with -c, only one that reads its commands. */
const SEARCH = `
search() {
  found=PATH
  tried="\${tried}PATH
"
  works && return
  if command -v bash >/dev/null 2>&1; then trial 'a bash login shell' bash -lc '${PRINT}' && return; fi
  case \${SHELL-} in
    ''|*/bash|*/sh) ;;
    *csh) trial "a $SHELL login shell" sh -c 'printf "echo ${MARK}\\nenv\\n" | "$SHELL" -l' && return;;
    *) trial "a $SHELL login shell" "$SHELL" -lc '${PRINT}' && return;;
  esac
  for settings in "\${SGE_ROOT:-/opt/sge}"/*/common/settings.sh /opt/*/*/common/settings.sh /usr/local/*/*/common/settings.sh \\
    /usr/share/gridengine/*/common/settings.sh /gridware/*/common/settings.sh /gridware/*/*/common/settings.sh /cm/shared/apps/*ge/*/*/common/settings.sh; do
    [ -r "$settings" ] || continue
    trial "$settings" sh -c '. "$1"; ${PRINT}' sh "$settings" && return
  done
  found=
  return 1
}`

/** The user's own text: first as the plain sh it usually is, then in a login shell, which knows \`module\`. */
function configuredTrials(setup: string): string {
  return `
configured=${quote(`${setup}\n${PRINT}`)}
if trial sge_setup sh -c "$configured" || { command -v bash >/dev/null 2>&1 && trial 'sge_setup in a bash login shell' bash -lc "$configured"; }; then :; else search; fi`
}

const REPORT = `
printf '${MARK} host\\n%s\\n%s\\n%s\\n' "$(id -un)" "$HOME" "$(uname -n)"
printf '${MARK} tried\\n%s' "$tried"
if [ -z "$found" ]; then printf '${MARK} complaint\\n%s\\n' "$complaint"; exit 1; fi
printf '${MARK} found\\n%s\\n${MARK} engine\\n%s\\n' "$found" "\${help%%usage:*}"
printf '${MARK} groups\\n%s\\n' "$(id -Gn)"
settings=\${SGE_ROOT-}/\${SGE_CELL:-default}/common/settings.sh
[ ! -r "$settings" ] || printf '${MARK} settings\\n%s\\n' "$settings"
printf '${MARK} environment\\n'
${ENVIRONMENT.map((name) => `[ -z "\${${name}-}" ] || printf '${name}=%s\\n' "$${name}"`).join('\n')}`

/** Sections that qconf fills. It shows one environment at a time: four at once, and what each prints is one small write. */
const ENVIRONMENTS = 'names=$(qconf -spl 2>&1) && printf "%s\\n" "$names" | xargs -n 1 -P 4 qconf -sp 2>&1 || printf "%s\\n" "$names"'
const QUEUES = "qconf -sq '*' 2>&1"
const ACCESS = 'names=$(qconf -sul 2>&1) && qconf -su "$(printf %s "$names" | tr "\\n" ,)" 2>&1'
const RESOURCES = 'qconf -sc 2>&1'
/** Of what is not a stock there is a line for each load value of each host. */
const HOSTS = "qhost -F 2>&1 | grep -E '^[A-Za-z0-9]|[hg][cf]:'"
const PROJECTS = 'names=$(qconf -sprjl 2>&1) && printf "%s\\n" "$names" | xargs -n 1 -P 4 qconf -sprj 2>&1 || printf "%s\\n" "$names"'
const PROJECT_RULES = 'qconf -sconf 2>&1 | grep ^enforce_project; qconf -suser "$(id -un)" 2>&1 | grep ^default_project'
/** Sites tell of it in a variable, or it has one of the usual names. */
const SCRATCH = `for place in "\${SCRATCH-}" "\${WORK-}" "/scratch/$(id -un)" "/work/$(id -un)" "/data/$(id -un)" /scratch; do
  case $place in /?*) [ ! -w "$place" ] || printf '%s\\n' "$place";; esac
done`

type Section = readonly [name: string, command: string]

/** Runs the commands at the same time, each some 50 ms of waiting, and prints their sections one after the other: a pipe keeps what is early. */
function atOnce([first, ...others]: readonly Section[]): string {
  if (first === undefined) return ''
  const [name, qconf] = first
  if (others.length === 0) return `printf '${MARK} ${name}\\n'; { ${qconf}; } </dev/null`
  return `{ ${qconf}; } </dev/null | { ${atOnce(others)}; printf '${MARK} ${name}\\n'; cat; }`
}

export function discoveryScript(setup: string | null, {parallelEnvironments, resources, account}: Learn): string {
  const sections: Section[] = [
    ...(resources ? [['resources', RESOURCES] as const, ['hosts', HOSTS] as const] : []),
    ...(parallelEnvironments ? [['queues', QUEUES] as const, ['access', ACCESS] as const, ['environments', ENVIRONMENTS] as const] : []),
    ...(account ? [['project rules', PROJECT_RULES] as const, ['scratch', SCRATCH] as const, ['projects', PROJECTS] as const] : []),
  ]
  return [FUNCTIONS, SEARCH, setup === null ? 'search' : configuredTrials(setup), REPORT, atOnce(sections), 'exit 0'].join('\n')
}

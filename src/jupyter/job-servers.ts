/**
 * The Jupyter servers that a job runs, found on its node: processes of the job, what they listen on, and the runtime
 * files that Jupyter wrote about them. A file alone tells nothing: it lies in a home that all nodes share, and names
 * its server by a process number that each node has for itself.
 */
import type {Ask} from '../ask.ts'
import {isHostName, isLine, isPath, isPort, isUrlPath} from '../rules.ts'
import type {Endpoint} from '../ssh/remote.ts'

export interface FoundServer {
  /** As dialled on the node itself. */
  endpoint: Endpoint
  secure: boolean
  /** With a slash at both ends. */
  baseUrl: string
  /** Null when there is none, and when it is not known. */
  token: string | null
  /** Where its notebooks lie; null when not known. */
  directory: string | null
}

/**
 * Where Jupyter keeps its runtime files, from the variables of a process: `JUPYTER_RUNTIME_DIR`, else below its data
 * directory; jupyter_core before 4.5 used `XDG_RUNTIME_DIR`.
 */
export const RUNTIME_FILES = `runtime_files() { # [PID]: of any process when left out
  data=\${JUPYTER_DATA_DIR:-\${XDG_DATA_HOME:-$HOME/.local/share}/jupyter}
  for directory in "\${JUPYTER_RUNTIME_DIR:-$data/runtime}" \${XDG_RUNTIME_DIR:+"$XDG_RUNTIME_DIR/jupyter"}; do
    for file in "$directory"/jpserver-\${1:-*}.json "$directory"/nbserver-\${1:-*}.json; do
      [ -f "$file" ] && [ -r "$file" ] && printf '%s\\n' "$file"
    done
  done
}`

const MARK = '@@jnode server'

/**
 * Run on the job's node as its user. A process is the job's by its environment, or because the job's shepherd is among
 * its parents: a `qlogin` by way of sshd has none of Grid Engine's variables.
 */
export function serversOfJob(jobId: string): Ask<FoundServer[]> {
  return {
    script: `${RUNTIME_FILES}
below=$(ps -e -o pid=,ppid=,args= 2>/dev/null | awk '
  {parent[$1] = $2}
  $3 == "sge_shepherd-${jobId}" {shepherd[$1] = 1}
  END {for (pid in parent) {for (p = pid; p in parent && !(p in shepherd); p = parent[p]); if (p in shepherd) printf "%s ", pid}}')
# In one go, as a user may have hundreds of processes; the number may go on after these digits.
named=$(grep -ls 'JOB_ID=${jobId}' /proc/[0-9]*/environ | sed 's/[^0-9]//g')
for pid in $(printf '%s\\n' $below $named | sort -u); do
  process=/proc/$pid
  # A value may have several lines: QRSH_COMMAND has those that the user typed.
  variables=$(tr '\\n\\0' ' \\n' <"$process/environ" 2>/dev/null) || continue
  case " $below" in *" $pid "*) ;; *) printf '%s\\n' "$variables" | grep -qx 'JOB_ID=${jobId}' || continue;; esac
  value() { printf '%s\\n' "$variables" | sed -n "s/^$1=//p" | head -n 1; }
  files=$(HOME=$(value HOME) JUPYTER_RUNTIME_DIR=$(value JUPYTER_RUNTIME_DIR) JUPYTER_DATA_DIR=$(value JUPYTER_DATA_DIR)
    XDG_DATA_HOME=$(value XDG_DATA_HOME) XDG_RUNTIME_DIR=$(value XDG_RUNTIME_DIR); runtime_files "$pid")
  [ -n "$files" ] || continue
  inodes=$(ls -l "$process/fd" 2>/dev/null | sed -n 's/.*socket:\\[\\([0-9]*\\)\\]$/\\1/p' | tr '\\n' ' ')
  printf '\\n${MARK}\\n'
  awk -v inodes="$inodes" 'BEGIN {split(inodes, list, " "); for (i in list) own[list[i]] = 1}
    $4 == "0A" && $10 in own {sub(/.*:/, "", $2); print "port " $2}
    $4 == "00010000" && $7 in own {print "socket " $8}' /proc/net/tcp /proc/net/tcp6 /proc/net/unix 2>/dev/null
  printf '%s\\n' "$files" | while IFS= read -r file; do echo file; head -c 65536 "$file"; done
done
exit 0`,
    read: ({stdout}) => stdout.split(`\n${MARK}\n`).slice(1).flatMap((part) => readServer(part) ?? []),
  }
}

function readServer(part: string): FoundServer | null {
  const [listening = '', ...files] = part.split(/^file\n/m)
  const ports = new Set([...listening.matchAll(/^port ([0-9A-F]+)$/gm)].map(([, hex]) => Number.parseInt(hex!, 16)).filter(isPort))
  const sockets = new Set([...listening.matchAll(/^socket (.+)$/gm)].map(([, path]) => path!))
  for (const text of files) {
    const file = readRuntimeFile(text)
    if (file?.endpoint.kind === 'socket' && sockets.has(file.endpoint.path)) return file
    if (file?.endpoint.kind !== 'tcp') continue
    // Some versions write down port 0, or the port that they asked for and did not get.
    const port = ports.has(file.endpoint.port) ? file.endpoint.port : ports.size === 1 ? [...ports][0] : undefined
    if (port !== undefined) return {...file, endpoint: {...file.endpoint, port}}
  }
  return null
}

/**
 * What Jupyter wrote down of a running server (`jpserver-PID.json`, `nbserver-PID.json`); null for anything else, and for a server
 * whose place or base path is none. A port is 0 where Jupyter wrote it down before it had one.
 */
export function readRuntimeFile(text: string): FoundServer | null {
  const {port, sock, hostname, secure, base_url: baseUrl, token, root_dir: root, notebook_dir: notebooks} = parsed(text)
  const word = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)
  const line = (value: unknown) => (isLine(word(value) ?? '') ? word(value) : null)
  const endpoint = endpointIn(word(sock), word(hostname) ?? '', port)
  const base = word(baseUrl) ?? '/'
  if (endpoint === null || !isUrlPath(base)) return null
  return {endpoint, secure: secure === true, baseUrl: base, token: line(token), directory: line(root) ?? line(notebooks)}
}

function endpointIn(path: string | null, hostname: string, port: unknown): Endpoint | null {
  if (path !== null) return isPath(path) ? {kind: 'socket', path} : null
  if (typeof port !== 'number' || (port !== 0 && !isPort(port))) return null
  const endpoint = endpointOnNode({kind: 'tcp', host: hostname, port})
  return endpoint.kind === 'tcp' && isHostName(endpoint.host) ? endpoint : null
}

function parsed(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) ?? {}) as Record<string, unknown>
  } catch {
    return {} // one being written
  }
}

/** The address to dial on the node itself: `*` and loopback names are the node's own. */
export function endpointOnNode(endpoint: Endpoint): Endpoint {
  if (endpoint.kind !== 'tcp') return endpoint
  const own = ['*', '0.0.0.0', '::', 'localhost', ''].includes(endpoint.host)
  return own ? {...endpoint, host: '127.0.0.1'} : endpoint
}

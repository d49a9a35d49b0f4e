/**
 * Legs that the cluster's own `ssh` program makes, with the keys or the host-based login that exist only there:
 * from the head to the node (route `head`), as long as our connection lives; from the node back to the head (route
 * `reverse`), as long as the job lives.
 */
import {command, forwardPath, quote} from '../shell.ts'
import {asJson} from './relay.ts'

/** Whatever the user's configuration says: no questions, one connection of its own, nothing forwarded but what is asked for here. */
const OPTIONS = {
  BatchMode: 'yes', ConnectTimeout: '5', ConnectionAttempts: '1', ControlMaster: 'no', ControlPath: 'none', ExitOnForwardFailure: 'yes',
  ForwardAgent: 'no', ForwardX11: 'no', PermitLocalCommand: 'no', RequestTTY: 'no', ServerAliveInterval: '15', StreamLocalBindUnlink: 'yes',
  StreamLocalBindMask: '0177', LogLevel: 'INFO',
}

/** The name under which a host's keys stand in the file that is made for one ssh. */
const ALIAS = 'jnode-host'

function options(knownHosts: string, hostKeys: readonly string[]): string[] {
  // Learned over a connection whose own keys were checked. Without any, the first key seen is taken, as on the route "socket".
  const keys = {HostKeyAlias: ALIAS, UserKnownHostsFile: knownHosts, GlobalKnownHostsFile: '/dev/null', StrictHostKeyChecking: hostKeys.length > 0 ? 'yes' : 'accept-new'}
  const all = hostKeys.length > 0 ? {...OPTIONS, ...keys} : {...OPTIONS, StrictHostKeyChecking: 'accept-new'}
  return ['-T', ...Object.entries(all).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
}

function knownHostsText(hostKeys: readonly string[]): string {
  return hostKeys.map((key) => `${ALIAS} ${key}\n`).join('')
}

/** `host:port`, or the path of a socket, as ssh's -L and -R want it. */
export type ForwardEnd = {kind: 'socket'; path: string} | {kind: 'tcp'; host: string; port: number}

export function forwardText(end: ForwardEnd): string {
  return end.kind === 'socket' ? forwardPath(end.path) : `${end.host.includes(':') ? `[${end.host}]` : end.host}:${end.port}`
}

export interface HeadLegSpec {
  /** Random, part of names on the head. */
  id: string
  /** The session's directory there; null for a job that has none. */
  dir: string | null
  /** Names of the node to try. */
  names: readonly string[]
  hostKeys: readonly string[]
  /** What it listens on there: a 0600 socket, or a port of loopback. */
  listen: 'socket' | 'port'
  to: ForwardEnd
}

/** Kernels take 108 bytes of socket path, ssh adds up to 17 of its own while it makes one. */
const MAX_SOCKET_PATH = 88

/**
 * Shell text for `follow` on the head: prints `up socket PATH` or `up port N`, then runs until the connection goes and takes
 * ssh and its socket away with it; `failed TEXT` for each name that did not work, `ended TEXT` when ssh ends by itself.
 */
export function headLegScript({id, dir, names, hostKeys, listen, to}: HeadLegSpec): string {
  const ssh = command(['ssh', '-N', ...options('KNOWN', hostKeys)]).replace('=KNOWN', '="$place/known"')
  // The session's directory may be on a file system without sockets, or too deep; then the head's own disk. A port may be taken.
  const deep = dir === null || `${dir}/${id}/sock`.length > MAX_SOCKET_PATH
  const rooms = listen === 'port' ? ['tmp', 'tmp', 'tmp'] : deep ? ['tmp'] : ['dir', 'tmp']
  const isUp = listen === 'socket' ? '[ -S "$place/sock" ]' : `[ -n "$(awk -v port=":$(printf %04X "$port")" '$4 == "0A" && substr($2, 9) == port {print "up"}' /proc/net/tcp)" ]`
  return `umask 077
place= ssh= tries=0
end() {
  trap - EXIT; trap '' HUP INT TERM
  [ -z "$ssh" ] || kill "$ssh" 2>/dev/null
  [ -z "$place" ] || rm -rf "$place"
}
trap end EXIT
trap 'exit 0' HUP INT TERM
command -v ssh >/dev/null || { echo 'failed there is no ssh program here'; exit 1; }
make_place() {
  case $1 in
    dir) place=${quote(`${dir ?? ''}/${id}`)}; mkdir "$place" ;;
    tmp) place=$(mktemp -d /tmp/jnode.XXXXXXXX) ;;
  esac || { place= why='cannot listen: no place for a socket'; return 1; }
}
said() { why=$(grep -v '^Warning: Permanently' "$place/said" | tr -d '\\r' | tail -n 1); [ -n "$why" ] || why='it said nothing'; }
try() {
  make_place "$1" || return 1
  tries=$((tries + 1))
  port=$((20000 + ($$ + tries * 97) % 12000))
  printf %s ${quote(knownHostsText(hostKeys))} >"$place/known"
  ${ssh} -L "${listen === 'socket' ? '$place/sock' : '127.0.0.1:$port'}":${quote(forwardText(to))} "$2" </dev/null >/dev/null 2>"$place/said" &
  ssh=$!
  # It listens when the login is done.
  while kill -0 "$ssh" 2>/dev/null; do
    ${isUp} && return 0
    sleep 0.1 2>/dev/null || sleep 1
  done
  said
  rm -rf "$place"; place= ssh=
  return 1
}
for room in ${rooms.join(' ')}; do
  for node in ${names.map(quote).join(' ')}; do
    try $room "$node" && {
      echo "up ${listen === 'socket' ? 'socket $place/sock' : 'port $port'}"
      wait "$ssh"; said
      echo "ended $why"
      exit 0
    }
    echo "failed $node: $why"
    # With keys to compare, a name that leads to another machine does no harm.
    case $why in *resolve* | *verification*) ;; *) break ;; esac
  done
  # Another place helps only where listening was what failed.
  case $why in *bind* | *listen* | *'local forwarding'*) ;; *) exit 1 ;; esac
done
exit 1`
}

/** Shell text for the head that runs a script on the node, by the first of its names that means something there. */
export function onNode(script: string, {names, hostKeys}: Pick<HeadLegSpec, 'names' | 'hostKeys'>): string {
  const ssh = command(['ssh', ...options('KNOWN', hostKeys)]).replace('=KNOWN', '="$known"')
  return `umask 077
known=$(mktemp /tmp/jnode.XXXXXXXX) || exit 1
trap 'rm -f "$known"' EXIT
printf %s ${quote(knownHostsText(hostKeys))} >"$known"
for node in ${names.map(quote).join(' ')}; do
  printf %s ${quote(script)} | ${ssh} "$node" 'exec /bin/sh -s'
  [ $? -eq 255 ] || exit 0
done
exit 255`
}

export interface ReverseSpec {
  /** What the record calls it. */
  id: string
  /** Absolute path of the session's directory. */
  dir: string
  /** Names and addresses of the head node to try, and the keys its sshd must show. */
  hosts: readonly string[]
  hostKeys: readonly string[]
  user: string
  /** Path of the socket to make there; null for a port of loopback, which the record then tells. */
  socket: string | null
  /** Where the server is on the node; null for its own socket. */
  to: ForwardEnd | null
}

/** A Python program for the node that runs `ssh -R` to the head until Jupyter ends or nobody wants it any more. */
export function reverseProgram(spec: ReverseSpec): string {
  const ssh = ['ssh', '-N', ...options(`${spec.dir}/${spec.id}.known`, spec.hostKeys)]
  return `import json, os, re, subprocess, sys, threading
spec = json.loads(r'''${asJson({...spec, ssh, known: knownHostsText(spec.hostKeys), to: spec.to && forwardText(spec.to)})}''')


def tell(text):
    with open(spec["dir"] + "/record", "a") as record:
        record.write("leg %s %s\\n" % (spec["id"], " ".join(text.split())))


# Of modules and conda as little as can be: their libraries break the system's ssh.
wanted = ("HOME", "USER", "LOGNAME", "LANG", "KRB5CCNAME", "SSH_AUTH_SOCK")
env = dict((name, os.environ[name]) for name in wanted if name in os.environ)
env["PATH"] = "/usr/local/bin:/usr/bin:/bin"
os.umask(0o077)
with open("%s/%s.known" % (spec["dir"], spec["id"]), "w") as known:
    known.write(spec["known"])
forward = "%s:%s" % (spec["socket"] or "127.0.0.1:0", spec["to"] or sys.argv[1] + "/sock")


def end_with(child):
    def wait():
        sys.stdin.read()
        child.kill()
        os._exit(0)

    thread = threading.Thread(target=wait)
    thread.daemon = True
    thread.start()


why = "no host to go to"
for host in spec["hosts"]:
    try:
        child = subprocess.Popen(spec["ssh"] + ["-R", forward, "-l", spec["user"], host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, universal_newlines=True)
    except OSError:
        why = "there is no ssh program on the node"
        break
    end_with(child)
    for line in child.stdout:
        port = re.match(r"Allocated port (\\d+)", line)
        if port:
            tell("listening 127.0.0.1 " + port.group(1))
        elif line.strip() and not line.startswith("Warning: Permanently"):
            why = "%s: %s" % (host, line)
    if child.wait() == 255 and not re.search("refused|timed out|resolve|No route|unreachable|verification", why):
        break
tell("failed " + why)
`
}

/**
 * The job: shell text that runs Jupyter on a node and tells of it in `record` (record.ts reads it).
 *
 * POSIX sh, run with `qsub -S /bin/sh`. Grid Engine keeps a copy which others may be able to read, so no secret is
 * in it: the token and the proof lie beside it in 0600 files. The outer half here takes Grid Engine's signals,
 * watches and cleans up; the inner half (start-script.ts) becomes Jupyter.
 */
import {JnodeError} from '../errors.ts'
import {OWN_HOST_KEYS} from '../own-host-keys.ts'
import {configShell} from './server-config.ts'
import {directory, startScript, type StartSpec} from './start-script.ts'

export interface JobSpec extends StartSpec {
  /** The session's name, for people who read the script. */
  name: string
  /** The session's directory on the shared home, absolute or `$HOME/...`; holds token and proof (0600, no newline). */
  sessionDir: string
  /** Without activity for so long the server and the job end themselves; null: never. */
  idleSeconds: number | null
  /** What kernels listen on: private sockets, or TCP ports of the node's loopback, which every user of the node can open. */
  kernelTransport: 'ipc' | 'tcp'
}

/**
 * Shell text of the job, without secrets; one LF after each line, no line that qsub would take for an option.
 * Throws `usage` for a program that cannot be one of Jupyter's.
 */
export function jobScript(spec: JobSpec): string {
  if (!/^[a-z][\w-]*$/i.test(spec.app)) {
    throw new JnodeError('usage', `"${spec.app}" is not a program of Jupyter`, {hint: 'Take lab, notebook, server, or another word of `jupyter WORD`.'})
  }
  const inner = startScript(spec)
  const mark = unusedMark(inner)
  const names = [...new Set(['server', 'notebook', 'lab', ...(spec.app === 'auto' ? [] : [spec.app.replaceAll('-', '_')])])]
  return `#!/bin/sh
# Jupyter on a compute node, for the jnode session ${spec.name.replace(/[^\w.-]/g, '_')}. There is no secret in this text.
session=${directory(spec.sessionDir)}
${OPENING}

${configShell(names, {...spec, pinDirectory: spec.dir !== null})}
cat >"$private/start" <<'${mark}' || finish no-space 1 "cannot write to $private"
${inner}
${mark}

${RUNNING}
`
}

function unusedMark(text: string): string {
  let mark = 'END_OF_START'
  while (text.includes(mark)) mark += '_'
  return mark
}

const OPENING = `record=$session/record
# Files made in notebooks get the user's own mask; all of ours are private.
mask=$(umask)
umask 077
private= child= stopping= listening= guard= me= nap=0.05
newline='
'

# Grid Engine can start a job anew on another node before it has ended here. From then on the record is the other start's.
taken() {
  [ -n "$me" ] || return
  holder=$me
  while IFS= read -r line; do
    case $line in 'start '*) holder=\${line#start } ;; esac
  done <"$record"
  [ "$holder" != "$me" ]
} 2>/dev/null
# One write for all lines: the home may be NFS. A full one must not end the session.
append() {
  { printf '%s\\n' "$@" >>"$record"; } 2>/dev/null || printf 'jnode could not record: %s\\n' "$@"
}
note() { taken || append "$@"; }
# finish REASON CODE TEXT. Grid Engine takes 99 for "run me again" and 100 for "hold me".
finish() {
  [ -z "$guard" ] || kill "$guard" 2>/dev/null
  [ -z "$private" ] || rm -rf "$private"
  # Before its own first line nothing counts.
  [ -n "$me" ] || append '' 'jnode-record 1'
  note "ended $(date +%s)" "end $2 $1 \${3%%"$newline"*}"
  [ "$2" -eq 0 ] || printf 'jnode: %s: %s\\n' "$1" "$3"
  case $2 in 99 | 100) exit 1 ;; *) exit "$2" ;; esac
}
stop() {
  note "signal $1"
  [ -z "$stopping" ] || return
  stopping=$1
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
# With -notify: USR1 before a suspension, USR2 before the kill. But USR1 also says that the soft limit of time (s_rt) is
# reached. A suspension follows within the queue's "notify" seconds, and what is resumed is sent CONT; where neither comes
# it was the limit, and Jupyter is ended while there is time to do so properly.
warned() {
  note 'signal USR1'
  [ -z "$guard" ] || kill "$guard" 2>/dev/null
  seconds=$(sed -n 's/^notify=\\([0-9]*\\)$/\\1/p' "\${SGE_JOB_SPOOL_DIR-}/config" 2>/dev/null)
  (
    trap '' USR1 USR2
    trap - TERM INT HUP XCPU
    trap 'exit 0' CONT
    seconds=$((\${seconds:-60} + 3))
    while [ $seconds -gt 0 ]; do
      sleep 1
      seconds=$((seconds - 1))
    done
    : >"$private/limit"
    kill -TERM $$
  ) </dev/null >/dev/null 2>&1 &
  guard=$!
}
trap warned USR1
for name in USR2 TERM XCPU INT HUP; do trap "stop $name" "$name"; done

# A private place on the node's own disk. The path of a socket may have 107 bytes, and a kernel's is 58 longer than this
# place: runtime/kernel-UUID-ipc-N. Odd characters would need escapes.
case \${TMPDIR-} in
  *[!A-Za-z0-9_./@%+=:,-]*) ;;
  /*)
    room=$TMPDIR/jnode
    [ \${#room} -gt 49 ] || { mkdir "$room" "$room/runtime" "$room/config" && private=$room; }
    ;;
esac
if [ -z "$private" ]; then
  private=$(mktemp -d /tmp/jnode.XXXXXXXX) && mkdir "$private/runtime" "$private/config" ||
    finish no-space 1 'cannot make a private directory in TMPDIR or /tmp'
fi

# Sites tell a job in these which GPUs, and what else of a resource map, are its own.
gpus=$(env | sed -n -e '/^CUDA_VISIBLE_DEVICES=/p' -e '/^SGE_HGR_/p' | sort | tr '\\n' ' ')
IFS= read -r node </proc/sys/kernel/hostname || node=$(hostname)
me=$node.$$
set -- '' 'jnode-record 1' "start $me" "job \${JOB_ID-}" "queue \${QUEUE-}" "name \${HOSTNAME-}" "slots \${NSLOTS-}" "tmpdir \${TMPDIR%%"$newline"*}" "gpus $gpus"
append "$@" "endpoint socket $private/sock"
${OWN_HOST_KEYS}
# Beside the start of Jupyter, since a firewall may let it wait for seconds. The node last: it is logged in to as soon as this
# line is read, and by then its keys must be known.
(
  trap '' USR1 USR2 XCPU
  keys=$(own_host_keys)
  IFS=$newline
  set -f
  note $keys "node $node"
) </dev/null >/dev/null 2>&1 &

# By which Jupyter finds the session's directory, whose path may hold anything.
ln -s "$session" "$private/session"
# Exported variables of these names would take the token into the environment of all that is started here.
unset token proof pins config
IFS= read -r token <"$session/token"
IFS= read -r proof <"$session/proof"
case $token/$proof in
  /* | */ | *[!A-Za-z0-9_/-]*) finish session-removed 1 "no token and proof in $session" ;;
esac`

const RUNNING = `if command -v bash >/dev/null; then shell=bash; else shell=sh; fi
launch() {
  (
    umask "$mask"
    trap '' USR1 USR2 XCPU
    exec "$shell" "$@" "$private/start" "$private" "$record"
  ) </dev/null &
  child=$!
  [ -z "$stopping" ] || kill -TERM "$child" 2>/dev/null
}
alive() { kill -0 "$child" 2>/dev/null; }
pause() {
  sleep "$nap" 2>/dev/null
  [ $? -ne 1 ] || nap=1 # a sleep that knows no fractions
}

# Jupyter's own file tells that it listens, and where: JSON, one member on a line.
look() {
  for file in "$private"/runtime/jpserver-*.json "$private"/runtime/nbserver-*.json; do
    [ -s "$file" ] || continue
    host= port= base= version= line=
    while IFS= read -r line || [ -n "$line" ]; do
      value=\${line#*: }
      value=\${value%,}
      case $line in
        '  "hostname": '*) host=\${value#?} host=\${host%?} ;;
        '  "port": '*) port=$value ;;
        '  "base_url": '*) base=$value ;;
        '  "version": '*) version=$value ;;
        '}') listening=yes ;;
      esac
    done <"$file"
    # Jupyter Server 2 writes the file shortly before it makes the socket.
    [ "$port" != 0 ] || [ -S "$private/sock" ] || listening=
  done
  [ -n "$listening" ] || return
  set -- "base-url $base" "version $version" listening
  # A server that knows no sockets (Notebook before 6.1, Jupyter Server before 1.9) took a port.
  [ "$port" = 0 ] || set -- "endpoint tcp $host $port" "$@"
  note "$@"
}

# Ends with the child's exit status in "code". Once told to stop, the child gets 20 s.
watch() {
  tries=0
  while [ -z "$stopping$listening" ] && alive; do
    look
    [ -n "$listening" ] || pause
    tries=$((tries + 1))
    [ $tries -lt 600 ] || nap=1
  done
  while :; do
    tries=0
    while [ -n "$stopping" ] && alive; do
      [ $tries -ne 400 ] || kill -KILL "$child"
      pause
      tries=$((tries + 1))
    done
    wait "$child"
    code=$?
    # Above 128 a signal ended either the child or only this wait.
    [ $code -gt 128 ] && alive || break
  done
}

launch -l
note "started $(date +%s)" "address $(hostname -I 2>/dev/null)"
watch
if [ -z "$stopping" ] && [ ! -e "$private/why" ]; then
  echo 'jnode: the login profile ended its shell; trying again without it'
  launch
  watch
fi

# What set-up lines left running. Only where this shell leads the process group, as Grid Engine starts it.
trap '' TERM
read -r rest rest rest rest group rest <"/proc/$$/stat"
[ "$group" != $$ ] || kill -TERM 0
reason= text=
[ ! -e "$private/why" ] || read -r reason text <"$private/why"
[ "$reason" != idle ] || finish idle 0 "$text"
[ ! -e "$private/limit" ] || finish time-limit 0 'it reached its soft limit of time (s_rt)'
[ -z "$stopping" ] || finish deleted 0 "ended by signal $stopping"
[ -z "$reason" ] || finish "$reason" "$((code > 0 ? code : 1))" "$text"
[ $code -ne 0 ] || [ -z "$listening" ] || finish finished 0 'Jupyter was shut down'
[ $code -gt 0 ] || finish jupyter-exited 1 'Jupyter ended before it was ready'
[ $code -gt 128 ] && finish jupyter-exited $code "Jupyter was killed by signal $((code - 128))"
finish jupyter-exited $code "Jupyter ended with exit status $code"`

/** Shell text that says which SSH host keys the host it runs on has. */

/** Where the keys come from: its SSH server has shown them, or they are in the usual files, which may belong to another server. */
export type HostKeySource = 'sshd' | 'files'

/**
 * Defines `own_host_keys`, which prints a line `hostkey TYPE KEY` for each, then `hostkeys-from SOURCE`. What sshd shows on its own
 * host counts before the files. Nobody but root can answer there in its place, unless the system lets all users have such ports.
 */
export const OWN_HOST_KEYS = `own_host_keys() {
  # Not by \`read\`: dash reads byte by byte, and of this file only the first read counts.
  low=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null)
  if [ "\${low:-1024}" -gt 22 ] && ssh-keyscan -T 2 -t ed25519,ecdsa,rsa 127.0.0.1 $(hostname -I 2>/dev/null | sed 's/ .*//') 2>/dev/null | {
    shown=
    while read -r host type key rest; do
      case $type in ssh-* | ecdsa-* | sk-*) ;; *) continue ;; esac
      case $shown in *" $key "*) continue ;; esac
      shown="$shown $key "
      echo "hostkey $type $key"
    done
    [ -n "$shown" ]
  }; then
    echo 'hostkeys-from sshd'
    return
  fi
  for file in /etc/ssh/ssh_host_*_key.pub; do
    [ -r "$file" ] && read -r type key rest <"$file" && echo "hostkey $type $key"
  done
  echo 'hostkeys-from files'
}`

#!/bin/bash
# Process 1 of a lab host: gives it its own view of the file system, starts what it runs at boot, and reaps.
# Run by hosts.ts inside fresh network, UTS, mount and PID namespaces; when it dies, the host dies with it.
# Arguments: the lab's directory, the host's name, its /home, inside|outside (of the cluster), the checkout, node.
set -eu
lab=$1 host=$2 home=$3 side=$4 checkout=$5 node=$6
own=$lab/hosts/$host
umask 022

mount -t proc proc /proc
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
hostname "$host.local"

for file in "$lab"/etc/*; do mount --bind "$file" "/etc/${file##*/}"; done
mount --bind "$own/ssh" /etc/ssh
mount --bind "$own/log" /var/log
mount --bind "$own/var-tmp" /var/tmp
mount --bind "$home" /home

# The program under test and its Node, at paths that do not depend on where the checkout lies (below /tmp, /root, ...).
mount --bind "$own/srv" /srv
mount --bind "$checkout" /srv/jnode
mount --bind "$node" /srv/bin/node

mount --bind "$own/spool" /var/spool/gridengine
if [ "$side" = inside ]; then
  mount --bind "$lab/cell" /var/lib/gridengine/default
else
  # The package is on the machine, but laptops and gateway must look as if it were not: no qsub to be found.
  for place in /usr/share/gridengine /usr/lib/gridengine /var/lib/gridengine; do mount --bind "$own/empty" "$place"; done
fi

# Last, for everything above comes from below /tmp.
mount --bind "$own/run" /run
mount --bind "$own/tmp" /tmp
cd /

mkdir -p /run/sshd
if [ -e /etc/ssh/sshd_config ]; then /usr/sbin/sshd -E /var/log/sshd.log; fi
: >/run/booted

# bash reaps the orphans it inherits while it waits; an `exec sleep` would leave them as zombies.
sleep infinity &
wait

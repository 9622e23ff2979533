#!/bin/busybox sh
# PID 1 of the guest: a layer of memory over the host's files, which come by 9p and stay as they
# are, then the command. guest.py makes /settings; whatever fails ends the guest without a verdict.
set -e
busybox=/bin/busybox
mount() { $busybox mount "$@"; }
trap '$busybox poweroff -f' EXIT
. /settings # unpacked, directory, command

for module in $($busybox cat /modules); do
    $busybox insmod "/$module"
done
$busybox mkdir /host /memory /new
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host
mount -t tmpfs memory /memory
$busybox mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /new

mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs devtmpfs /new/dev
$busybox mkdir -p /new/lib/modules
mount --bind "/new$unpacked/lib/modules" /new/lib/modules
echo "$unpacked/bin/modprobe" >/new/proc/sys/kernel/modprobe # the kernel loads what is asked for
$busybox ifconfig lo up

trap - EXIT
exec $busybox switch_root /new /bin/sh -c "
    cd '$directory'
    $command
    echo guest: exit status \$?
    '$unpacked/bin/busybox' poweroff -f"

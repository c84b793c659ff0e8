#!/bin/sh
# A systemd of its own, on an overlay of this host: boot.sh PLACE ARCHIVE DEPLOY. Run it under
#   unshare --net --mount --pid --fork --kill-child --ipc --uts --cgroup
# PLACE is an empty directory; nothing is written to the host. What systemd-nspawn puts over /proc is not here, so
# that a unit is as free and as bound as on a real host.
set -eu
place=$1 archive=$2 deploy=$3
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" overlay "$place/root"
root=$place/root
mkdir -p "$root/srv/given/deploy" "$root/srv/work" "$root/old" "$root/run" "$root/tmp" \
    "$root/etc/systemd/system"
cp "$archive" "$root/srv/given/jarvis.pyz"
cp "$deploy"/* "$root/srv/given/deploy"
# What would reach past these namespaces, to the kernel or the devices that the host shares with us.
for unit in sysctl binfmt modules-load udevd udev-trigger random-seed tmpfiles-setup-dev update-utmp; do
    ln -sf /dev/null "$root/etc/systemd/system/systemd-$unit.service"
done
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cd "$root"
pivot_root . old
umount -l /old
mount --make-rshared /
exec env -i container=jarvis-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --log-target=null --show-status=no --unit=basic.target </dev/null >/dev/null 2>&1

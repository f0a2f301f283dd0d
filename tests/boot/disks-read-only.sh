#!/bin/sh
# No disk can be written: not the whole disk, not a partition, not a partition found later by a new scan, not by mounting.
# Opening one partition leaves the other one closed. A disk that nobody opened keeps its bytes.
. "$(dirname "$0")/common"

for d in one two; do
	truncate -s 64M "$tmp/$d"
	sgdisk --clear --new=1:2048:+16M --new=2:0:+16M "$tmp/$d" >/dev/null
	mkfs.ext4 -q -F -E offset=1048576 "$tmp/$d" 16M 2>/dev/null
done
before=$(sha256sum <"$tmp/one")
start --boot kernel --append 'caisson.wait=1 caisson.shell' --disk "$tmp/one" --disk "$tmp/two" --timeout 90
wait_for 'caisson: ready' 40
saw 'disks, all read-only' || fail "not every disk starts read-only"
wait_for 's  shell' 10
say_to s
wait_for '# ' 10

n=0
try() { # WANT COMMAND: the exit status of COMMAND in the machine is WANT
	n=$((n + 1))
	say_to "$2; echo try-$n-is-\$?."
	wait_for "try-$n-is-$1." 10
}
zero='dd if=/dev/zero bs=4096 count=1 conv=fsync'
try 1 "$zero of=/dev/vda"
try 1 "$zero of=/dev/vda1"
try 0 'blockdev --setrw /dev/vda; blockdev --rereadpt /dev/vda; blockdev --setro /dev/vda'
try 1 "$zero of=/dev/vda1"
try 0 'mount -t ext4 -o ro,noload /dev/vda1 /tmp && umount /tmp'
try 1 'mount -t ext4 -o rw /dev/vda1 /tmp; touch /tmp/file'
try 0 'umount /tmp'
# The second disk shows that a partition does open once it and its disk are named, and that only this one does.
try 0 'blockdev --setrw /dev/vdb && blockdev --setrw /dev/vdb2'
try 0 "$zero of=/dev/vdb2"
try 1 "$zero of=/dev/vdb1"
say_to exit
wait_for 'p  power off' 10
say_to p
wait "$machine" || fail "status $?"
[ "$(sha256sum <"$tmp/one")" = "$before" ] || fail "the disk has changed"
pass

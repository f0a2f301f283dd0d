#!/bin/sh
# Booted over the network by BIOS, through pxelinux, the machine fetches the job of its MAC address and
# the files that belong to it, runs the job, and powers off.
. "$(dirname "$0")/common"

cp -r "$top/out/pxe" "$tmp/pxe"
job=$tmp/pxe/jobs/52-54-00-ca-15-5a
printf '[job]\ncommand = identify\nafter = power-off\n' >"$job.job"
echo site.txt >"$job.files"
echo "a file of the site" >"$tmp/pxe/jobs/site.txt"
"$vm" --boot pxe-bios --tftp "$tmp/pxe" --mac 52:54:00:ca:15:5a --log "$log" --timeout 90 || fail "status $?"
saw '(52:54:00:ca:15:5a)' || fail "the card it booted from was not found"
said 'caisson: job /run/caisson/net/52-54-00-ca-15-5a.job' || fail "its job was not fetched"
said 'caisson: fetched site.txt' || fail "the file was not fetched"
said 'caisson: exit [0-9]+' || fail "no exit status of the job"
said 'caisson: poweroff' || fail "no power-off"
pass

#!/bin/sh
# The stick boots with BIOS, its job is found and run, the stick that took its journal is write-protected again, and the machine
# powers off.
. "$(dirname "$0")/common"

stick_with_job
"$vm" --boot bios --stick "$tmp/stick.img" --log "$log" --timeout 60 || fail "status $?"
said 'caisson: ready' || fail "never ready"
said 'caisson: job /run/caisson/stick/look.job' || fail "the job was not found"
said 'caisson: exit [0-9]+' || fail "no exit status of the job"
saw '/run/caisson/stick/caisson-runs/' || fail "nothing was written to the stick"
[ "$(grep -c 'disks, all read-only' "$log")" -eq 2 ] || fail "not every disk is read-only before and after the job"
said 'caisson: poweroff' || fail "no power-off"
pass

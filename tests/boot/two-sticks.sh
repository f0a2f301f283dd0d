#!/bin/sh
# With two partitions labelled CAISSON neither is taken, no job runs, and the screen says why.
. "$(dirname "$0")/common"

stick_with_job
cp --sparse=always "$tmp/stick.img" "$tmp/other.img"
"$vm" --boot kernel --disk "$tmp/stick.img" --disk "$tmp/other.img" --log "$log" --until 'p  power off' --timeout 60 ||
	fail "status $?"
saw 'caisson: CSN-J001: there is no job: more than one partition has the label CAISSON: /dev/' || fail "it does not say so"
saw 'caisson: job' && fail "a job was run"
pass

#!/bin/sh
# With several jobs on the stick a person chooses; before that a run is looked for that was cut off, wherever jobs lie.
# shellcheck source=common
. "$(dirname "$0")/common"

mkdir -p "$tmp/stick/caisson-runs" "$tmp/stick/jobs/caisson-runs"
for job in first second; do
	printf '[job]\nname = %s\ncommand = identify\n' "$job" >"$tmp/stick/jobs/$job.job"
done
"$top/scripts/make-stick" "$tmp/stick.img" "$tmp/stick" 36 || fail "the stick cannot be made"
start --boot kernel --stick "$tmp/stick.img" --timeout 120
wait_for 'run the job second.job' 60
said 'caisson: CSN-J007: several jobs fit this server: first.job, second.job' || fail "it does not say why none runs"
said 'no run on /run/caisson/stick was cut off on this server' || fail "not looked for beside the jobs of the stick"
said 'no run on /run/caisson/stick/jobs was cut off on this server' || fail "not looked for in jobs/"
say_to p
wait "$machine" || fail "status $?"
machine=
said 'caisson: poweroff' || fail "no power-off"
pass

#!/bin/sh
# The run is cut at every moment of switch and at a sample of the others (tests/long/cut-everywhere.sh takes all): the next
# boot resumes or undoes, and the server is exactly the new one or exactly the old one.
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=cutting
. "$(dirname "$0")/cutting"

prepare
mkdir "$tmp/pristine"
server "$tmp/pristine/root"
picture "$tmp/pristine/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
fresh
cut_at run 0 && die "the counting run was cut"
[ "$status" -eq 0 ] || die "the counting run failed: $(cat "$tmp/out")"
count=$(cat "$tmp/count")
echo "the run has $count moments"
n=1
while [ "$n" -le "$count" ]; do
	fresh
	if cut_at run "$n"; then recover "$n"; else not_ok "cut $n: was not cut ($status)"; fi
	n=$((n + (count + 11) / 12))
done
# The end of the run is in one copy of the journal only: it had ended, and nobody says otherwise.
fresh
cut_at run $((count - 1)) || not_ok "the last but one: was not cut"
recover "the last but one"
check "the last but one: it had ended, upgraded" [ "$became/$(grep -c 'both copies of its journal are complete now' "$tmp/out")/$(grep -c 'CSN-' "$tmp/out")" = 0/1/0 ]

# The journal has the profile; going back needs neither it nor the package on the stick.
fresh
cut_at run $((count * 11 / 20)) || not_ok "without package: was not cut"
mkdir "$tmp/away"
mv "$tmp/stick/profiles" "$tmp/stick"/*.cpkg "$tmp/away/"
recover "where package and profile have left the stick"
check "it was undone" [ "$became" -ne 0 ]
mv "$tmp/away"/* "$tmp/stick/"
finish

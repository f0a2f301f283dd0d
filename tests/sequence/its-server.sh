#!/bin/sh
# Which server a run belongs to: the one that holds the run's folder, whatever its machine-id is. A run of another server, or of this one
# before it was put back to an earlier state, is left alone; what was begun here is undone.
# shellcheck source=common
. "$(dirname "$0")/common"

# cut_off: the run of the usual job ends behind the fence.
cut_off() {
	whole=$CAISSON CAISSON=$top/out/test-cut CAISSON_CUT=40
	export CAISSON_CUT
	caisson run "$tmp/stick/up.job" "$tmp/root"
	CAISSON=$whole
	unset CAISSON_CUT
	check "$1: cut off behind the fence" [ "$status/$(test -e "$tmp/root/etc/caisson/fence" && echo fenced)" = 137/fenced ]
}
# undone NAME: resume undoes it.
undone() {
	caisson resume "$tmp/stick/up.job" "$tmp/root"
	[ "$status" -eq 4 ] || cat "$tmp/out"
	check "$1: undone (CSN-Q005, exit 4)" [ "$status/$(grep -c '^caisson: CSN-Q005' "$tmp/out")" = 4/1 ]
	picture "$tmp/root" "$tmp/after"
	check "$1: the server is as it was" diff "$tmp/before" "$tmp/after"
}

prepare
server "$tmp/root"
: >"$tmp/root/etc/machine-id"
picture "$tmp/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
cut_off "an empty machine-id"
undone "an empty machine-id"
finish

#!/bin/sh
# The run, and the rollback after it, are cut at every journal record and every rename; the recovery of some is cut again.
# shellcheck source=../sequence/common
. "$(dirname "$0")/../sequence/common"
# shellcheck source=../sequence/cutting
. "$(dirname "$0")/../sequence/cutting"

prepare
mkdir "$tmp/pristine"
server "$tmp/pristine/root"
picture "$tmp/pristine/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg

# begin COMMAND: the server as it is before it. A rollback knows the old version by its inode, which no copy of a server keeps: it
# gets an upgrade of its own.
begin() {
	fresh
	[ "$1" != rollback ] || {
		caisson run "$tmp/stick/up.job" "$tmp/root"
		[ "$status" -eq 0 ] || die "the run before the rollback: $(cat "$tmp/out")"
	}
}
every() { # COMMAND
	begin "$1"
	cut_at "$1" 0 && die "the counting run was cut"
	[ "$status" -eq 0 ] || die "the counting run failed: $(cat "$tmp/out")"
	count=$(cat "$tmp/count")
	echo "$1 has $count moments"
	n=1
	while [ "$n" -le "$count" ]; do
		begin "$1"
		if cut_at "$1" "$n"; then
			if [ $((n % 3)) -eq 0 ] && cut_at resume 2; then recover "$1 $n, and 2 of its recovery"; else recover "$1 $n"; fi
		else
			not_ok "cut $1 $n: was not cut ($status)"
		fi
		n=$((n + 1))
	done
}
every run
every rollback
finish

#!/bin/sh
# A database that is upgraded in place: the run from its intent on, the rollback after it, and the undoing of a run that was cut off behind
# the migration, are cut at every moment; the recovery of some is cut again.
# shellcheck source=../sequence/common
. "$(dirname "$0")/../sequence/common"
# shellcheck source=../sequence/cutting
. "$(dirname "$0")/../sequence/cutting"
# shellcheck source=../sequence/in-place
. "$(dirname "$0")/../sequence/in-place"

prepare
mkdir "$tmp/pristine"
server "$tmp/pristine/root"
spread "$tmp/pristine/root"
picture "$tmp/pristine/root" "$tmp/before"
in_place_job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg yes

# begin COMMAND: the server as it is before it. A rollback knows the old program by its inode, which no copy of a server keeps.
begin() {
	fresh
	[ "$1" != rollback ] || {
		caisson run "$tmp/stick/up.job" "$tmp/root"
		[ "$status" -eq 0 ] || die "the run before the rollback: $(cat "$tmp/out")"
	}
}
every() { # COMMAND FIRST
	n=$2
	while [ "$n" -le "$count" ]; do
		begin "$1"
		if cut_at "$1" "$n"; then
			if [ $((n % 3)) -eq 0 ] && cut_at resume 9; then recover "$1 $n, and 9 of its recovery"; else recover "$1 $n"; fi
		else
			not_ok "cut $1 $n: was not cut ($status)"
		fi
		n=$((n + 1))
	done
}
counted() { # COMMAND STATUS
	begin "$1"
	cut_at "$1" 0 && die "the counting run was cut"
	[ "$status" -eq "$2" ] || die "the counting run failed: $(cat "$tmp/out")"
	count=$(cat "$tmp/count")
	echo "$1 has $count moments"
}
counted run 0
stage=$(after '.kind == "plan"')
every run "$(after '.deed == "in-place"')"
counted rollback 0
every rollback 1
fresh
cut_at run "$stage" || die "was not cut at $stage"
rm -rf "$tmp/pristine"
mkdir "$tmp/pristine"
cp -a "$tmp/root" "$tmp/backup" "$tmp/stick/caisson-runs" "$tmp/pristine/"
counted resume 4
every resume 1
finish

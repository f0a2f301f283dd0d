#!/bin/sh
# While a run is at work, another one that would use its stick, its backup or its server is refused and takes nothing away from it.
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"
server "$tmp/other"
for stick in second third; do
	mkdir "$tmp/$stick"
	cp -a "$tmp/stick/profiles" "$tmp/stick/tiny-2.0.cpkg" "$tmp/$stick/"
done
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
job "$tmp/stick/other.job" "$tmp/other" tiny-2.0.cpkg
sed -i "s,^folder = .*,folder = $tmp/backup-2," "$tmp/stick/other.job"
job "$tmp/second/other.job" "$tmp/other" tiny-2.0.cpkg
job "$tmp/third/same.job" "$tmp/root" tiny-2.0.cpkg
sed -i "s,^folder = .*,folder = $tmp/backup-3," "$tmp/third/same.job"

# refused NAME COMMAND JOB ROOT FOLDER
refused() {
	"$tiny/with-root" "$4" "$CAISSON" "$2" "$3" --trust "$pki/root.pem" >"$tmp/second.out" 2>&1
	check "$1: refused, exit 1" [ $? -eq 1 ]
	check "$1: CSN-S010 names the folder" grep -q "^caisson: CSN-S010: $5\$" "$tmp/second.out"
}
picture "$tmp/other" "$tmp/before"
caisson run "$tmp/stick/up.job" "$tmp/root" &
run=$!
until grep -q '^\[5/11\] prove: restore' "$tmp/out" 2>/dev/null; do
	kill -0 "$run" 2>/dev/null || { cat "$tmp/out"; die "the run ended too early"; }
	sleep 0.05
done
# It stands still, for as long as the others try.
inside=$(pgrep -f "^$CAISSON run $tmp/stick/up.job" | head -n 1)
kill -STOP "$inside"
refused "the same stick" resume "$tmp/stick/other.job" "$tmp/other" "$tmp/stick"
refused "the same backup" run "$tmp/second/other.job" "$tmp/other" "$tmp/backup"
refused "the same server" run "$tmp/third/same.job" "$tmp/root" "$tmp/root"
picture "$tmp/other" "$tmp/after"
check "the other server is as it was" diff "$tmp/before" "$tmp/after"
kill -CONT "$inside"
wait "$run"
check "the first run ends as if it were alone" grep -q '^result: upgraded' "$tmp/out"
check "the server has 2.0" [ "$(version "$tmp/root")" = 2.0 ]
caisson run "$tmp/second/other.job" "$tmp/other"
check "then the next may use its backup" [ "$status/$(version "$tmp/other")" = 0/2.0 ]
finish

#!/bin/sh
# An assessment that is too old is made once more, and then the run goes on; a server that keeps changing is not upgraded, and the
# reason that is given is the true one.
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"

job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg '[assessment]' 'valid-hours = 0'
caisson run "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "too old: upgraded all the same" [ "$status/$(version "$tmp/root")" = 0/2.0 ]
check "too old: assessed and rehearsed twice" [ "$(grep -c '^\[[26]/11\] .*: done in' "$tmp/out")" -eq 4 ]
check "too old: says so" grep -q 'more than 0 hours old: once more' "$tmp/out"
check "too old: the journal says so" [ "$(jq -r 'select(.kind == "stale") | .reason' "$(journal)")" = age ]
caisson rollback "$tmp/stick/up.job" "$tmp/root"
rm -rf "$tmp/stick/caisson-runs"

# Somebody is at it: each time the rehearsal begins.
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
picture "$tmp/root" "$tmp/before"
(
	seen=0
	while [ "$seen" -lt 2 ]; do
		now=$(grep -c '^\[6/11\] rehearse: [^dF]' "$tmp/out")
		if [ "$now" -gt "$seen" ]; then
			seen=$now
			touch -d "2022-02-02 0$seen:00:00" "$tmp/root/etc/tiny.conf"
		fi
		sleep 0.2
	done
) &
somebody=$!
: >"$tmp/out"
caisson run "$tmp/stick/up.job" "$tmp/root"
kill "$somebody" 2>/dev/null
wait
check "changing: exit 1" [ "$status" -eq 1 ]
check "changing: once more, because of the path" grep -q '^/etc/tiny.conf has changed since the assessment: once more' "$tmp/out"
check "changing: CSN-Q007 names the path" grep -q '^caisson: CSN-Q007: /etc/tiny.conf has changed again' "$tmp/out"
picture "$tmp/root" "$tmp/after"
sed -i '/^\.\/etc\/tiny\.conf /d' "$tmp/before" "$tmp/after"
check "changing: nothing else is" diff "$tmp/before" "$tmp/after"
finish

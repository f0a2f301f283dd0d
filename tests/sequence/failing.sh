#!/bin/sh
# Upgrades that fail: in the rehearsal, forced past it in stage, and in verify. Each time the server is exactly as before.
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"
picture "$tmp/root" "$tmp/before"
# shellcheck disable=SC2317 # called by name
same() { picture "$tmp/root" "$tmp/after" && diff "$tmp/before" "$tmp/after"; }
ends() { # WHAT WANTED-STATUS WANTED-CODE WANTED-RESULT
	if [ "$status" -ne "$2" ]; then cat "$tmp/out"; fi
	check "$1: exit $2" [ "$status" -eq "$2" ]
	check "$1: $3" grep -q "^caisson: $3:" "$tmp/out"
	check "$1: the journal ends with $4" [ "$(tail -n 1 "$(journal)" | jq -r .kind)/$(jq -r 'select(.kind == "run-end") | .result' "$(journal)")" = "run-end/$4" ]
	check "$1: the server is as before" same
	rm -rf "$tmp/stick/caisson-runs" "$tmp/root/var/lib/caisson"
}

job "$tmp/stick/up.job" "$tmp/root" tiny-2.0-broken.cpkg
caisson run "$tmp/stick/up.job" "$tmp/root"
ends "a migration fails in the rehearsal" 1 CSN-Q002 stopped

job "$tmp/stick/up.job" "$tmp/root" tiny-2.0-broken.cpkg '[rehearsal]' 'force = yes'
caisson run "$tmp/stick/up.job" "$tmp/root"
ends "forced past it, it fails in stage" 4 CSN-Q005 rolled-back

job "$tmp/stick/up.job" "$tmp/root" tiny-2.0-broken-verify.cpkg '[rehearsal]' 'force = yes'
caisson run "$tmp/stick/up.job" "$tmp/root"
ends "forced past it, it fails in verify" 4 CSN-Q004 rolled-back

pack 2.0-broken-orphans 1.0 2.0
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0-broken-orphans.cpkg
caisson run "$tmp/stick/up.job" "$tmp/root"
check "more orphans than before are named" grep -q '1 rows are orphans by \[orphans pages\] (pages whose author is gone), 0 before the upgrade; the first is 7' "$tmp/out"
ends "more orphans than before in the rehearsal" 1 CSN-Q002 stopped

# The package makes authors of writers; the job expects something else of them.
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg '[rehearsal]' 'force = yes' '[roles]' 'writer = king'
caisson run "$tmp/stick/up.job" "$tmp/root"
check "a role that does not become what the job says is named" grep -q '^caisson: CSN-Q004:.*"writer" should have become "king", which 0 users have' "$tmp/out"
ends "a role that does not become what the job says" 4 CSN-Q004 rolled-back
finish

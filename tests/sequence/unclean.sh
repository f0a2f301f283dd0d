#!/bin/sh
# A server that lost power: its cluster was never shut down, and its postmaster.pid names a process. The assessment recovers a copy and says
# so; with the job's word the copy is upgraded, and going back gives the old cluster exactly as the power cut left it.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root" --unclean
cluster=$tmp/root/var/lib/postgresql/15/main
# In a closed room there is a process of that number.
printf '3\n/var/lib/postgresql/15/main\n1700000000\n5432\n/run/postgresql\nlocalhost\n' >"$cluster/postmaster.pid"
chown 5432:5432 "$cluster/postmaster.pid"
chmod 600 "$cluster/postmaster.pid"
picture "$tmp/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
caisson assess "$tmp/stick/up.job" "$tmp/root"
check "without the job's word it is refused" [ "$status" -eq 1 ]
check "by its code" grep -q 'CSN-D002' "$tmp/out"
check "and it is said that it recovers" grep -q 'on a copy it recovers, and all of it can be read' "$tmp/out"
rm -r "$tmp/stick/caisson-runs"
printf '[database]\nrecover = yes\n' >>"$tmp/stick/up.job"
caisson run "$tmp/stick/up.job" "$tmp/root"
if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
check "with it the run ends with 0" [ "$status" -eq 0 ]
check "the server has 2.0" [ "$(version "$tmp/root")" = 2.0 ]
check "the assessment tells it" grep -q 'remark database: .*the old cluster stays as it is' "$tmp/out"
check "the proof counted rows" [ "$(jq -r 'select(.kind == "proof") | .rows > 0' "$(journal)")" = true ]
check "the rehearsed rollback was equal" [ "$(jq -r 'select(.kind == "rehearsal") | .equal_after_rollback' "$(journal)")" = true ]
for postgres in /usr/lib/postgresql/*/bin/pg_controldata; do :; done
state() { LC_ALL=C "$postgres" "$1" | sed -n 's/^Database cluster state: *//p'; }
check "the new cluster is shut down in order" [ "$(state "$cluster")" = "shut down" ]
check "and has no postmaster.pid" [ ! -e "$cluster/postmaster.pid" ]
check "the old one is as it was" [ "$(state "$tmp/root"/var/lib/postgresql/15/.caisson-*/main)" = "in production" ]
caisson rollback "$tmp/stick/up.job" "$tmp/root"
if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
check "rollback ends with 0" [ "$status" -eq 0 ]
picture "$tmp/root" "$tmp/after"
check "every tree is as the power cut left it" diff "$tmp/before" "$tmp/after"

# A cluster that does not recover: its WAL is gone.
server "$tmp/lost" --unclean
find "$tmp/lost/var/lib/postgresql/15/main/pg_wal" -type f -delete
picture "$tmp/lost" "$tmp/before"
job "$tmp/stick/lost.job" "$tmp/lost" tiny-2.0.cpkg
printf '[database]\nrecover = yes\n' >>"$tmp/stick/lost.job"
caisson run "$tmp/stick/lost.job" "$tmp/lost"
check "a cluster that does not recover is refused" [ "$status" -eq 1 ]
check "by its code, and why" grep -q 'CSN-D002.*\|on a copy it does not recover' "$tmp/out"
check "with the server's words" grep -qi 'checkpoint' "$tmp/out"
picture "$tmp/lost" "$tmp/after"
check "and nothing is changed" diff "$tmp/before" "$tmp/after"
finish

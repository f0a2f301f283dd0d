#!/bin/sh
# Installing without a backup, and going back: what the old version cannot bring back is named, and nobody says that it is as before.
# shellcheck disable=SC2016 # scripts for an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"
files=$tmp/root/srv/tiny/files
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
# record FILTER: of the newest run's record.
record() { jq -r "select(.kind == \"attachments-lost\") | $1" "$(journal)"; }

picture "$tmp/root" "$tmp/before"
time=$(stat -c %y "$tmp/root/var/lib")
caisson install "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "installed" [ "$status/$(version "$tmp/root")" = 0/2.0 ]
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "nothing was done to the attachments: as it was before" grep -q '^the server is as it was before' "$tmp/out"
check "the journal says that none is lost" [ "$(record '"\(.lost) \(.added)"')" = '0 0' ]
picture "$tmp/root" "$tmp/after"
check "and it is" diff "$tmp/before" "$tmp/after"
check "the folder in which ours was made has its time" [ "$(stat -c %y "$tmp/root/var/lib")/$(ls "$tmp/root/var/lib/caisson")" = "$time/runs" ]
rm -rf "$tmp/stick/caisson-runs" "$tmp/root/var/lib/caisson" "$tmp/backup"

# Configuration that no switch exchanged stays as people edited it since, and is named.
caisson install "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
echo 'edited = since' >>"$tmp/root/etc/tiny.conf"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "edited configuration: the old version is back" [ "$status/$(version "$tmp/root")" = 0/1.0 ]
check "edited configuration: not as it was before" grep -q '^the old version is back; what people changed or added since and stays is named above; going back' "$tmp/out"
check "edited configuration: the console names it" grep -qx '    /etc/tiny.conf' "$tmp/out"
check "edited configuration: it stays" grep -qx 'edited = since' "$tmp/root/etc/tiny.conf"
report=$(dirname "$(journal)")/report.html
check "edited configuration: the report names it" grep -q '<code>etc/tiny.conf</code>' "$report"
check "edited configuration: the report does not say as before" sh -c '! grep -q "the server is as before" "$1"' sh "$report"
rm -rf "$tmp/stick/caisson-runs" "$tmp/root/var/lib/caisson" "$tmp/backup"

caisson install "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
echo 'written over' >"$files/2023/01/1.txt"
rm -r "$files/odd" "$files/2023/01/2.txt"
chmod 600 "$files/2023/01/4.txt"
echo 'added' >"$files/2023/01/9.txt"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "the old version is back" [ "$status/$(version "$tmp/root")" = 0/1.0 ]
check "not as it was before" grep -q '^the old version is back, the attachments are not all as they were; going back took' "$tmp/out"
check "not as it was before, nowhere" sh -c '! grep -q "as it was before" "$1"' sh "$tmp/out"
for path in odd 2023/01/1.txt 2023/01/2.txt 2023/01/4.txt; do
	check "the console names $path" grep -qx "    /srv/tiny/files/$path" "$tmp/out"
done
check "the journal names them" [ "$(record '"\(.lost) \(.added): \(.lost_paths | sort | join(" ")); \(.added_paths[0])"')" = \
	'4 1: srv/tiny/files/2023/01/1.txt srv/tiny/files/2023/01/2.txt srv/tiny/files/2023/01/4.txt srv/tiny/files/odd; srv/tiny/files/2023/01/9.txt' ]
report=$(dirname "$(journal)")/report.html
check "the report names them" grep -q '<code>srv/tiny/files/2023/01/2.txt</code>' "$report"
check "the report does not say as before" sh -c '! grep -q "the server is as before" "$1"' sh "$report"
check "the journal says that no configuration was edited since" [ "$(jq -r 'select(.kind == "configuration-since") | .changed' "$(journal)")" = 0 ]
check "what is there is as people left it" [ "$(cat "$files/2023/01/1.txt" "$files/2023/01/9.txt" | tr '\n' ' ')" = 'written over added ' ]
finish

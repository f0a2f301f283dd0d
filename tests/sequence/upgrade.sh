#!/bin/sh
# A tiny server goes from 1.0 to 2.0 by all eleven steps; then a rollback brings back exactly what was there.
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"
picture "$tmp/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
caisson run "$tmp/stick/up.job" "$tmp/root"
if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
check "run ends with 0" [ "$status" -eq 0 ]
check "the server has 2.0" [ "$(version "$tmp/root")" = 2.0 ]
check "all eleven steps were done" [ "$(grep -cE '^\[[0-9]+/11\] .*: done in' "$tmp/out")" -eq 11 ]
check "each step says what it read and wrote" [ "$(jq -s '[.[] | select(.kind == "step-end" and .read_bytes > 0 and .written_bytes > 0)] | length' "$(journal)")" -eq 11 ]
kept=$(echo "$tmp"/root/opt/.caisson-*)
check "the old version is kept, and root's alone" [ "$(stat -c %a/%u "$kept")/$(cat "$kept/tiny/VERSION")" = 700/0/1.0 ]
check "nothing empty is left beside" [ -z "$(find "$tmp/root" -name '.caisson-*' -empty)" ]
check "the fence is down" [ ! -e "$tmp/root/etc/caisson" ]
check "the site's file was carried over" cmp -s "$tmp/root/opt/tiny/templates/footer.html" "$kept/tiny/templates/footer.html"
check "what the site keeps was carried over" [ -e "$tmp/root/opt/tiny/theme.css" ]
check "nobody's file stayed in the old tree" [ ! -e "$tmp/root/opt/tiny/notes.txt" ]
check "the journal's chain holds on the stick" chain_holds "$(journal)"
check "the server has the same journal" cmp -s "$(journal)" "$tmp"/root/var/lib/caisson/runs/*/journal.jsonl
check "there is a report" [ -s "$(dirname "$(journal)")/report.html" ]
check "the rehearsed rollback is in the journal" [ "$(jq -r 'select(.kind == "rehearsal") | .equal_after_rollback' "$(journal)")" = true ]
check "the proof counted rows" [ "$(jq -r 'select(.kind == "proof") | .rows > 0' "$(journal)")" = true ]
orphans() { jq -c "select(.kind == \"$1\") | [.orphans[] | [.name, .count, .examples[0].row]]" "$(journal)"; }
check "orphans were counted before" [ "$(orphans assessment)" = '[["pages",0,null],["files",9,"2023/01/1.txt"]]' ]
check "and are as many after" [ "$(orphans orphans-after)" = "$(orphans assessment)" ]
check "and the report has them" [ "$(jq -c '.orphans.items[1] | [.before, .after, .title]' "$(dirname "$(journal)")/report.json")" = '[9,9,"files of no page"]' ]
check "attachments were counted both ways" [ "$(jq -c 'select(.kind == "attachments-after") | [.files, .rows, .duplicates, .missing, .unknown]' "$(journal)")" = '[17,9,0,0,8]' ]
check "no scratch is left" [ -z "$(find "$tmp/backup" -maxdepth 1 -name 'caisson-*')" ]

# A second run has nothing to do.
caisson run "$tmp/stick/up.job" "$tmp/root"
check "the same job again: nothing to upgrade (1, CSN-K006)" [ "$status" -eq 1 ]
check "and it says so" grep -q 'CSN-K006' "$tmp/out"

# People work with it: they replace attachments, take some away, and add some.
files=$tmp/root/srv/tiny/files
echo 'written over' >"$files/2023/01/1.txt"
echo 'replaced' >"$files/2023/01/new" && mv "$files/2023/01/new" "$files/2023/01/scan.bin"
rm -r "$files/odd" "$files/2023/01/2.txt"
mv "$files/2023/01/3.txt" "$files/2023/01/renamed.txt"
chmod 600 "$files/2023/01/4.txt"
echo 'added' >"$files/2023/01/9.txt"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
check "rollback ends with 0" [ "$status" -eq 0 ]
check "the attachments people added are there" [ "$(cat "$files/2023/01/9.txt" "$files/2023/01/renamed.txt" | tr '\n' ' ')" = 'added attachment 3 ' ]
check "the journal tells them" [ "$(jq -r 'select(.kind == "attachments-back") | .added' "$(find "$tmp/stick/caisson-runs" -name journal.jsonl | sort | head -n 1)")" -eq 2 ]
rm "$files/2023/01/9.txt" "$files/2023/01/renamed.txt"
touch -d '2023-04-05 06:07:08.123456789' "$files/2023/01"
picture "$tmp/root" "$tmp/after"
check "every tree is as it was" diff "$tmp/before" "$tmp/after"
check "what people did is in the backup" [ "$(jq -r 'select(.kind == "work-kept") | .snapshot | length' "$(find "$tmp/stick/caisson-runs" -name journal.jsonl | sort | head -n 1)")" = 64 ]
caisson rollback "$tmp/stick/up.job" "$tmp/root"
check "a second rollback has nothing to do (CSN-L004)" grep -q CSN-L004 "$tmp/out"

# For a machine: the journal as it is written.
timeout -k 5 300 "$tiny/with-root" "$tmp/root" "$CAISSON" assess "$tmp/stick/up.job" --trust "$pki/root.pem" --json >"$tmp/records" 2>"$tmp/out"
check "assess --json: stdout is the journal" cmp "$tmp/records" "$(journal)"
check "assess --json: a person reads the rest" grep -q '2/11. assess: done' "$tmp/out"

caisson run "$tmp/stick/up.job" "$tmp/root"
check "and it can be upgraded again" [ "$status/$(version "$tmp/root")" = 0/2.0 ]
finish

#!/bin/sh
# The backup is encrypted to the site's key, which is not there: the sequence proves it, finds what it has stored before, and goes back
# after people's work, with the key of the server alone. The site's key brings it back, with age, too; the stick without a key tells nothing.
# shellcheck disable=SC2016 # scripts for an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"
files=$tmp/root/srv/tiny/files
key=$tmp/root/var/lib/caisson/backup.key
age-keygen -o "$tmp/site.key" 2>/dev/null
recipient=$(age-keygen -y "$tmp/site.key")
age-keygen -o "$tmp/other.key" 2>/dev/null
picture "$tmp/root" "$tmp/before"

job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
sed -i "s/^\[backup\]/&\nrecipients = $recipient/" "$tmp/stick/up.job"
caisson run "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "upgraded" [ "$status/$(version "$tmp/root")" = 0/2.0 ]
repository=$(jq -r 'select(.kind == "snapshot") | .repository' "$(journal)")
first=$(jq -r 'select(.kind == "snapshot") | .id' "$(journal)")
check "the backup was proven" [ "$(jq -r 'select(.kind == "proof") | .snapshot' "$(journal)")" = "$first" ]
check "every pack and snapshot is a file of age" [ -z "$(find "$repository/packs" "$repository/snapshots" -type f ! -name '*.age')" ]
check "the server has its key, for root alone" [ "$(stat -c '%a %u' "$key")" = '600 0' ]
check "the key is nowhere else" [ -z "$(grep -rl AGE-SECRET-KEY-1 "$tmp/stick" "$tmp/backup")" ]
check "not in the journal" [ -z "$(grep -l AGE-SECRET-KEY "$(journal)" "$tmp/out")" ]
# Names, ids, and contents that the thief knows.
chunk=$(sha256sum <"$files/2023/01/1.txt" | cut -d' ' -f1)
check "the repository says nothing of what is inside" [ -z "$(grep -rlaE "2023/01|tiny\.conf|$chunk" "$repository")" ]

"$CAISSON" snapshots --repository "$repository" >"$tmp/out" 2>&1
check "without a key: CSN-R010" grep -q '^caisson: CSN-R010:' "$tmp/out"
"$CAISSON" snapshots --repository "$repository" --identity "$tmp/other.key" >"$tmp/out" 2>&1
check "with another key: nothing can be read" [ -z "$(grep "$(echo "$first" | cut -c 1-16)" "$tmp/out")" ]
"$CAISSON" verify --repository "$repository" --all --identity "$tmp/site.key" >"$tmp/out" 2>&1 || cat "$tmp/out"
check "the site's key verifies all" grep -q 'damages: 0' "$tmp/out"
mkdir "$tmp/back"
sh "$repository/restore.sh" --identity "$tmp/site.key" "$first" "$tmp/back" >"$tmp/out" 2>&1 || cat "$tmp/out"
check "age, zstd and jq bring it back" cmp -s "$tmp/back/srv/tiny/files/2023/01/1.txt" "$files/2023/01/1.txt"

# After people's work: what they did is backed up first, attachments come back, and nothing is stored twice.
was=$(cat "$files/2023/01/1.txt")
echo 'written over' >"$files/2023/01/1.txt"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "rolled back with the server's key" [ "$status/$(version "$tmp/root")" = 0/1.0 ]
check "the attachment is as it was" [ "$(cat "$files/2023/01/1.txt")" = "$was" ]
check "the second backup stored little" [ "$(jq -rs 'map(select(.kind == "snapshot")) | .[1].chunks_new * 2 < .[1].chunks' "$(journal)")" = true ]

# Others than the job names must not read along, and none may be missing.
picture "$tmp/root" "$tmp/stood"
add=$(age-keygen -y "$tmp/other.key")
for recipients in "$add" "$recipient, $add"; do
	rm -rf "$tmp/stick/caisson-runs"
	sed -i "s/^recipients = .*/recipients = $recipients/" "$tmp/stick/up.job"
	caisson run "$tmp/stick/up.job" "$tmp/root"
	picture "$tmp/root" "$tmp/after"
	check "for others than the job names: CSN-R011" [ "$status/$(sed -n 's/^caisson: \(CSN-[A-Z0-9]*\):.*/\1/p' "$tmp/out")" = 1/CSN-R011 ]
	check "for others than the job names: nothing changed" diff "$tmp/stood" "$tmp/after"
done
sed -i "s/^recipients = .*/recipients = age1nonsense/" "$tmp/stick/up.job"
caisson run "$tmp/stick/up.job" "$tmp/root"
check "no recipient: CSN-J005" [ "$status/$(sed -n 's/^caisson: \(CSN-[A-Z0-9]*\):.*/\1/p' "$tmp/out")" = 2/CSN-J005 ]
finish

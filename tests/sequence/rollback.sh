#!/bin/sh
# Going back after people have worked with the new version: whatever they did to it, the old version comes back and their work is
# kept; where that cannot be done, it is refused before anything is promised.
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
# tiny 2.0 with a migration that writes to the configuration, so that it is exchanged, too; and a folder where attachments will lie.
cp -R "$tmp/vendor/release-2.0" "$tmp/vendor/release-2.0-writes"
awk '/^\[check pages\]/ {
	print "[migration 30-configuration]\nkind = program\nuser = root\ncommand = echo added = by 2.0 >>/etc/tiny.conf\n"
} { print }' "$tmp/vendor/release-2.0/package.ini" >"$tmp/vendor/release-2.0-writes/package.ini"
mkdir -p "$tmp/vendor/tree-2.0/files/empty"
echo 'of the vendor' >"$tmp/vendor/tree-2.0/files/index.html"
pack 2.0-writes 1.0 2.0
pack 3.0 2.0 3.0
sed -i 's,^paths = /srv/tiny/files$,paths = /opt/tiny/files,' "$tmp/stick/profiles/tiny.profile"

server "$tmp/root"
mv "$tmp/root/srv/tiny/files" "$tmp/root/opt/tiny/files"
# The upgrade moves the attachments; their folder's content is what counts here.
touch -d '2023-04-05 06:07:08' "$tmp/root/opt/tiny/files"
picture "$tmp/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0-writes.cpkg
caisson run "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "upgraded" [ "$status/$(version "$tmp/root")" = 0/2.0 ]
check "the vendor's folder gave way to the attachments" [ ! -e "$tmp/root/opt/tiny/files/index.html" ]
# refused NAME CODE WORDS: the last rollback was, and the server is as it stood; the fence is down and no journal speaks of going back.
refused() {
	picture "$tmp/root" "$tmp/after"
	check "$1: refused ($2)" [ "$status/$(sed -n 's/^caisson: \(CSN-[A-Z0-9]*\):.*/\1/p' "$tmp/out")" = "1/$2" ]
	check "$1: says which" grep -q "^caisson: $2: .*$3" "$tmp/out"
	check "$1: the server is as it stood" diff "$tmp/stood" "$tmp/after"
	check "$1: not fenced" [ ! -e "$tmp/root/etc/caisson" ]
	check "$1: nothing was promised" [ -z "$(cat "$tmp"/stick/caisson-runs/*/journal.jsonl "$tmp"/root/var/lib/caisson/runs/*/journal.jsonl | grep '"rollback-asked"')" ]
}

# The old version was removed by hand to make room; so was the old configuration, and later copied back.
kept=$(basename "$tmp"/stick/caisson-runs/*)
mv "$tmp/root/opt/.caisson-$kept/tiny" "$tmp/taken"
picture "$tmp/root" "$tmp/stood"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
refused "the old version is gone" CSN-Q008 "/opt/.caisson-$kept/tiny"
mv "$tmp/taken" "$tmp/root/opt/.caisson-$kept/tiny"
mv "$tmp/root/etc/.caisson-$kept/tiny.conf" "$tmp/taken"
cp "$tmp/taken" "$tmp/root/etc/.caisson-$kept/tiny.conf"
picture "$tmp/root" "$tmp/stood"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
refused "the old configuration was replaced" CSN-Q008 "/etc/.caisson-$kept/tiny.conf"
mv "$tmp/taken" "$tmp/root/etc/.caisson-$kept/tiny.conf"

# There is no place for the work since: known before anything is promised, too.
mv "$tmp/backup" "$tmp/away"
: >"$tmp/backup"
picture "$tmp/root" "$tmp/stood"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
status=1 # which error it is, the machine decides
refused "no place for the work since" "$(sed -n 's/^caisson: \(CSN-[A-Z0-9]*\):.*/\1/p' "$tmp/out")" "$tmp/backup"
rm "$tmp/backup"
mv "$tmp/away" "$tmp/backup"

# Another stick goes on to 3.0. The first stick's run is not the newest any more.
mkdir "$tmp/second"
cp -a "$tmp/stick/profiles" "$tmp"/stick/*.cpkg "$tmp/second/"
job "$tmp/second/on.job" "$tmp/root" tiny-3.0.cpkg
caisson run "$tmp/second/on.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "a second stick goes on to 3.0" [ "$status/$(version "$tmp/root")" = 0/3.0 ]
second=$(basename "$tmp"/second/caisson-runs/*)
mv "$tmp/root/opt/.caisson-$second/tiny" "$tmp/taken"
picture "$tmp/root" "$tmp/stood"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
refused "the newest run's old version is gone" CSN-Q008 "/opt/.caisson-$second/tiny"
check "it says why it took that one" grep -q "run $kept is not the newest" "$tmp/out"
mv "$tmp/taken" "$tmp/root/opt/.caisson-$second/tiny"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "the first stick goes back from the newest run" [ "$status/$(version "$tmp/root")" = 0/2.0 ]

# An editor saves by renaming, and somebody brings the program in from elsewhere: the names lead to other inodes now.
sed -i 's/^title = .*/title = Edited since/' "$tmp/root/etc/tiny.conf"
cp -a "$tmp/root/opt/tiny" "$tmp/root/opt/tiny.copy"
rm -rf "$tmp/root/opt/tiny"
mv "$tmp/root/opt/tiny.copy" "$tmp/root/opt/tiny"
attachment=$(find "$tmp/root/opt/tiny/files" -type f | sort | head -n 1)
echo 'by people with 2.0' >"$attachment"
for postgres in /usr/lib/postgresql/*/bin/postgres; do :; done
printf '%s\n' "INSERT INTO page SELECT id + 900000, title, body, author, lang, words FROM page ORDER BY id LIMIT 2" 'CREATE TABLE ours (n int)' 'INSERT INTO ours VALUES (1)' |
	"$tiny/with-root" "$tmp/root" chroot --userspec=5432:5432 --groups= "$tmp/root" "$postgres" --single -D /var/lib/postgresql/15/main \
		-c config_file=/etc/postgresql/15/main/postgresql.conf -c dynamic_shared_memory_type=mmap tiny >"$tmp/log" 2>&1 || cat "$tmp/log"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "replaced since: then from its own" [ "$status/$(version "$tmp/root")" = 0/1.0 ]
# What people have done since is theirs: the times of folders in which they worked.
picture "$tmp/root" "$tmp/after"
sed -i '/^\.\/\(opt\|etc\) d /d' "$tmp/before" "$tmp/after"
check "replaced since: every tree is as it was" diff "$tmp/before" "$tmp/after"
journal=$tmp/stick/caisson-runs/$kept/journal.jsonl
check "replaced since: tables with new rows are named" [ "$(jq -c 'select(.kind == "work-rows") | [.differ, (.tables[] | .name, .now - .before)]' "$journal")" = '[2,"public.ours",1,"public.page",2]' ]
check "replaced since: on the screen, too" grep -q 'since the upgrade: public.ours has 1 rows, it had 0' "$tmp/out"
check "replaced since: the report names them" grep -q '<bdi>public.page</bdi>' "$tmp/stick/caisson-runs/$kept/report.html"
snapshot=$(jq -r 'select(.kind == "work-kept") | .snapshot' "$tmp/stick/caisson-runs/$kept/journal.jsonl")
mkdir "$tmp/work"
"$CAISSON" restore --repository "$tmp/backup/repository" --target "$tmp/work" "$snapshot" >"$tmp/log" 2>&1 || cat "$tmp/log"
check "replaced since: what was edited is in the backup" grep -q '^title = Edited since$' "$tmp/work/etc/tiny.conf"

# All goes on with the old version; then another stick boots, and the server's copy of the journal lacks its end.
sed -i '/"kind":"rollback-begin"/,$d' "$tmp/root/var/lib/caisson/runs/$kept/journal.jsonl"
echo 'by people with 1.0, since' >"$attachment"
mkdir "$tmp/third"
cp -a "$tmp/stick/profiles" "$tmp/stick/up.job" "$tmp"/stick/*.cpkg "$tmp/third/"
caisson resume "$tmp/third/up.job" "$tmp/root"
[ "$status" -eq 4 ] || cat "$tmp/out"
check "gone back before, another stick: ended once more" [ "$status/$(version "$tmp/root")/$(ls -A "$tmp/root/etc/caisson" "$tmp/root/opt/.caisson-$kept" 2>/dev/null)" = 4/1.0/ ]
check "gone back before, another stick: attachments stay as people made them since" grep -qx 'by people with 1.0, since' "$attachment"
finish

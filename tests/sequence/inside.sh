#!/bin/sh
# Attachments inside the program tree go along at the switch and come back; and so they do where the program tree and the
# configuration are reached by links. A migration changes the configuration: the old one must come back, too.
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
# tiny 2.0 with a migration that writes to the configuration, by the name the application knows.
cp -R "$tmp/vendor/release-2.0" "$tmp/vendor/release-2.0-writes"
awk '/^\[check pages\]/ {
	print "[migration 30-configuration]\nkind = program\nuser = root\ncommand = echo added = by 2.0 >>/etc/tiny.conf\n"
	print "[check durable]\nkind = sql\nwhen = stage\nquery = SELECT current_setting($$fsync$$)\nequals = on\n"
} { print }' "$tmp/vendor/release-2.0/package.ini" >"$tmp/vendor/release-2.0-writes/package.ini"
pack 2.0-writes 1.0 2.0
sed -i 's,^paths = /srv/tiny/files$,paths = /opt/tiny/files,' "$tmp/stick/profiles/tiny.profile"
check "the profile's attachments are inside" grep -q '^paths = /opt/tiny/files$' "$tmp/stick/profiles/tiny.profile"

# whole_way WHAT: up and back.
whole_way() {
	echo 'fsync = off' >>"$tmp/root/etc/postgresql/15/main/postgresql.conf"
	sum=$(cd "$tmp/root/opt/tiny/files" && find 2023 -type f -exec sha256sum {} + | sort)
	picture "$tmp/root" "$tmp/before"
	job "$tmp/stick/up.job" "$tmp/root" tiny-2.0-writes.cpkg
	caisson run "$tmp/stick/up.job" "$tmp/root"
	if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
	check "$1: run ends with 0" [ "$status" -eq 0 ]
	check "$1: the server has 2.0" [ "$(version "$tmp/root")" = 2.0 ]
	check "$1: the rehearsed rollback held" [ "$(jq -r 'select(.kind == "rehearsal") | .equal_after_rollback' "$(journal)")" = true ]
	check "$1: the attachments went along" [ "$(cd "$tmp/root/opt/tiny/files" && find 2023 -type f -exec sha256sum {} + | sort)" = "$sum" ]
	check "$1: the migration's configuration is in force" grep -q '^added = by 2.0$' "$tmp/root/${config:-etc/tiny.conf}"
	caisson rollback "$tmp/stick/up.job" "$tmp/root"
	if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
	check "$1: rollback ends with 0" [ "$status" -eq 0 ]
	picture "$tmp/root" "$tmp/after"
	check "$1: every tree is as it was" diff "$tmp/before" "$tmp/after"
}

server "$tmp/root"
mv "$tmp/root/srv/tiny/files" "$tmp/root/opt/tiny/files"
whole_way "inside"

# The program tree, the configuration and more attachments by links, some of them absolute, and of the database a folder.
sed -i 's,^paths = /opt/tiny/files$,paths = /opt/tiny/files\, /srv/app/upload,' "$tmp/stick/profiles/tiny.profile"
rm -rf "$tmp/root" "$tmp/stick/caisson-runs" "$tmp/backup"
server "$tmp/root"
mv "$tmp/root/opt/tiny" "$tmp/root/opt/tiny-1.0"
ln -s tiny-1.0 "$tmp/root/opt/tiny"
mv "$tmp/root/srv/tiny/files" "$tmp/root/opt/tiny-1.0/files"
mkdir "$tmp/root/srv/site"
mv "$tmp/root/etc/tiny.conf" "$tmp/root/srv/site/tiny.conf"
ln -s /srv/site/tiny.conf "$tmp/root/etc/tiny.conf"
mkdir "$tmp/root/srv/wal"
data=$tmp/root/var/lib/postgresql/15/main
mv "$data/pg_wal" "$tmp/root/srv/wal/15"
ln -s wal "$tmp/root/srv/wal-link"
ln -s /srv/wal-link/15 "$data/pg_wal"
mkdir -p "$tmp/root/data/app" "$tmp/root/store/upload/deep"
ln -s /data/app "$tmp/root/srv/app"
ln -s ../../store/upload "$tmp/root/data/app/upload"
echo 'far away' >"$tmp/root/store/upload/deep/file"
config=srv/site/tiny.conf
whole_way "links"
snapshot=$(jq -r 'select(.kind == "proof") | .snapshot' "$(journal)")
mkdir "$tmp/work"
"$CAISSON" restore --repository "$tmp/backup/repository" --target "$tmp/work" "$snapshot" >"$tmp/log" 2>&1 || cat "$tmp/log"
check "links: what lies behind them is in the backup" [ "$(cat "$tmp/work/store/upload/deep/file")" = 'far away' ]
for link in srv/app data/app/upload opt/tiny etc/tiny.conf srv/wal-link; do
	check "links: so is $link itself" [ "$(readlink "$tmp/work/$link")" = "$(readlink "$tmp/root/$link")" ]
done
check "links: and nothing that merely has such a name" [ ! -L "$tmp/work/data/app" ]

# A link that leads to where nothing is backed up has to be accepted.
mkdir "$tmp/root/srv/else"
ln -s /srv/else "$tmp/root/store/upload/deep/out"
picture "$tmp/root" "$tmp/before"
caisson run "$tmp/stick/up.job" "$tmp/root"
check "links: one that leads out is a warning" grep -q '^caisson: CSN-A002: .*links-outside.*/store/upload/deep/out to /srv/else' "$tmp/out"
picture "$tmp/root" "$tmp/after"
check "links: one that leads out: nothing changed" [ "$status/$(diff "$tmp/before" "$tmp/after")" = 1/ ]
finish

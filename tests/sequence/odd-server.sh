#!/bin/sh
# A server as sites really have them: programs, data and configuration over links, folders that the site moved away, owners, ACLs,
# attributes, what the application makes by itself, other starters. It goes to 2.0 with all of that, and exactly back.
# shellcheck disable=SC2016 # scripts for an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

prepare
server "$tmp/root"
root=$tmp/root
app=$root/opt/tiny-1.0
# The cluster holds what others need.
for postgres in /usr/lib/postgresql/*/bin/postgres; do :; done
# single DATABASE STATEMENT...: in the cluster, while nothing runs.
single() {
	database=$1
	shift
	printf '%s\n' "$@" | "$tiny/with-root" "$root" chroot --userspec=5432:5432 --groups= "$root" "$postgres" --single -D /var/lib/postgresql/15/main \
		-c config_file=/etc/postgresql/15/main/postgresql.conf -c dynamic_shared_memory_type=mmap "$database" >"$tmp/log" 2>&1 ||
		die "the cluster: $(cat "$tmp/log")"
}
single postgres 'CREATE DATABASE ledger' 'CREATE TABLE note (text text)' "SELECT pg_create_physical_replication_slot('far')"
(
	set -e
	cd "$root"
	# Programs and data in other places, by absolute and by relative links.
	mv opt/tiny opt/tiny-1.0
	ln -s tiny-1.0 opt/tiny
	mkdir data
	mv var/lib/postgresql data/pg
	ln -s ../../data/pg var/lib/postgresql
	mv etc/postgresql data/pgconf
	ln -s /data/pgconf etc/postgresql
	# Configuration inside of the tree, one of it a link out of it.
	mkdir "$app/conf"
	mv etc/tiny.conf "$app/conf/tiny.conf"
	echo 'old = yes' >etc/more.conf
	ln -s ../../../etc/more.conf "$app/conf/more.conf"
	# Attachments in the tree, where the vendor ships a folder, and over a link in it.
	mkdir "$app/own" srv/more srv/more/of
	echo 'mine' >"$app/own/mine.txt"
	echo 'more' >srv/more/of/more.txt
	ln -s /srv/more "$app/data"
	# Folders of the vendor's that the site moved away and links to.
	mv "$app/templates" srv/templates
	ln -s /srv/templates "$app/templates"
	mv "$app/help/en" srv/help-en
	ln -s ../../../srv/help-en "$app/help/en"
	# Owners, modes, ACLs, capabilities and attributes of the site's.
	chmod 751 "$app"
	chown -R 33:33 "$app/help/zh"
	chown 4242:33 "$app/bin/tinyd"
	chmod 640 "$app/help/zh/2.txt"
	setfacl -m u:4:rx "$app" "$app/lib/queries"
	setfattr -n user.mine -v yes "$app/VERSION" "$app/bin"
	setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 "$app/bin/tinyd"
	# What the application made by itself, in a folder that it could not make.
	mkdir -m 770 "$app/work"
	echo '<%' >"$app/work/page.jsp"
	chown -R 33:4 "$app/work"
	# It is archived.
	printf "ARCHIVE_MODE = on\narchive_command = 'false'\nprimary_conninfo = ''\n" >>data/pgconf/15/main/postgresql.conf
	# What else starts it.
	echo '5 5 * * * root cd /opt/tiny && ./bin/tidy' >etc/crontab
	find . -path ./usr -prune -o -newermt '2026-01-01' -exec touch -h -d '2024-05-06 07:08:09.123456789' {} +
)
sed -e 's,^paths = /etc/tiny.conf,paths = /opt/tiny/conf/tiny.conf\, /opt/tiny/conf/more.conf\, /etc/none.conf,' \
	-e 's,^paths = /srv/tiny/files,&\, /opt/tiny/own\, /opt/tiny/data/of,' -e 's,^\[database\],[generated]\npaths = work\n\n[database],' "$tiny/tiny.profile" >"$tmp/stick/profiles/tiny.profile"
# The vendor names no owner: it is that of the tree which is there. What it asks before everything is asked of the old version.
cp -R "$tmp/vendor/release-2.0" "$tmp/vendor/release-odd"
{
	sed -e '/^\[tree\]/,/^$/d' -e '/^\[roles\]/,/^$/d' "$tmp/vendor/release-2.0/package.ini"
	printf '\n[roles]\nwriter = author\n* = *\n'
	printf '\n[check asked]\nkind = command\nwhen = assess\ncommand = cat VERSION\nmatch = ^1\\.0\n'
} >"$tmp/vendor/release-odd/package.ini"
for version in 1.0 2.0; do
	mkdir "$tmp/vendor/tree-$version/own"
	echo "Here will be files. ($version)" >"$tmp/vendor/tree-$version/own/readme"
done
pack odd 1.0 2.0
picture "$root" "$tmp/before"

job "$tmp/stick/up.job" "$root" tiny-odd.cpkg
caisson run "$tmp/stick/up.job" "$root"
check "what is not accepted stops it (CSN-A002)" [ "$status/$(grep -c '^caisson: CSN-A002' "$tmp/out")" = 1/1 ]
check "a starter that goes over a link is found" grep -q 'warning fence: cron (/etc/crontab) uses the application' "$tmp/out"
check "folders that the site replaced are one finding" grep -q 'warning replaced-folders: 2 folders .*: help/en, templates$' "$tmp/out"
check "a path of the profile that is not there is named" grep -q 'remark profile-paths: .*/etc/none.conf is not there' "$tmp/out"
check "another database is named" grep -q 'warning other-databases: .*/data/pg/15/main holds 2 other databases.* too: ledger, postgres$' "$tmp/out"
check "archive and slot are named" grep -q 'warning replication: .*(archive_mode, replication slot far)' "$tmp/out"
check "nothing generated is nobody's" sh -c '! grep "unknown-executables" "$1"' sh "$tmp/out"
check "the package's command was asked" grep -q '  check asked: passed: 1.0$' "$tmp/out"
picture "$root" "$tmp/after"
check "nothing was changed" diff "$tmp/before" "$tmp/after"

job "$tmp/stick/up.job" "$root" tiny-odd.cpkg '[accept]' 'warnings = fence, replaced-folders, links-outside, other-databases, replication'
caisson run "$tmp/stick/up.job" "$root"
if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
check "run ends with 0" [ "$status" -eq 0 ]
check "the link stays, and leads to 2.0" [ "$(readlink "$root/opt/tiny")/$(version "$root")" = tiny-1.0/2.0 ]
check "the data's links stay" [ "$(readlink "$root/var/lib/postgresql") $(readlink "$root/etc/postgresql")" = "../../data/pg /data/pgconf" ]
check "configuration inside of the tree is there" [ "$(readlink "$app/conf/more.conf")$(sed -n 's/^plug = //p' "$app/conf/tiny.conf")" = ../../../etc/more.conftiny_plug_0 ]
check "the site's links are there" [ "$(readlink "$app/templates") $(readlink "$app/help/en")" = "/srv/templates ../../../srv/help-en" ]
check "nothing behind them is lost" [ -e "$root/srv/templates/mail/welcome.txt" ] && [ -e "$root/srv/help-en/1.txt" ]
check "attachments in the tree are there" [ "$(cat "$app/own/mine.txt")/$(ls "$app/own")" = mine/mine.txt ]
check "attachments over a link in the tree stay behind it" [ "$(readlink "$app/data")/$(cat "$root/srv/more/of/more.txt")" = /srv/more/more ]
owner() { stat -c '%a %u:%g' "$app/$1"; }
check "the tree's mode is the site's" [ "$(owner .)" = '751 0:0' ]
check "owners and modes stay" [ "$(owner help/zh), $(owner help/zh/1.txt), $(owner help/zh/2.txt), $(owner bin/tinyd)" = '755 33:33, 644 33:33, 640 33:33, 755 4242:33' ]
check "what is new belongs to the tree's owner" [ "$(owner bin/count-words)" = '755 0:0' ]
check "ACLs stay" sh -c 'getfacl -cn "$1" "$1/lib/queries" 2>/dev/null | grep -c "^user:4:r-x" | grep -qx 2' sh "$app"
check "attributes stay" [ "$(cd "$app" && getfattr --only-values -n user.mine VERSION bin 2>/dev/null)" = yesyes ]
check "capabilities stay" sh -c 'getfattr -d -m - "$1" 2>/dev/null | grep -q security.capability' sh "$app/bin/tinyd"
check "a generated folder is there, empty" [ "$(owner work)/$(ls "$app/work")" = '770 33:4/' ]

caisson rollback "$tmp/stick/up.job" "$root"
if [ "$status" -ne 0 ]; then cat "$tmp/out"; fi
check "rollback ends with 0" [ "$status" -eq 0 ]
picture "$root" "$tmp/after"
check "everything is as it was" diff "$tmp/before" "$tmp/after"

# A cluster need not have the database "postgres", or let anybody into it.
single template1 'ALTER DATABASE postgres ALLOW_CONNECTIONS false'
caisson assess "$tmp/stick/up.job" "$root"
check "nobody may connect to postgres" [ "$status/$(grep -c 'holds 1 other databases.* too: ledger (acc' "$tmp/out")" = 0/1 ]
single template1 'DROP DATABASE postgres'
caisson assess "$tmp/stick/up.job" "$root"
check "there is no postgres" [ "$status/$(grep -c 'holds 1 other databases.* too: ledger (acc' "$tmp/out")" = 0/1 ]

# Folders in which nothing can be renamed, where the file system has such a thing.
if chattr +i "$root/opt" 2>/dev/null; then
	caisson run "$tmp/stick/up.job" "$root"
	check "a folder that chattr closed is named before anything (CSN-A001)" grep -q '^caisson: CSN-A001: .* /opt is set immutable' "$tmp/out"
	chattr -i "$root/opt"
fi
finish

#!/bin/sh
# What the database itself says: a schema that an earlier upgrade left half migrated, a migration that says it went well and did not, and
# users who come out with somebody else's roles.
# shellcheck disable=SC2086 # $system is a word, or none
# shellcheck disable=SC2016 # scripts for sed and an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

root=$tmp/root stick=$tmp/stick up=$tmp/stick/up.job
prepare
server "$root"
picture "$root" "$tmp/before"
for postgres in /usr/lib/postgresql/*/bin/postgres; do :; done
# single STATEMENT...: in the database of the application, while nothing runs; $system -O: also what is the server's own.
system=
single() {
	printf '%s\n' "$@" | "$tiny/with-root" "$root" chroot --userspec=5432:5432 --groups= "$root" "$postgres" --single $system -D /var/lib/postgresql/15/main \
		-c config_file=/etc/postgresql/15/main/postgresql.conf -c dynamic_shared_memory_type=mmap tiny >"$tmp/log" 2>&1 ||
		die "the cluster: $(cat "$tmp/log")"
}
# variant NAME SED-SCRIPT [SQL]: the package 1.0 -> 2.0 with another package.ini, and more at the end of its SQL.
variant() {
	cp -R "$tmp/vendor/release-2.0" "$tmp/vendor/release-$1"
	sed "$2" "$tmp/vendor/release-2.0/package.ini" >"$tmp/vendor/release-$1/package.ini"
	[ -z "${3-}" ] || printf '%s\n' "$3" >>"$tmp/vendor/release-$1/migrations/10-schema.sql"
	pack "$1" 1.0 2.0
}
forget() { rm -rf "$stick/caisson-runs" "$tmp/backup" "$root/var/lib/caisson"; }

# --- all goes well: the record tells how many were compared
job "$up" "$root" tiny-2.0.cpkg
caisson run "$up" "$root"
check "an upgrade with a schema and users' roles" [ "$status" -eq 0 ]
check "each user's roles were compared" [ "$(jq -r 'select(.kind == "user-roles-after" and .step == "verify") | .compared > 1' "$(journal)")" = true ]
check "with those before" [ "$(jq -r 'select(.kind == "user-roles") | .pairs' "$(journal)")" -gt 1 ]
report() { jq -r "$1" "$(dirname "$(journal)")/report.json"; }
check "the screen has each role with its users and the map's line" grep -q '^  role writer: [0-9]* users, becomes author (tiny: writer = author)$' "$tmp/out"
check "the report, too" [ "$(report '.roles.items[] | select(.role == "writer") | "\(.becomes) \(.lines[0].package) \(.users_before == .users_after)"')" = 'author tiny true' ]
check "the matrix: all users hold" [ "$(report '.user_roles | "\(.holds) \(.wrong)"')" = 'true 0' ]
check "all are in a group" [ "$(report '.user_roles | .users == ([.groups[].users] | add)')" = true ]
check "named are those whose roles changed" [ "$(report '[.user_roles.items[] | .before != .after and .expected == .after] | unique | tostring')" = '[true]' ]
check "the page has them, in both languages" [ "$(grep -c 'Users and their roles.*用户及其角色' "$(dirname "$(journal)")/report.html")" = 1 ]
check "sizes before and after" [ "$(report '.sizes | .before.database_bytes > 1000000 and .after.database_bytes > 1000000 and .growth_bytes == .after.database_bytes - .before.database_bytes')" = true ]
check "of each table" [ "$(report '[.sizes.items[] | select(.name == "public.page") | .before.bytes > 0 and .after.bytes > 0] | tostring')" = '[true]' ]
check "a cluster at rest has no connections" [ "$(report '.sizes.before.server + " " + (.sizes.before | has("connections") | tostring)')" = 'cold false' ]
check "the report is within its schema's parts" [ "$(jq -r --slurpfile report "$(dirname "$(journal)")/report.json" '($report[0] | keys) - (.properties | keys) | length' "$top/tools/report/report.schema.json")" = 0 ]
caisson rollback "$up" "$root"
check "and back" [ "$status" -eq 0 ]
forget
picture "$root" "$tmp/before"

# --- users change places: as many writers as before, but others
variant swapped '' "UPDATE member SET role = CASE role WHEN 'admin' THEN 'reader' ELSE 'admin' END
	WHERE login IN ((SELECT min(login) FROM member WHERE role = 'admin'), (SELECT min(login) FROM member WHERE role = 'reader'));"
job "$up" "$root" tiny-swapped.cpkg '[rehearsal]' 'force = yes'
caisson run "$up" "$root"
check "users with each other's roles: rolled back" [ "$status" -eq 4 ]
check "the report names them, with what they have" [ "$(report '.user_roles | "\(.holds) \(.wrong) \([.items[0:2][] | .holds])"')" = 'false 2 [false,false]' ]
check "the first is named" grep -q '^caisson: CSN-Q004:.* roles that users should have after the upgrade are missing, the first is ' "$tmp/out"
picture "$root" "$tmp/after"
check "the server is as before" diff "$tmp/before" "$tmp/after"
forget
# --- a user gets one more: counts of that role alone do not tell
variant more '' "INSERT INTO member SELECT 1000, 'intruder', 'admin';"
job "$up" "$root" tiny-more.cpkg
caisson run "$up" "$root"
check "a user with a role that he should not have: stopped in the rehearsal" [ "$status" -eq 1 ]
check "he is named" grep -q 'that they should not have, the first is intruder: "admin"' "$tmp/out"
picture "$root" "$tmp/after"
check "the server is as before, too" diff "$tmp/before" "$tmp/after"
forget

# --- sizes that cannot be told stop nothing
system=-O single 'ALTER VIEW pg_catalog.pg_stats RENAME TO no_stats'
picture "$root" "$tmp/before"
job "$up" "$root" tiny-2.0.cpkg
caisson run "$up" "$root"
check "the server does not tell its sizes: upgraded all the same" [ "$status" -eq 0 ]
check "a remark says so before" grep -q "^  remark sizes: the sizes of the database's tables are not known: .*pg_stats" "$tmp/out"
check "and the report after" [ "$(report '.sizes.after.unknown | test("pg_stats")')" = true ]
caisson rollback "$up" "$root"
check "and back from there" [ "$status" -eq 0 ]
forget
system=-O single 'ALTER VIEW pg_catalog.no_stats RENAME TO pg_stats'
picture "$root" "$tmp/before"

# --- a migration that ends well and has done half of it
variant half 's/^command = bin\/count-words/command = true/; /^\[check pages\]/,/^$/d; s/^after = 3/after = 4/'
job "$up" "$root" tiny-half.cpkg
caisson run "$up" "$root"
check "a migration that did not do what it said" [ "$status" -eq 1 ]
check "the database tells" grep -q 'the database says that its schema is "3", not "4"' "$tmp/out"
picture "$root" "$tmp/after"
check "the server is as before, after that" diff "$tmp/before" "$tmp/after"
forget

# --- what an earlier upgrade, not ours, has left half done
single 'ALTER TABLE page ADD COLUMN lang text'
picture "$root" "$tmp/before"
job "$up" "$root" tiny-2.0.cpkg
caisson run "$up" "$root"
refused "a half-migrated schema" 1 CSN-A007 'its schema is "1"' 'half migrated'
forget
single 'ALTER TABLE page ADD COLUMN words integer' 'ALTER TABLE member RENAME COLUMN name TO login'
picture "$root" "$tmp/before"
caisson run "$up" "$root"
refused "a schema of the new version under the old program" 1 CSN-A007 'as after the upgrade to 2.0'
finish

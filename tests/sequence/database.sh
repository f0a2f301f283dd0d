#!/bin/sh
# What the database itself says: a schema that an earlier upgrade left half migrated, a migration that says it went well and did not, and
# users who come out with somebody else's roles.
# shellcheck disable=SC2016 # scripts for sed and an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

root=$tmp/root stick=$tmp/stick up=$tmp/stick/up.job
prepare
server "$root"
picture "$root" "$tmp/before"
for postgres in /usr/lib/postgresql/*/bin/postgres; do :; done
# single STATEMENT...: in the database of the application, while nothing runs.
single() {
	printf '%s\n' "$@" | "$tiny/with-root" "$root" chroot --userspec=5432:5432 --groups= "$root" "$postgres" --single -D /var/lib/postgresql/15/main \
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

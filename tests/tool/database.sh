#!/bin/sh
# database.sh: `caisson database backup` of a real server that works meanwhile: restored with public tools and started, it has every row;
# and what it says where it cannot.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=database-server
. "$top/tests/tool/database-server"
owner mkdir -m 700 space
start data
sql -c "ALTER ROLE owner PASSWORD 'horse'" -c "CREATE ROLE copier LOGIN REPLICATION PASSWORD 'staple'" \
	-c "CREATE ROLE nobody LOGIN PASSWORD 'staple'" -c "CREATE DATABASE wiki" -c "CREATE TABLESPACE beside LOCATION '$work/server/space'" postgres
sql -c 'CREATE TABLE page AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, 200000) n' \
	-c 'CREATE TABLE far TABLESPACE beside AS SELECT n AS id FROM generate_series(1, 1000) n' -c 'VACUUM (FREEZE)' wiki
echo staple >password
echo wrong >wrong
age-keygen -o site.key 2>/dev/null
run repository init repository --recipient "$(age-keygen -y site.key)"
database() { run database backup --repository repository --key own.key --host localhost --port "$port" --user copier --password-file password --root-certificate root.pem "$@"; }

database --label first --json
check "a running server" [ "$status" -eq 0 ]
check "each file was compared with its manifest" [ "$(jq .manifest_checked said)" = true ]
first=$(jq -r .snapshot said)
identifier=$(jq -r .system_identifier said)
check "it is that cluster" [ "$identifier" = "$(sql -c 'SELECT system_identifier FROM pg_control_system()' postgres)" ]
check "no password is said" sh -c '! grep -q staple said'
stored=$(jq .bytes_stored said)
sql -c "UPDATE page SET body = 'changed' WHERE id = 7" wiki
database --json
check "again" [ "$status" -eq 0 ]
check "what did not change is not stored again" [ "$(jq .bytes_stored said)" -lt $((stored / 4)) ]
run snapshots --repository repository --identity site.key --json
check "the snapshot says which cluster it is" [ "$(jq -r '.snapshots[0].tags["system-identifier"]' said)" = "$identifier" ]
run verify --repository repository --identity site.key --all
check "verify" [ "$status" -eq 0 ]

# --- with people at work, and then back with public tools alone
sql -c 'CREATE TABLE counted (n bigint)' wiki
(while [ ! -e stop-writing ]; do sql -c 'INSERT INTO counted SELECT count(*) FROM counted' -c 'UPDATE page SET body = md5(body) WHERE id % 1000 = 3' wiki || break; done) &
writer=$!
database
check "while people work" [ "$status" -eq 0 ]
busy=$(sed -n 's/^snapshot \([0-9a-f]*\)$/\1/p' said)
touch stop-writing
wait $writer
mkdir restored
sh repository/restore.sh --identity site.key "$busy" restored >said 2>&1
check "restore.sh brings it back" [ $? -eq 0 ]
mv restored/postgresql server/back
[ -z "$as" ] || chown -R postgres server/back
if [ -x "$binaries/pg_verifybackup" ]; then
	check "pg_verifybackup agrees" owner "$binaries/pg_verifybackup" -n -s -i pg_tblspc back/data
fi
sed -i "s,^\([0-9]*\) .*,\1 $work/server/back/tablespaces/\1," server/back/data/tablespace_map
mkdir server/socket
[ -z "$as" ] || chown postgres server/socket
start back/data "-c listen_addresses= -c unix_socket_directories=$work/server/socket"
restored() { owner "$binaries/psql" -XAtq -h "$work/server/socket" -p "$port" -U owner "$@"; }
check "it starts, with every page" [ "$(restored -c 'SELECT count(*), count(DISTINCT id) FROM page' wiki)" = "200000|200000" ]
check "and the tablespace" [ "$(restored -c 'SELECT sum(id) FROM far' wiki)" = 500500 ]
check "what was written is whole up to a moment" [ "$(restored -c 'SELECT count(*) = coalesce(max(n) + 1, 0) FROM counted' wiki)" = t ]

# --- and the proof: restored, started, read
if [ "$(id -u)" = 0 ]; then
	mkdir scratch
	prove() { run database prove --repository repository --identity site.key --scratch scratch --user owner "$@"; }
	prove --snapshot "$busy" --json
	check "the backup is proven" [ "$status" -eq 0 ]
	counted=$(restored -c 'SELECT count(*) FROM counted' wiki)
	check "every row was read" [ "$(jq '.rows' said)" -ge $((201000 + counted)) ]
	check "amcheck looked at all" [ "$(jq '.indexes_checked > 300 and .tables_checked > 100 and .damaged == 0' said)" = true ]
	check "nothing is left of it" [ -z "$(ls scratch)" ]
	prove
	check "the latest" grep -q '^amcheck: ' said
	mkdir -p empty/usr empty/etc empty/var/lib empty/proc empty/dev empty/run empty/tmp empty/sys
	prove --programs "$work/empty"
	refused "no PostgreSQL of its version" 1 CSN-D006
	check "nothing is left of that" [ -z "$(ls scratch)" ]
	# One whose WAL is not there does not recover: made by hand, as no server gives such a backup.
	mkdir -p hand/proc hand/dev hand/var/lib
	cp -a server/back hand/postgresql
	find hand/postgresql/data/pg_wal -type f -delete
	find hand/postgresql/data/pg_tblspc -type l -delete
	cp "$CAISSON" hand/caisson
	by_hand() { unshare --mount sh -c 'mount -t proc proc hand/proc && exec chroot hand /caisson "$@"' sh "$@" >said 2>&1; }
	by_hand repository init /repository
	by_hand backup --repository /repository --tag database=base-backup /postgresql
	run database prove --repository hand/repository --scratch scratch --user owner
	refused "one that does not recover" 1 CSN-D003
	check "with the server's words" grep -q 'checkpoint record' said
	check "nothing is left of that, either" [ -z "$(ls scratch)" ]
fi
stop back/data immediate

# --- what it says where it cannot; nothing is made then
before=$(find repository/snapshots -type f | sort)
refuse() { # NAME EXIT CODE WORDS OPTION...
	name=$1 exit=$2 code=$3 words=$4
	shift 4
	run database backup --repository repository --key own.key --host localhost --port "$port" "$@"
	refused "$name" "$exit" "$code"
	check "$name: it says what" grep -qF -- "$words" said
}
refuse "a wrong password" 1 CSN-D011 'the password is wrong' --user copier --password-file wrong --root-certificate root.pem
refuse "no password" 1 CSN-D011 'it asks for a password' --user copier --root-certificate root.pem
refuse "a role without the right" 1 CSN-D016 'the role has not the rights' --user nobody --password-file password --root-certificate root.pem
refuse "another root" 1 CSN-D010 'does not lead to one of the given roots' --user copier --password-file password --root-certificate other.pem
refuse "no root" 2 CSN-U001 '--root-certificate' --user copier --password-file password
refuse "in the clear" 1 CSN-D016 'no encryption' --user copier --password-file password --tls none
refuse "a mode that is none" 2 CSN-U001 '"prefer"' --user copier --password-file password --tls prefer
run database backup --repository repository --key own.key --host localhost --port 1 --user copier --password-file password --root-certificate root.pem
refused "nobody there" 1 CSN-D009
run database backup --repository nowhere --key own.key --host localhost --port "$port" --user copier --password-file password --root-certificate root.pem
refused "no repository" 2 CSN-R001
run database restore --repository repository --host localhost --user copier
refused "another word" 2 CSN-U001
check "none of these has made a snapshot" [ "$(find repository/snapshots -type f | sort)" = "$before" ]
[ -n "$first" ] || failed=1

# --- a database copied beside itself, migrated there, exchanged, and back
beside() { what=$1; shift; run database "$what" --host "$work/server" --port "$port" --user owner --name wiki "$@"; }
digest() { sql -c 'SELECT count(*), md5(string_agg(page::text, chr(10) ORDER BY id)) FROM page' wiki; }
old=$(digest)
beside switch
refused "no copy to exchange" 2 CSN-U001
sql -c 'SELECT pg_sleep(20)' wiki >/dev/null 2>&1 &
sleeper=$!
sleep 0.5
beside copy --wait-sec 1
refused "a copy while somebody is in it" 1 CSN-D014
check "who it is is said" grep -q '1 sessions use the database wiki: process .*, owner, psql from' said
check "and he goes on" kill -0 $sleeper
beside copy --wait-sec 1 --end-sessions
check "a copy, with the word to end them" [ "$status" -eq 0 ]
wait $sleeper
sql -c 'ALTER TABLE page ADD COLUMN lang text' -c 'DELETE FROM page WHERE id > 10' wiki-new-caisson
beside switch
check "it is exchanged" [ "$status" -eq 0 ]
check "people see the new one" [ "$(sql -c 'SELECT count(lang), count(*) FROM page' wiki)" = "0|10" ]
beside copy
refused "a copy of what is exchanged" 2 CSN-U001
beside back
check "and back" [ "$status" -eq 0 ]
check "as it was" [ "$(digest)" = "$old" ]
beside switch
refused "a copy that is older than what people write" 1 CSN-D014
beside drop
check "the copy goes" [ "$status/$(sql -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'wiki-%'" postgres)" = 0/0 ]
sql -c 'ALTER DATABASE wiki ALLOW_CONNECTIONS false' postgres
beside drop
check "a copy that was cut off leaves it closed: drop opens it" [ "$(digest)" = "$old" ]
beside copy
beside switch
beside drop
refused "the old one goes only where it is meant" 2 CSN-U001
beside drop --old
check "the old one goes where it is" [ "$status/$(sql -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'wiki-%'" postgres)" = 0/0 ]
run database copy --host "$work/server" --port "$port" --user owner
refused "no name" 2 CSN-U001
run database backup --host "$work/server" --port "$port" --user owner
refused "no repository named" 2 CSN-U001
run database backup --repository repository --host localhost --port "$port" --user copier --password-file horse --root-certificate root.pem
refused "a password for its file's name" 2 CSN-S005
check "is not repeated" sh -c '! grep -q horse said'

# --- how large it is, and who is there
sizes() { run database sizes --host localhost --port "$port" --user owner --password-file horse-file --root-certificate root.pem "$@"; }
echo horse >horse-file
sql -c 'CREATE TABLE unseen WITH (autovacuum_enabled = off) AS SELECT 1 AS n' wiki # nobody looks at it by himself meanwhile
sizes --name wiki --json
check "without statistics nothing is said of bloat" [ "$status/$(jq '.items[] | select(.name == "public.unseen") | has("bloat_bytes")' said)" = 0/false ]
sql -c 'ANALYZE' wiki
sizes --name wiki --json
check "sizes of a database" [ "$status/$(jq -r '.items[] | select(.name == "public.page") | (.table_bytes > 10000000) and .bloat_by == "estimate"' said)" = 0/true ]
check "nobody else is there" [ "$(jq -c .connections said)" = '[]' ]
sql -c 'CREATE EXTENSION pgstattuple' wiki
(sleep 5 | PGAPPNAME='a client' sql wiki) &
client=$!
for _ in $(seq 50); do [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a client'" postgres)" = 0 ] || break; sleep 0.1; done
sizes --name wiki
check "sizes in words, by pgstattuple" grep -q '^  public.page: .* dead rows [0-9]*; bloat .* (pgstattuple)$' said
check "and who is connected" grep -q '^  1: idle, application "a client", from local$' said
kill $client 2>/dev/null
sizes
refused "sizes of no database" 2 CSN-U001
sizes --name nowhere
refused "of one that is not there" 1 CSN-D011

# --- killed in the middle: no snapshot, and the next one is whole
sql -c 'CREATE TABLE large AS SELECT n AS id, repeat(md5(n::text), 30) AS body FROM generate_series(1, 100000) n' wiki
for delay in 0.1 0.3 0.6; do
	"$CAISSON" database backup --repository repository --key own.key --host localhost --port "$port" --user copier --password-file password \
		--root-certificate root.pem >/dev/null 2>&1 &
	child=$!
	sleep $delay
	kill -9 $child 2>/dev/null
	wait $child 2>/dev/null
	run verify --repository repository --identity site.key
	check "killed after $delay s: the repository is whole" [ "$status" -eq 0 ]
done
database
check "and the next backup comes through" [ "$status" -eq 0 ]
check "no slot is left at the server" [ "$(for _ in $(seq 50); do n=$(sql -c 'SELECT count(*) FROM pg_replication_slots' postgres); [ "$n" != 0 ] || break; sleep 0.1; done; echo "$n")" = 0 ]
exit $failed

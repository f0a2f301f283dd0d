#!/bin/sh
# database-dump.sh: `caisson database backup --logical` of a real server that gives no replication: all of it comes back in another server by
# pg_restore and psql; and what it says where it cannot, or where something dies meanwhile.
# shellcheck disable=SC2016,SC2317 # SQL has dollars of its own; functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=database-server
. "$top/tests/tool/database-server"

openssl req -newkey rsa:2048 -keyout client.key -passout pass:hunter -out client.csr -subj /CN=certified 2>/dev/null
openssl x509 -req -in client.csr -CA root.pem -CAkey server/key.pem -CAcreateserial -out client.pem -days 30 2>/dev/null
chmod 600 client.key
cat >>server/data/postgresql.conf <<-END2
	ssl_ca_file = '$work/server/certificate.pem'
	log_connections = on
	max_wal_senders = 0
	wal_level = minimal
END2
printf '%s\n' 'local all owner trust' 'hostssl all certified all scram-sha-256 clientcert=verify-ca' 'hostssl all all all scram-sha-256' >server/data/pg_hba.conf
start data
# Names as people have given them: with what a connection string, a shell, a path or a file name takes for something else.
odd='a=b'
path='x/../二 %41'
quoted="it's \"quoted\" \\ so"
dashed='-Fp'
sql -c "ALTER ROLE owner PASSWORD 'horse'" -c "CREATE ROLE dumper LOGIN PASSWORD 'staple it'' \\ '; GRANT pg_read_all_data TO dumper" \
	-c "CREATE ROLE certified LOGIN PASSWORD 'staple'; GRANT pg_read_all_data TO certified" -c "CREATE ROLE nobody LOGIN PASSWORD 'staple'" \
	-c "CREATE ROLE \"editor's\"; GRANT \"editor's\" TO nobody; ALTER ROLE nobody SET work_mem = '7MB'" postgres
for name in wiki "$odd" "$path" "$quoted" "$dashed" shut; do
	owner "$binaries/createdb" -h "$work/server" -p "$port" -U owner -- "$name"
done
sql -c "CREATE ROLE keeper LOGIN PASSWORD 'staple'; ALTER DATABASE \"$odd\" OWNER TO keeper" postgres
sql -c "ALTER DATABASE shut ALLOW_CONNECTIONS false; ALTER DATABASE wiki SET statement_timeout = '1ms'" postgres
# in NAME STATEMENT...: by the socket of the first server, or of the second.
in_server() {
	folder=$1 user=$2 base=$3
	shift 3
	PGDATABASE="$base" PGOPTIONS='-c statement_timeout=0' "$binaries/psql" -XAtq -v ON_ERROR_STOP=1 -h "$work/server/$folder" -p "$port" -U "$user" "$@"
}
in_server . owner wiki -c 'CREATE TABLE page AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, 100000) n' \
	-c 'ALTER TABLE page ADD PRIMARY KEY (id); ALTER TABLE page OWNER TO nobody' -c 'CREATE SEQUENCE counter; SELECT setval('"'counter'"', 77)' \
	-c 'CREATE SCHEMA "Odd Schema"; CREATE TABLE "Odd Schema"."T able" (a timestamptz DEFAULT now(), b numeric, c bytea)' \
	-c "INSERT INTO \"Odd Schema\".\"T able\" VALUES (now(), 1.50, '\\\\x00ff'), (NULL, NULL, NULL)" \
	-c "SELECT lo_from_bytea(n, decode(repeat(md5(n::text), 5000), 'hex')) FROM generate_series(5000, 5009) n" \
	-c 'DO $$ BEGIN FOR i IN 5000..5009 LOOP EXECUTE format($f$GRANT SELECT ON LARGE OBJECT %s TO dumper, certified$f$, i); END LOOP; END $$' >/dev/null
for name in "$odd" "$path" "$quoted" "$dashed" postgres; do
	in_server . owner "$name" -c 'CREATE TABLE kept (name text)' -c 'INSERT INTO kept SELECT current_database()' -c 'GRANT SELECT ON kept TO PUBLIC'
done
echo "staple it' \\ " >password
echo staple >staple
echo horse >horse
echo wrong >wrong
echo hunter >key-password
age-keygen -o site.key 2>/dev/null
run repository init repository --recipient "$(age-keygen -y site.key)"
dump() { run database backup --logical --repository repository --key own.key --host localhost --port "$port" --root-certificate root.pem "$@"; }
dumper() { dump --user dumper --password-file password "$@"; }

# --- a base backup is refused, and says what else there is
run database backup --repository repository --key own.key --host localhost --port "$port" --root-certificate root.pem --user dumper --password-file password
refused "no replication" 1 CSN-D016
check "the way out is named" grep -q 'caisson database backup --logical' said

# --- a role that may only read
dumper --json
check "every database is dumped" [ "$status" -eq 0 ]
check "by its name" [ "$(jq -r '.databases | sort | join(";")' said)" = "$(printf '%s\n' postgres template1 wiki "$odd" "$path" "$quoted" "$dashed" | LC_ALL=C sort | paste -sd ';')" ]
check "what was closed is named" [ "$(jq -c '.left_out' said)" = '["shut","template0"]' ]
check "pg_dump has no remarks" [ "$(jq -c .remarks said)" = '[]' ]
check "over TLS, each of them" [ "$(grep -c 'user=dumper database=.* application_name=caisson SSL enabled (protocol=TLSv1.3' server/log)" -ge 9 ]
check "and nobody otherwise" sh -c '! grep "user=dumper" server/log | grep authorized | grep -qv "SSL enabled"'
stored=$(jq .bytes_stored said)
dumper --json
check "again" [ "$status" -eq 0 ]
check "what did not change is not stored again" [ "$(jq .bytes_stored said)" -lt $((stored / 4)) ]
run snapshots --repository repository --identity site.key --json
check "the snapshot says that it is a dump" [ "$(jq -r '.snapshots[0].tags | .database + " " + .pg_dump' said | cut -d . -f 1)" = 'logical-dump 17' ]

# --- back in another server, with all rights and passwords, by the superuser's dump
dump --user owner --password-file horse --label whole
check "as a superuser" [ "$status" -eq 0 ]
check "of what is closed a person is told" grep -q 'accepts no connections: shut' said
whole=$(snapshot)
mkdir back
run restore --repository repository --identity site.key --target back "$whole"
check "the files come back" [ "$status" -eq 0 ]
files=$work/back/postgresql-dump
check "of each its own" [ "$(find "$files" -type f | wc -l)" -eq 8 ]
check "nobody else may read them" [ "$(find "$files" -perm /077 | wc -l)" -eq 0 ]
owner "$binaries/initdb" -D second --no-sync -U second --auth=trust >/dev/null
owner mkdir -m 700 socket
printf '%s\n' "port = $port" "listen_addresses = ''" "unix_socket_directories = '$work/server/socket'" "fsync = off" >>server/second/postgresql.conf
start second
check "psql takes the roles" in_server socket second postgres -f "$files/globals.sql"
"$CAISSON" pg_restore --create --file=quoted.sql "$files/it's %22quoted%22 %5C so.dump"
check "and SQL that pg_restore has made" in_server socket second postgres -f quoted.sql
for file in "$files"/*.dump; do
	case $file in
	*/postgres.dump | */template1.dump) where=$(basename "$file" .dump) create= ;;
	*quoted*) continue ;;
	*) where=postgres create=--create ;;
	esac
	check "pg_restore takes $(basename "$file")" "$CAISSON" pg_restore --exit-on-error ${create:+--create} --dbname="$where" --host="$work/server/socket" --port="$port" --username=second "$file"
done
contents() { # of a server: every row of every table, large objects, sequences, settings, roles
	in_server "$1" "$2" postgres -c 'SELECT rolname, rolpassword, rolsuper, rolcanlogin, rolconfig FROM pg_authid LEFT JOIN pg_db_role_setting ON setrole = pg_authid.oid AND setdatabase = 0 CROSS JOIN LATERAL (SELECT setconfig AS rolconfig) s WHERE rolname NOT LIKE '"'pg\\_%'"' AND rolname <> '"'second'"' ORDER BY 1'
	for each in wiki "$odd" "$path" "$quoted" "$dashed" postgres; do
		echo "== $each"
		in_server "$1" "$2" "$each" <<-'END3'
			SELECT format('SELECT %L, %L, count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM %s t', c.oid::regclass, relowner::regrole, c.oid::regclass)
				FROM pg_class c WHERE relkind = 'r' AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') ORDER BY c.oid::regclass::text COLLATE "C" \gexec
			SELECT loid, pageno, md5(data) FROM pg_largeobject ORDER BY 1, 2;
			SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2;
			SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database();
		END3
	done
}
contents . owner >first-server
contents socket second >second-server
check "every row is there" cmp first-server second-server
check "and they were some" [ "$(grep -c . first-server)" -gt 60 ]
stop second

# --- one database, and a certificate of ours whose key has a password
dump --user certified --password-file staple --client-certificate client.pem --client-key client.key --client-key-password-file key-password --name "$quoted" --json
check "one database, with our certificate" [ "$status" -eq 0 ]
check "and no other" [ "$(jq -r '.databases | join(";")' said)" = "$quoted" ]
dump --user keeper --password-file staple --name "$odd"
check "the owner of one database, who may not read passwords" [ "$status" -eq 0 ]
check "it is said that they are not in it" grep -q "without the roles' passwords" said
run database backup --repository repository --host localhost --port "$port" --root-certificate root.pem --user owner --password-file horse --name wiki
refused "a name for a base backup" 2 CSN-U001

# --- what it says where it cannot; nothing is made then
before=$(find repository/snapshots -type f | sort)
refuse() { # NAME CODE WORDS OPTION...
	name=$1 code=$2 words=$3
	shift 3
	dump "$@"
	refused "$name" 1 "$code"
	check "$name: it says what" grep -qF -- "$words" said
}
refuse "a wrong password" CSN-D011 'the password is wrong' --user dumper --password-file wrong
refuse "no certificate of ours" CSN-D011 'client certificate' --user certified --password-file staple
refuse "a role that may not read" CSN-D015 'may not read all of it' --user nobody --password-file staple
run database prove --repository repository --identity site.key
refused "a dump is no cluster to prove" 2 CSN-R005
refuse "no such database" CSN-D011 'there is no such database' --user dumper --password-file password --name missing
refuse "a closed one" CSN-D011 'not currently accepting connections' --user dumper --password-file password --name shut
printf 'host=localhost port=%s user=dumper dbname=wiki sslmode=verify-full sslrootcert=%s' "$port" "$work/other.pem" >connection
"$CAISSON" pg_dump --connection-from-stdin --no-password <connection >said 2>&1
check "pg_dump itself looks who the server is" sh -c 'grep -q "does not lead to one of the given roots" said && ! grep -q "CREATE TABLE" said'
check "no password is said" sh -c '! grep -q staple said server/log'

# --- somebody or something dies in the middle: the rows have come, and then the large objects are locked
hold() { # begins a dump that gets no further
	in_server . owner wiki -c 'BEGIN; LOCK TABLE pg_largeobject; SELECT pg_sleep(60)' >/dev/null 2>&1 &
	holder=$!
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%' AND wait_event = 'PgSleep'" postgres)" = 1 ]; do sleep 0.1; done
	"$CAISSON" database backup --logical --repository repository --key own.key --host localhost --port "$port" --root-certificate root.pem --user dumper --password-file password >said 2>&1 &
	child=$!
	n=0
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'caisson' AND wait_event_type = 'Lock' AND state LIKE 'fastpath%'" postgres)" = 1 ]; do
		sleep 0.1
		n=$((n + 1))
		[ $n -lt 300 ] || break
	done
	worker=$(cat "/proc/$child/task/$child/children")
	worker=${worker% }
}
free() {
	sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'" postgres >/dev/null 2>&1
	wait $holder
}
ended() {
	wait $child 2>/dev/null
	status=$?
}
nobody_left() { # of ours at the server
	for _ in $(seq 100); do
		[ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'caisson'" postgres)" != 0 ] || return 0
		sleep 0.1
	done
	return 1
}
hold
check "pg_dump is at work" grep -q pg_dump "/proc/$worker/cmdline"
check "no password where others see it" sh -c "! cat /proc/$worker/cmdline /proc/$worker/environ | grep -aq staple"
check "in the middle" [ "$(sed -n 's/^wchar: //p' "/proc/$worker/io")" -gt 3000000 ]
kill -9 "$worker"
ended
refused "a killed pg_dump" 1 CSN-D015
check "by what" grep -q 'killed by signal 9' said
free
hold
kill -9 $child
ended
check "a killed caisson leaves no pg_dump, no session" nobody_left
free
hold
stop data immediate
ended
refused "a server gone in the middle" 1 CSN-D015
check "that it is gone is said" grep -q 'the connection to the server is lost' said
wait $holder
start data
if [ "$(id -u)" = 0 ]; then
	mkdir small
	mount -t tmpfs -o size=1m none small
	run repository init small/repository --recipient "$(age-keygen -y site.key)"
	run database backup --logical --repository small/repository --key own.key --host localhost --port "$port" --root-certificate root.pem --user dumper --password-file password
	refused "a full repository" 3 CSN-R003
	check "full: no session is left" nobody_left
	check "full: no snapshot" [ "$(find small/repository/snapshots -type f | wc -l)" -eq 0 ]
else
	echo "skip a full repository: needs root"
fi
check "none of these has made a snapshot" [ "$(find repository/snapshots -type f | sort)" = "$before" ]
run verify --repository repository --identity site.key --all
check "and the repository is whole" [ "$status" -eq 0 ]
dumper
check "and the next one comes through" [ "$status" -eq 0 ]
exit $failed

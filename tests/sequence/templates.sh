#!/bin/sh
# The vendor's templates (tools/package/templates), each copied, filled in for tiny and used for a real upgrade: plain SQL; Flyway's
# scripts, with what is in its history table afterwards; the application's updater, whose background jobs are done before the next hop.
# shellcheck source=common
. "$(dirname "$0")/common"

# sql ROOT [psql's options] <SQL: on the database of the server at ROOT, which is at rest, as its owner.
sql() {
	sql_root=$1
	shift
	cat >"$sql_root/tmp/test.sql"
	# shellcheck disable=SC2016 # for the inner shell
	"$tiny/with-root" "$sql_root" sh -c '
		root=$1
		shift
		mount -t proc proc "$root/proc" && mount -t tmpfs none "$root/dev" && mount -t tmpfs none "$root/run" || exit 3
		: >"$root/dev/null"
		mount --bind /dev/null "$root/dev/null"
		mkdir -m 1777 "$root/dev/shm"
		mkdir "$root/run/postgresql"
		chown 5432 "$root/run/postgresql"
		for bin in "$root"/usr/lib/postgresql/*/bin; do bin=${bin#"$root"}; done
		as_postgres() { chroot --userspec=5432:5432 --groups= "$root" /usr/bin/env -i PATH="$bin:/usr/bin:/bin" LC_ALL=C.UTF-8 "$@"; }
		as_postgres pg_ctl -s -w -D /etc/postgresql/15/main -l /dev/null start
		as_postgres psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql -d tiny -c "SET ROLE tiny" "$@" -f /tmp/test.sql
		status=$?
		as_postgres pg_ctl -s -w -D /var/lib/postgresql/15/main -m fast stop
		exit $status' sh "$sql_root" "$@" || die "SQL on $sql_root"
	rm "$sql_root/tmp/test.sql"
}
# says NAME ROOT WANTED <QUERY
says() {
	sql "$2" -F ' ' >"$tmp/said"
	[ "$(cat "$tmp/said")" = "$3" ] || { echo "wanted:"; echo "$3"; echo "is:"; cat "$tmp/said"; }
	check "$1" [ "$(cat "$tmp/said")" = "$3" ]
}
# template NAME: a copy of it for tiny, in $tmp/vendor/NAME, with the migrations that tiny needs on the top.
template() {
	cp -R "$top/tools/package/templates/$1" "$tmp/vendor/$1"
	ini=$tmp/vendor/$1/package/package.ini
	sed -i 's/= example$/= tiny/; s/^\* = \*$/writer = author\n&/' "$ini"
}
# make PACKAGE OLD TREE [more]: packs $tmp/vendor/PACKAGE/package. Sets what, from and to.
make() {
	what=$1 from=$2 to=$3
	shift 3
	"$CAISSON" pack "$tmp/vendor/$what/package" --old "$from=$tmp/vendor/tree-$from" --new "$tmp/vendor/$to" "$@" --key "$pki/signer.key" \
		--certificate "$pki/signer.pem" --trust "$pki/root.pem" --output "$tmp/stick/tiny-$what.cpkg" >"$tmp/log" 2>&1
}
# upgraded NAME VERSION
upgraded() {
	[ "$status" -eq 0 ] || cat "$tmp/out"
	check "$1: upgraded" [ "$status/$(version "$tmp/root")" = "0/$2" ]
}
# told QUERY: of the journal's records.
told() { jq -r "$1" "$(journal)"; }
fresh() {
	rm -rf "$tmp/root" "$tmp/stick/caisson-runs" "$tmp/backup"
	cp -a "$tmp/pristine" "$tmp/root"
}

"$tiny/make-release" "$tmp/vendor" >"$tmp/log" 2>&1 || die "make-release: $(cat "$tmp/log")"
pki=$("$top/tests/demo/make-pki" 2>"$tmp/log") || die "make-pki: $(cat "$tmp/log")"
mkdir -p "$tmp/stick/profiles"
cp "$tiny/tiny.profile" "$tmp/stick/profiles/"
server "$tmp/pristine"

# --- plain SQL: sections in any order, one that the database does not want
template plain-sql
cp "$tiny/release-2.0/migrations/10-schema.sql" "$tmp/vendor/plain-sql/package/migrations/05-tiny.sql"
echo 'SELECT 1 / 0;' >"$tmp/vendor/plain-sql/package/migrations/40-never.sql"
cat >>"$ini" <<END
[migration 40-never]
kind = sql
file = migrations/40-never.sql
only-if = SELECT count(*) = 0 FROM announcement
[migration 06-words]
kind = program
command = bin/count-words
user = www-data
[migration 05-tiny]
kind = sql
file = migrations/05-tiny.sql
END
make plain-sql 1.0 tree-2.0 || die "pack: $(cat "$tmp/log")"
fresh
job "$tmp/stick/up.job" "$tmp/root" tiny-plain-sql.cpkg
caisson run "$tmp/stick/up.job" "$tmp/root"
upgraded "plain SQL" 2.0
check "plain SQL: migrations by their names, one skipped" [ "$(told 'select(.kind == "migration") | .name + ":" + .result' | tr '\n' ' ')" = \
	'05-tiny:done 06-words:done 10-announcements:done 20-index:done 30-welcome:done 40-never:skipped ' ]
says "plain SQL: it is there" "$tmp/root" '1 Welcome to the new release t' <<END
SELECT a.id, a.title, i.indisvalid FROM announcement a, pg_index i WHERE indexrelid = 'announcement_shown'::regclass
END

# --- Flyway. Checksums by gzip, whose files end with a CRC-32; the rule: the lines without their ends.
template flyway
scripts=$tmp/vendor/flyway/sql
cp "$tiny/release-2.0/migrations/10-schema.sql" "$scripts/V2.1.1__Languages_and_logins.sql"
echo "UPDATE page SET words = array_length(regexp_split_to_array(trim(body), '\s+'), 1); ALTER TABLE page ALTER words SET NOT NULL" \
	>"$scripts/V10__Words.sql"
printf '\357\273\277SELECT 1;\r\nSELECT 2;\r\n' >"$scripts/V2.10__Mark_and_CR.sql"
crc() { sed '1s/^\xef\xbb\xbf//' "$scripts/$1" | tr -d '\r\n' | gzip -c | tail -c 8 | head -c 4 | od -A n -t d4 | tr -d ' '; }
make flyway 1.0 tree-2.0 --flyway "$scripts" || die "pack: $(cat "$tmp/log")"
check "Flyway: the undo script is left out with a word" grep -q '^note: .*/U2__Announcements.sql: left out, an undo script' "$tmp/log"
fresh
# What Flyway left there when it made this database.
sql "$tmp/root" <<END
$(cat "$scripts/V1__First_release.sql")
CREATE TABLE flyway_schema_history (installed_rank integer NOT NULL CONSTRAINT flyway_schema_history_pk PRIMARY KEY, version varchar(50),
	description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer,
	installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), execution_time integer NOT NULL, success boolean NOT NULL);
CREATE INDEX flyway_schema_history_s_idx ON flyway_schema_history (success);
INSERT INTO flyway_schema_history VALUES (1, '1', 'First release', 'SQL', 'V1__First_release.sql', $(crc V1__First_release.sql), 'tiny',
	'2024-01-02 03:04:05', 12, true);
END
rm -rf "$tmp/with-flyway"
cp -a "$tmp/root" "$tmp/with-flyway"
job "$tmp/stick/up.job" "$tmp/root" tiny-flyway.cpkg
caisson run "$tmp/stick/up.job" "$tmp/root"
upgraded "Flyway" 2.0
says "Flyway: the history is as Flyway writes it" "$tmp/root" "1 1 First release SQL V1__First_release.sql $(crc V1__First_release.sql) tiny t
2 2 Announcements SQL V2__Announcements.sql $(crc V2__Announcements.sql) tiny t
3 2.1 Index of announcements SQL V2_1__Index_of_announcements.sql $(crc V2_1__Index_of_announcements.sql) tiny t
4 2.1.1 Languages and logins SQL V2.1.1__Languages_and_logins.sql $(crc V2.1.1__Languages_and_logins.sql) tiny t
5 2.10 Mark and CR SQL V2.10__Mark_and_CR.sql $(crc V2.10__Mark_and_CR.sql) tiny t
6 10 Words SQL V10__Words.sql $(crc V10__Words.sql) tiny t
7  Views SQL R__Views.sql $(crc R__Views.sql) tiny t" <<END
SELECT installed_rank, version, description, type, script, checksum, installed_by, success FROM flyway_schema_history ORDER BY 1
END
says "Flyway: times are there, and the first row is as it was" "$tmp/root" '7 2024-01-02 03:04:05 12' <<END
SELECT count(*) FILTER (WHERE execution_time BETWEEN 0 AND 60000 AND (installed_rank = 1 OR installed_on > now() - interval '1 hour')),
	min(installed_on), max(execution_time) FILTER (WHERE installed_rank = 1) FROM flyway_schema_history
END
says "Flyway: a placeholder is filled in" "$tmp/root" 'Welcome to the new release' <<END
SELECT title FROM announcement_now
END

# The same scripts again, with a repeatable one that is new: the next release's package runs this one only.
cp -R "$tmp/vendor/flyway" "$tmp/vendor/flyway-3"
sed -i 's/current_date/current_date + 1/' "$tmp/vendor/flyway-3/sql/R__Views.sql"
sed -i 's/^version = .*/version = 3.0/; s/^from = .*/from = 2.0/; s/^before = .*/before = 1, 10/' "$tmp/vendor/flyway-3/package/package.ini"
sed -i '/^writer = /d' "$tmp/vendor/flyway-3/package/package.ini"
echo 'ALTER TABLE page ADD COLUMN likes integer NOT NULL DEFAULT 0;' >"$tmp/vendor/flyway-3/sql/V11__Likes.sql"
make flyway-3 2.0 tree-3.0 --flyway "$tmp/vendor/flyway-3/sql" || die "pack: $(cat "$tmp/log")"
job "$tmp/stick/up.job" "$tmp/root" tiny-flyway-3.cpkg
rm -rf "$tmp/stick/caisson-runs"
caisson run "$tmp/stick/up.job" "$tmp/root"
upgraded "Flyway again" 3.0
check "Flyway again: what is there is skipped" [ "$(told 'select(.kind == "migration") | .result' | tr '\n' ' ')" = \
	'skipped skipped skipped skipped skipped done done ' ]
check "Flyway again: the new one and the changed one run" [ "$(told 'select(.kind == "migration" and .result == "done") | .title' | tr '\n' ' ')" = \
	'V11__Likes.sql R__Views.sql ' ]

# What Flyway would refuse is found before anything is touched.
refuses() { # NAME CODE WORDS <SQL
	rm -rf "$tmp/root" "$tmp/stick/caisson-runs"
	cp -a "$tmp/with-flyway" "$tmp/root"
	sql "$tmp/root"
	caisson assess "$tmp/stick/up.job" "$tmp/root"
	[ "$status/$(grep -c "$2.*$3" "$tmp/out")" = 1/1 ] || cat "$tmp/out"
	check "$1" [ "$status/$(grep -c "$2.*$3" "$tmp/out")" = 1/1 ]
}
job "$tmp/stick/up.job" "$tmp/root" tiny-flyway.cpkg
refuses "Flyway: a script that failed is named" CSN-A 'schema is "failed at V2__Announcements.sql", .* begins with 1: half migrated' <<END
INSERT INTO flyway_schema_history VALUES (2, '2', 'Announcements', 'SQL', 'V2__Announcements.sql', 1, 'tiny', now(), 1, false)
END
refuses "Flyway: a script that was applied otherwise is named" CSN-A 'V1__First_release.sql is not as it was applied: checksum .*, in the database 7' <<END
UPDATE flyway_schema_history SET checksum = 7
END
refuses "Flyway: a version that stopped between" CSN-A 'schema is "2", .* begins with 1' <<END
INSERT INTO flyway_schema_history VALUES (2, '2.0', 'Announcements', 'SQL', 'V2__Announcements.sql', $(crc V2__Announcements.sql), 'tiny', now(), 1, true)
END
refuses "Flyway: a script nobody knows is named" CSN-A 'V0.9__Lost.sql was applied, and the package.s folder has none' <<END
INSERT INTO flyway_schema_history VALUES (0, '0.9', 'Lost', 'SQL', 'V0.9__Lost.sql', 1, 'tiny', now(), 1, true)
END

# --- the updater: it leaves a daemon and jobs behind; a worker does the jobs before the second hop begins
template updater
tree=$tmp/vendor/tree-2.0-updater
cp -a "$tmp/vendor/tree-2.0" "$tree"
cp "$tiny/release-2.0/migrations/10-schema.sql" "$tree/lib/update.sql"
cat >>"$tree/lib/update.sql" <<END
CREATE TABLE announcement (id integer PRIMARY KEY, title text NOT NULL, shown_until date);
CREATE TABLE job (id integer PRIMARY KEY, done_at timestamptz);
INSERT INTO job SELECT n FROM generate_series(1, 3) n;
END
cat >"$tree/bin/update" <<'END'
#!/bin/sh
# Prints more than anybody wants to read, and leaves something running.
set -eu
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
"$psql" -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql -U tiny -d tiny -1 -f lib/update.sql
bin/count-words
seq 1 400000
(exec sleep 4711) >/dev/null 2>&1 &
echo "update: done"
END
cat >"$tree/bin/worker" <<'END'
#!/bin/sh
# Works for ever, a job a second.
for psql in /usr/lib/postgresql/*/bin/psql; do :; done
while sleep 1; do
	"$psql" -XAtq -h /run/postgresql -U tiny -d tiny \
		-c 'UPDATE job SET done_at = now() WHERE id = (SELECT min(id) FROM job WHERE done_at IS NULL)'
done
END
chmod 755 "$tree/bin/update" "$tree/bin/worker"
make updater 1.0 tree-2.0-updater || die "pack: $(cat "$tmp/log")"
mv "$tmp/vendor/tree-2.0" "$tmp/vendor/tree-2.0-plain"
mv "$tree" "$tmp/vendor/tree-2.0"
pack 3.0 2.0 3.0
fresh
job "$tmp/stick/up.job" "$tmp/root" 'tiny-updater.cpkg, tiny-3.0.cpkg'
caisson run "$tmp/stick/up.job" "$tmp/root"
upgraded "the updater" 3.0
check "the updater: its last output is in the journal, and no more than that" [ "$(told 'select(.name == "20-update" and .kind == "migration")
	| .output | (length <= 4000 and endswith("\n399999\n400000\nupdate: done\n"))')" = true ]
check "the updater: its jobs were waited for, once, and before the next hop" [ "$(told 'select(.kind == "migration" or (.kind == "check" and .name == "jobs"))
	| .name' | tr '\n' ' ')" = '20-update jobs 10-likes ' ]
check "the updater: how long that took is told" [ "$(told 'select(.name == "jobs") | .result + (.ms >= 2000 | tostring) + .detail')" = passedtrue0 ]
says "the updater: the jobs are done" "$tmp/root" 3 <<END
SELECT count(done_at) FROM job
END
# shellcheck disable=SC2009 # by its arguments
check "the updater: nothing that it started is left" [ "$(ps -eo args | grep -c '^sleep 4711')" -eq 0 ]

# A worker that gives up, and an updater that ends well and did nothing.
fails() { # NAME WORDS
	make updater 1.0 tree-2.0 || die "pack: $(cat "$tmp/log")"
	fresh
	picture "$tmp/root" "$tmp/before"
	job "$tmp/stick/up.job" "$tmp/root" tiny-updater.cpkg
	caisson run "$tmp/stick/up.job" "$tmp/root"
	[ "$status/$(grep -c "^caisson: CSN-Q002: .*$2" "$tmp/out")" = 1/1 ] || cat "$tmp/out"
	check "$1" [ "$status/$(grep -c "^caisson: CSN-Q002: .*$2" "$tmp/out")" = 1/1 ]
	picture "$tmp/root" "$tmp/after"
	check "$1: the server is as before" diff "$tmp/before" "$tmp/after"
}
printf '#!/bin/sh\necho no queue here\nexit 7\n' >"$tmp/vendor/tree-2.0/bin/worker"
fails "a worker that gives up is named" 'No background job is open.* failed: is "3", expected is "0"; "meanwhile" ended with 7: no queue here'
printf '#!/bin/sh\necho all is well\n' >"$tmp/vendor/tree-2.0/bin/update"
fails "an updater that ends with 0 and did nothing is found" 'ended well, but the database says that its schema is "0", not "2"'
finish

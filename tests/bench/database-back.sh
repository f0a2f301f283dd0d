#!/bin/sh
# An upgrade that migrates a cluster of about 2 GB (pgbench; the migration writes its largest table anew), and going back from it: ROUNDS=3
# times. The clone beside the old cluster is measured against cp -a on the same file system, in turns, all of it in memory before.
# Lines "name value unit":
#   .back      from "rollback-begin" to "the old version is back"; after that every file of the server is compared with what it was
#   .clone     of the cluster, durable, as the journal has it; .cp the same by cp -a and a sync
# Takes 20 GB in /var/tmp.
# shellcheck source=common
. "$(dirname "$0")/common"

# shellcheck disable=SC2034 # for caisson
limit=3600
rounds=${ROUNDS:-3}
scale=${SCALE:-130}
own_disk 20
prepare
server "$tmp/root"
for postgres in /usr/lib/postgresql/*/bin/postgres; do :; done
binaries=${postgres%/*}
cluster=/var/lib/postgresql/15/main
# as COMMAND...: as the server's postgres, which nobody here is
as() { setpriv --reuid=5432 --regid=5432 --clear-groups env -C "$tmp/filling" LC_ALL=C "$@"; }
mkdir "$tmp/filling"
chown 5432:5432 "$tmp/filling"
echo 'local all all trust' >"$tmp/filling/hba"
options="-c config_file=$tmp/root/etc/postgresql/15/main/postgresql.conf -c data_directory=$tmp/root$cluster -c hba_file=$tmp/filling/hba"
options="$options -c listen_addresses= -c unix_socket_directories=$tmp/filling -c fsync=off -c max_wal_size=4GB"
fill() {
	as "$binaries/pg_ctl" -D "$tmp/root$cluster" -w -l log -o "$options" start &&
		as pgbench -h "$tmp/filling" -U tiny -i -q -s "$scale" tiny &&
		as psql -h "$tmp/filling" -U postgres -Xqc 'VACUUM (FREEZE)' -c CHECKPOINT tiny &&
		as "$binaries/pg_ctl" -D "$tmp/root$cluster" -m fast -w stop
}
fill >"$tmp/log" 2>&1 || die "filling the cluster: $(cat "$tmp/log" "$tmp/filling/log")"
echo "database.cluster $(du -sb "$tmp/root$cluster" | cut -f 1) bytes"
cat >>"$tmp/vendor/release-2.0/package.ini" <<-'END'

	[migration 30-accounts]
	title = Larger balances
	kind = sql
	file = migrations/30-accounts.sql
END
echo 'ALTER TABLE pgbench_accounts ALTER COLUMN abalance TYPE bigint;' >"$tmp/vendor/release-2.0/migrations/30-accounts.sql"
rm "$tmp/stick/tiny-2.0.cpkg"
pack 2.0 1.0 2.0
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
picture "$tmp/root" "$tmp/before"

for _ in $(seq "$rounds"); do
	rm -rf "$tmp/stick/caisson-runs" "$tmp/backup"
	fstrim "$tmp"
	find "$tmp/root$cluster" -type f -exec cat {} + >/dev/null
	begun=$(date +%s.%N)
	cp -a "$tmp/root$cluster" "$tmp/copy" && sync -f "$tmp"
	echo "$begun $(date +%s.%N)" | awk '{ printf "%.3f\n", $2 - $1 }' >"$tmp/cp"
	rm -r "$tmp/copy"
	sync -f "$tmp"
	for command in install rollback; do
		caisson "$command" "$tmp/stick/up.job" "$tmp/root"
		[ "$status" -eq 0 ] || { cat "$tmp/out"; exit 1; }
	done
	picture "$tmp/root" "$tmp/after"
	diff "$tmp/before" "$tmp/after" >"$tmp/changes" || die "the server is not as it was: $(head -n 5 "$tmp/changes")"
	jq -rs --argjson cp "$(cat "$tmp/cp")" '
		def ms($kind): map(select(.kind == $kind))[-1].ms / 1000;
		"database.back.wall \(ms("rolled-back")) seconds", "database.clone.wall \(ms("clone")) seconds", "database.cp.wall \($cp) seconds",
		"ratio.database.clone-to-cp.wall \(ms("clone") / $cp) times"' "$(journal)"
done

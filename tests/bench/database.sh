#!/bin/sh
# The database against the tools one would bring else: a running cluster of about 2 GB (pgbench) by `caisson database backup`, pg_basebackup and
# pgBackRest; the same at rest by `caisson backup`, cp -a and pgBackRest, and back. ROUNDS=3 times, in turns, each on a fresh file
# system of its own. Ours encrypts and compresses, pgBackRest compresses (zstd 1), the others do neither. Lines "name value unit".
# Takes 16 GB in /var/tmp.
# shellcheck source=common disable=SC2016 # scripts for an inner shell are in single quotes
. "$(dirname "$0")/common"

rounds=${ROUNDS:-3}
scale=${SCALE:-130}
for program in pgbackrest age-keygen pgbench; do
	command -v "$program" >/dev/null || die "$program is not installed"
done
binaries=$(dirname "$(find /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")
as() { setpriv --reuid=postgres --regid=postgres --init-groups env -C "$tmp/server" "$@"; }
clean_up() {
	cd /
	as "$binaries/pg_ctl" -D data -m immediate -w stop >/dev/null 2>&1
	for tool in caisson plain copy pgbackrest; do umount "$tmp/disks/$tool" 2>/dev/null; done
	rm -rf "$tmp"
}
trap clean_up EXIT
chmod 755 "$tmp"
mkdir "$tmp/server" "$tmp/disks"
chown postgres "$tmp/server"
port=$((20000 + $$ % 30000))
as "$binaries/initdb" -D data --no-sync -U postgres --auth=trust >/dev/null || die "initdb"
cat >>"$tmp/server/data/postgresql.conf" <<-END
	port = $port
	listen_addresses = 'localhost'
	unix_socket_directories = '$tmp/server'
	shared_buffers = 512MB
	max_wal_size = 4GB
	fsync = off
END
start() { as "$binaries/pg_ctl" -D data -w -l log start >/dev/null || die "the server does not start"; }
stop() { as "$binaries/pg_ctl" -D data -m fast -w stop >/dev/null || die "the server does not stop"; }
start
as pgbench -h "$tmp/server" -p "$port" -U postgres -i -q -s "$scale" postgres >/dev/null 2>&1 || die "pgbench"
as "$binaries/psql" -Xq -h "$tmp/server" -p "$port" -U postgres -c 'VACUUM (FREEZE)' -c CHECKPOINT postgres
age-keygen -o "$tmp/site.key" 2>/dev/null
recipient=$(age-keygen -y "$tmp/site.key")

fresh() {
	umount "$tmp/disks/$1" 2>/dev/null
	mkdir -p "$tmp/disks/$1"
	rm -f "$tmp/disks/$1.img"
	truncate -s 12G "$tmp/disks/$1.img"
	mke2fs -q -F -t ext4 -m 0 -E assume_storage_prezeroed=1 "$tmp/disks/$1.img" || die "mke2fs"
	mount -o loop "$tmp/disks/$1.img" "$tmp/disks/$1" || die "mount"
	chown postgres "$tmp/disks/$1"
	cd "$tmp/disks/$1" || die "cd"
}
# measure NAME TOOL COMMAND...: the data folder is in memory before; the disk has all when it ends. A server's own work is not counted.
measure() {
	name=$1 tool=$2
	shift 2
	sync
	echo 3 >/proc/sys/vm/drop_caches
	find "$tmp/server/data/base" -type f -exec cat {} + >/dev/null
	/usr/bin/time -f '%U %S %e' -o "$tmp/time" sh -c '"$@" && sync -f .' - "$@" >"$tmp/out" 2>&1 || { tail -n 5 "$tmp/out" >&2; die "$name: $tool"; }
	tail -n 1 "$tmp/time" | awk -v name="$name" -v tool="$tool" '{
		printf "database.%s.%s.cpu %.2f seconds\ndatabase.%s.%s.wall %.2f seconds\n", name, tool, $1 + $2, name, tool, $3
		print name, tool, $1 + $2, $3 >>"'"$tmp/round"'" }'
}
ratio() { # NAME OURS THEIRS
	awk -v name="$1" -v ours="$2" -v theirs="$3" '
		$1 == name && $2 == ours { cpu = $3; wall = $4 } $1 == name && $2 == theirs { cpu2 = $3; wall2 = $4 }
		END { printf "ratio.database.%s-to-%s.cpu %.3f times\nratio.database.%s-to-%s.wall %.3f times\n", name, theirs, cpu / cpu2, name, theirs, wall / wall2 }' "$tmp/round"
}
# For /usr/bin/time, which runs programs.
common="setpriv --reuid=postgres --regid=postgres --init-groups pgbackrest --stanza=bench --repo1-path=$tmp/disks/pgbackrest
--log-path=$tmp/server --lock-path=$tmp/server --log-level-file=off --log-level-console=error"
cluster="--pg1-path=$tmp/server/data --pg1-port=$port --pg1-socket-path=$tmp/server --no-online"

for _ in $(seq "$rounds"); do
	: >"$tmp/round"
	fresh caisson
	"$CAISSON" repository init repository --recipient "$recipient" >/dev/null
	measure live caisson "$CAISSON" database backup --repository repository --key own.key --host "$tmp/server" --port "$port" --user postgres
	fresh copy
	measure live pg_basebackup setpriv --reuid=postgres --regid=postgres --init-groups "$binaries/pg_basebackup" -h "$tmp/server" -p "$port" -U postgres -D copy -X fetch -c fast
	stop
	fresh caisson
	"$CAISSON" repository init repository --recipient "$recipient" >/dev/null
	measure cold caisson "$CAISSON" backup --repository repository --key own.key "$tmp/server/data"
	mkdir back
	measure back caisson "$CAISSON" restore --repository repository --identity "$tmp/site.key" --target back latest
	fresh copy
	measure cold copy cp -a "$tmp/server/data" copy
	measure back copy cp -a copy back
	fresh pgbackrest
	# shellcheck disable=SC2086 # words
	{
		$common $cluster stanza-create || die "pgbackrest stanza-create"
		measure cold pgbackrest $common $cluster --compress-type=zst --compress-level=1 --process-max=2 backup
		mkdir -m 700 back
		chown postgres back
		measure back pgbackrest $common --pg1-path="$PWD/back" --process-max=2 restore
	}
	start
	ratio live caisson pg_basebackup
	ratio cold caisson pgbackrest
	ratio cold caisson copy
	ratio back caisson pgbackrest
	ratio back caisson copy
done

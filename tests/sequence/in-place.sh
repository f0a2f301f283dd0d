#!/bin/sh
# A server without room for a second database: with the job's word it is upgraded in place, and comes back from the backup, whatever
# happens and wherever that is cut off (tests/long/cut-in-place.sh takes every moment).
# shellcheck disable=SC2317 # functions are called by check
# What is mounted here goes away with the test.
[ -n "${CAISSON_APART:-}" ] || [ "$(id -u)" -ne 0 ] || CAISSON_APART=1 exec unshare --mount "$0" "$@"
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=cutting
. "$(dirname "$0")/cutting"
# shellcheck source=in-place
. "$(dirname "$0")/in-place"

root=$tmp/root up=$tmp/stick/up.job
trap 'umount -l "$tmp/root" 2>/dev/null; rm -rf "$tmp"' EXIT
code() { sed -n 's/^caisson: \(CSN-[A-Z0-9]*\):.*/\1/p' "$tmp/out"; }
same() { picture "$root" "$tmp/after" && diff "$tmp/before" "$tmp/after" | head -n 20 && cmp -s "$tmp/before" "$tmp/after"; }
# ends CASE STATUS/CODE: so did the last command.
ends() { [ "$status/$(code)" = "$2" ] || { echo "$status/$(code)"; tail -n 30 "$tmp/out"; }; check "$1 ($2)" [ "$status/$(code)" = "$2" ]; }
digest() { jq -r 'select(.kind == "inventory" and .when == "before") | .digest' "$(journal)" | tail -n 1; }

prepare
server "$tmp/made"
spread "$tmp/made"
mkdir "$tmp/made/srv/outside"
echo 'not of the database' >"$tmp/made/srv/outside/pgstat.stat"

# --- a full disk
mkdir "$root"
truncate -s 180M "$tmp/disk"
mke2fs -q -t ext4 -m 0 "$tmp/disk" || die "no ext4"
mount -o loop "$tmp/disk" "$root" || die "no loop device"
cp -a "$tmp/made/." "$root/"
mkdir -p "$root/var/lib/caisson"
rmdir "$root/lost+found"
# leave MIB: so much stays free.
leave() {
	sync -f "$root"
	available=$(df --output=avail -B 1M "$root" | tail -n 1)
	[ "$available" -le "$1" ] || fallocate -l "$((available - $1))M" "$root/var/lib/caisson/ballast$1"
}
leave 50
picture "$root" "$tmp/before"
job "$up" "$root" tiny-2.0.cpkg
caisson run "$up" "$root"
refused "no room for a second database" 1 CSN-A004 'MB are needed'
job "$up" "$root" tiny-2.0.cpkg '[database]' 'in-place = if-needed'
caisson run "$up" "$root"
refused "in place, but nobody has accepted what it costs" 1 CSN-A002 'in-place: the database is upgraded in place' 'restoring'
in_place_job "$up" "$root" tiny-2.0.cpkg if-needed
caisson run "$up" "$root"
ends "in place: upgraded" 0/
check "in place: it is 2.0" [ "$(version "$root")" = 2.0 ]
check "no database stands beside" [ -z "$(find "$root" -path '*/.caisson-*' -name PG_VERSION)" ]
check "the intent names the backup and all folders" [ "$(jq -r 'select(.kind == "intent" and .deed == "in-place") | (.snapshot | length | tostring) + " " + (.paths | join(" "))' "$(journal)")" = "64 /$cluster /srv/space /srv/wal" ]
check "its way back was rehearsed" [ "$(jq -r 'select(.kind == "rehearsal") | .equal_after_rollback' "$(journal)")" = true ]
check "the report says it" grep -q 'in place' "$tmp"/stick/caisson-runs/*/report.html
before_digest=$(digest)

# People work with it, and somebody makes a link; the disk is as good as full, and the backup damaged: refused before anything is given up.
echo more >"$root/$cluster/added"
rm -r "$root/$cluster/pg_stat"
ln -s /srv/outside "$root/$cluster/pg_stat"
rm "$root/$cluster/base/1/PG_VERSION"
leave 2
picture "$root" "$tmp/stood"
mkdir "$tmp/packs"
cp -a "$tmp/backup/repository/packs" "$tmp/packs/"
find "$tmp/backup/repository/packs" -type f | while read -r pack; do
	eighth=$(($(wc -c <"$pack") / 8))
	head -c $((6 * eighth)) /dev/zero | dd of="$pack" bs=4k oflag=seek_bytes seek="$eighth" conv=notrunc 2>/dev/null
done
caisson rollback "$up" "$root"
ends "the backup is damaged: no going back" 1/CSN-Q010
picture "$root" "$tmp/after"
check "and nothing was changed" cmp "$tmp/stood" "$tmp/after"
rm -r "$tmp/backup/repository/packs"
mv "$tmp/packs/packs" "$tmp/backup/repository/"
caisson rollback "$up" "$root"
ends "back, on a full disk" 0/
check "every file and its times are as before" same
check "what people did is kept" grep -q '"work-kept"' "$(journal)"
check "it is said what came back" [ "$(jq -r 'select(.kind == "cluster-back") | .restored > 1 and .removed > 0' "$(journal)")" = true ]
rm "$root/var/lib/caisson"/ballast*
job "$tmp/stick/look.job" "$root" tiny-2.0.cpkg
caisson assess "$tmp/stick/look.job" "$root"
check "and every row" [ "$(digest)" = "$before_digest" ]
umount "$root"
rm -r "$tmp/stick/caisson-runs" "$tmp/backup" "$tmp/disk" "$tmp/stick/look.job"
rmdir "$root"

# --- what fails by itself
job "$up" "$root" tiny-2.0.cpkg '[database]' 'in-place = maybe'
cp -a "$tmp/made" "$root"
picture "$root" "$tmp/before"
caisson run "$up" "$root"
refused "a word that is none" 2 CSN-J005 in-place
in_place_job "$up" "$root" tiny-2.0.cpkg yes
caisson install "$up" "$root"
refused "install has no backup to come back from" 2 CSN-J005 in-place
rm -r "$root"
mkdir "$tmp/pristine"
mv "$tmp/made" "$tmp/pristine/root"
picture "$tmp/pristine/root" "$tmp/before"
for release in 2.0-broken 2.0-broken-verify; do
	fresh
	in_place_job "$up" "$root" "tiny-$release.cpkg" yes '[rehearsal]' 'force = yes'
	caisson run "$up" "$root"
	check "$release: back by itself (4)" [ "$status" -eq 4 ]
	check "$release: as before" same
	check "$release: the database was changed and came back" grep -q '"cluster-back"' "$(journal)"
done

# --- cut off while the database is changed
in_place_job "$up" "$root" tiny-2.0.cpkg yes
fresh
cut_at run 0 && die "the counting run was cut"
ends "the counting run" 0/
begun=$(after '.deed == "in-place"') stage=$(after '.kind == "plan"') end=$(cat "$tmp/count")
[ "$begun" -lt "$stage" ] || die "the moments of the run: $begun, $stage, $end"
fresh
cut_at run "$stage"
check "cut off behind the migration" [ "$(tail -n 1 "$(journal)" | jq -r .kind)" = plan ]
files "$tmp/migrated"
mv "$tmp/pristine" "$tmp/old"
mkdir "$tmp/pristine"
cp -a "$root" "$tmp/backup" "$tmp/stick/caisson-runs" "$tmp/pristine/"

# The backup disk is not there.
mv "$tmp/backup" "$tmp/away"
for _ in 1 2; do
	caisson resume "$up" "$root"
	ends "the backup disk is missing" 5/CSN-Q011
done
files "$tmp/now"
check "nothing of the database was touched" cmp "$tmp/migrated" "$tmp/now"
check "the fence stands" [ -e "$root/etc/caisson/fence" ]
rm -rf "$tmp/backup"
mv "$tmp/away" "$tmp/backup"
recover "with the backup disk there again"
check "it was undone" [ "$became" -eq 4 ]

# Killed at any instant: nothing but the one or the other may ever be there with a control file.
fresh
files "$tmp/migrated"
rm -rf "$root"
cp -a "$tmp/old/root" "$root"
files "$tmp/was"
fresh
cat >"$tmp/killed" <<-'KILL'
	#!/bin/sh
	exec timeout -s KILL "$AFTER" "$WHOLE" "$@"
KILL
chmod +x "$tmp/killed"
export WHOLE="$CAISSON" AFTER
starts() {
	"$tiny/with-root" "$root" chroot --userspec=5432:5432 --groups= "$root" "$postgres" --single -D "/$cluster" \
		-c config_file=/etc/postgresql/15/main/postgresql.conf -c dynamic_shared_memory_type=mmap tiny </dev/null >"$tmp/log" 2>&1
}
refuses() { ! starts && grep -q pg_control "$tmp/log"; }
CAISSON=$tmp/killed
status=137 kills=0 half=0 unsound=0
for AFTER in 0.15 0.2 0.25 0.3 0.35 0.4 0.45 0.5 0.55 0.6 0.65 0.7 0.75 0.8 0.9 1 1.2 1.5 2 3 60; do
	[ "$status" -eq 137 ] || break
	caisson resume "$up" "$root"
	kills=$((kills + 1))
	if [ ! -e "$root/$cluster/global/pg_control" ]; then
		half=$((half + 1))
		[ "$half" -ne 1 ] || check "PostgreSQL does not start on what is half there" refuses
	else
		files "$tmp/now"
		cmp -s "$tmp/now" "$tmp/migrated" || cmp -s "$tmp/now" "$tmp/was" || unsound=$((unsound + 1))
	fi
done
CAISSON=$WHOLE
echo "killed $((kills - 1)) times, $half of them with no control file"
ends "killed again and again: at last undone" 4/CSN-Q005
check "killed: never a control file on what is not whole" [ "$unsound" -eq 0 ]
check "killed: some were half there" [ "$half" -gt 0 ]
check "killed: as before" same
check "and PostgreSQL starts" starts

# Cut at moments of the undoing, and of the run.
fresh
cut_at resume 0
undoing=$(cat "$tmp/count")
echo "the undoing has $undoing moments, the run from $begun on $((end - begun))"
n=2
while [ "$n" -le "$undoing" ]; do
	fresh
	if cut_at resume "$n"; then recover "undoing $n"; else not_ok "cut undoing $n: was not cut ($status)"; fi
	n=$((n + 7))
done
rm -r "$tmp/pristine"
mv "$tmp/old" "$tmp/pristine"
n=$begun
while [ "$n" -le "$end" ]; do
	fresh
	if cut_at run "$n"; then recover "run $n"; else not_ok "cut run $n: was not cut ($status)"; fi
	n=$((n + (end - begun) / 5))
done

# A cluster that lost power recovers where it lies, over two hops, and comes back as the power cut left it, its postmaster.pid and all.
rm -rf "$root" "$tmp/stick/caisson-runs" "$tmp/backup"
server "$root" --unclean
printf '3\n/var/lib/postgresql/15/main\n1700000000\n5432\n/run/postgresql\nlocalhost\n' >"$root/$cluster/postmaster.pid"
chown 5432:5432 "$root/$cluster/postmaster.pid"
chmod 600 "$root/$cluster/postmaster.pid"
picture "$root" "$tmp/before"
pack 3.0 2.0 3.0
in_place_job "$up" "$root" tiny-2.0.cpkg,tiny-3.0.cpkg yes
sed -i 's/^in-place = .*/&\nrecover = yes/' "$up"
caisson run "$up" "$root"
ends "one that lost power, two hops: upgraded" 0/
check "it is 3.0" [ "$(version "$root")" = 3.0 ]
check "one intent for both" [ "$(jq -r 'select(.deed == "in-place") | .step' "$(journal)")" = stage ]
caisson rollback "$up" "$root"
ends "one that lost power: back" 0/
check "one that lost power: as the power cut left it" same
finish

#!/bin/sh
# 1,000,000 files in one tree (FILES=...): backup, a second one, verify, restore of one file and of all, prune: memory within its
# bound, one file within a second. Prints what each took and the slope of memory by files. Takes 8 GB in /var/tmp.
set -u
cd "$(dirname "$0")/../.." || exit 3
CAISSON=${CAISSON:-$PWD/out/caisson}
make_many=$PWD/tests/make-many
files=${FILES:-1000000}
if [ "$(id -u)" -ne 0 ]; then echo "skip million-files: it mounts a disk of its own"; exit 0; fi
work=$(mktemp -d /var/tmp/caisson-million-XXXXXX)
trap 'cd /; umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 3' HUP INT TERM
bad=0
check() { name=$1; shift; if "$@"; then echo "ok long/million-files $name"; else echo "not ok long/million-files $name"; bad=1; fi; }
truncate -s 12G "$work/disk.img"
# small blocks and inodes: a million files in little room
mke2fs -q -F -t ext4 -b 1024 -i 4096 -I 256 "$work/disk.img" || exit 3
mkdir "$work/disk"
mount -o loop "$work/disk.img" "$work/disk" || exit 3
cd "$work/disk" || exit 3
age-keygen -o site.key 2>/dev/null

# took NAME COMMAND...: prints seconds and memory; $memory in KiB, $seconds.
took() {
	name=$1
	shift
	/usr/bin/time -f '%M %e' -o took "$@" >said 2>&1 || { echo "not ok long/million-files $name: $(tail -n 3 said)"; bad=1; }
	memory=$(tail -n 1 took | cut -d ' ' -f 1) seconds=$(tail -n 1 took | cut -d ' ' -f 2)
	echo "# $name: $seconds s, $((memory / 1024)) MiB"
}
# shellcheck disable=SC2317 # called by check
under() { [ "$memory" -lt $(($1 * 1024)) ]; }

quarter=$((files / 4))
"$make_many" "$quarter" tree
"$CAISSON" repository init small --recipient "$(age-keygen -y site.key)" >/dev/null
took "backup of $quarter" "$CAISSON" backup --repository small --key own.key "$PWD/tree"
small=$memory
rm -rf small tree
"$make_many" "$files" tree
"$CAISSON" repository init repository --recipient "$(age-keygen -y site.key)" >/dev/null
took "backup of $files" "$CAISSON" backup --repository repository --key own.key "$PWD/tree"
echo "# slope of the backup's memory: $(((memory - small) * 1000000 / (files - quarter) / 1024)) MiB a million files"
check "backup: under 256 MiB" under 256
took "backup again" "$CAISSON" backup --repository repository --key own.key "$PWD/tree"
check "again: under 256 MiB" under 256
took "verify" "$CAISSON" verify --repository repository --identity site.key
check "verify: under 256 MiB" under 256
mkdir one all
middle=$(find tree -name "file-$(printf %07d $((files / 2))).txt")
took "restore one" "$CAISSON" restore --repository repository --identity site.key --target one --path "$PWD/$middle" latest
check "restore one: it is the file" cmp -s "one$PWD/$middle" "$middle"
check "restore one: in less than a second" [ "${seconds%.*}" -lt 1 ]
took "restore all" "$CAISSON" restore --repository repository --identity site.key --target all latest
check "restore all: under 256 MiB" under 256
check "restore all: the same tree" sh -c "[ \"\$(cd tree && find . -type f -exec cat {} + | sort | sha256sum)\" = \"\$(cd 'all$PWD/tree' && find . -type f -exec cat {} + | sort | sha256sum)\" ]"
took "prune" "$CAISSON" prune --repository repository --identity site.key --keep-last 1
check "prune: under 256 MiB" under 256
exit $bad

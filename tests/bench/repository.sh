#!/bin/sh
# The repository against the tools one would bring else: restic, borg, tar | zstd and partclone | zstd, on the same data. ROUNDS=3
# times, in turns, each tool on a fresh file system of its own. Two sets of data: SET=files, 40,000 files of this machine, about
# 2.6 GB; SET=image, a disk of 4 GB with an ext4 file system, half full. Ours and theirs are encrypted; tar and partclone are not.
# Lines "name value unit": seconds of processor (.cpu) and of the clock (.wall), bytes stored and of memory for each tool, and
# from each round the ratios to the bars (tests/bench/bars). Takes 25 GB in /var/tmp.
# shellcheck source=common disable=SC2016 # scripts for an inner shell are in single quotes
. "$(dirname "$0")/common"

rounds=${ROUNDS:-3}
sets=${SET:-files image}
# Small enough to be tried: FILES=1000 MEGABYTES=60.
files=${FILES:-40000}
megabytes=${MEGABYTES:-2600}
for program in restic borg partclone.extfs zstd age-keygen; do
	command -v "$program" >/dev/null || die "$program is not installed"
done
data=$tmp/data
mkdir "$data" "$tmp/disks"
age-keygen -o "$tmp/site.key" 2>/dev/null
recipient=$(age-keygen -y "$tmp/site.key")
export RESTIC_PASSWORD=bench BORG_PASSPHRASE=bench XDG_CACHE_HOME="$tmp/cache" BORG_BASE_DIR="$tmp/cache/borg"
clean_up() {
	cd /
	for tool in caisson plain restic borg tar partclone; do umount "$tmp/disks/$tool" 2>/dev/null; done
	rm -rf "$tmp"
}
trap clean_up EXIT

# Files of this machine in an order that is the same each time, large and small in the mix that brings both numbers about.
make_files() {
	find /usr -xdev -type f -size -200M -printf '%s %p\n' 2>/dev/null | LC_ALL=C sort -k 2 |
		awk -v files="$files" -v bytes="$((megabytes * 1000000))" '
			{ size[NR] = $1; sub(/^[0-9]+ /, ""); path[NR] = $0 }
			END {
				srand(1)
				for (i = NR; i > 1; i--) { j = int(rand() * i) + 1; t = path[i]; path[i] = path[j]; path[j] = t; t = size[i]; size[i] = size[j]; size[j] = t }
				for (i = 1; i <= NR && n < files; i++) {
					# a large one only while the sum is behind
					if (size[i] > 100000 && sum + size[i] > bytes * (n + files / 50) / files) continue
					print path[i]; n++; sum += size[i]
				}
			}' >"$tmp/list"
	(cd / && tar -cf - -T "$tmp/list") 2>/dev/null | tar -C "$data" -xf -
	echo "files: $(find "$data" -type f | wc -l), $(du -s --apparent-size -m "$data" | cut -f 1) MiB" >&2
}
change_files() { # 2 of 100 get a line more
	find "$data" -type f | LC_ALL=C sort | awk -v round="$1" '(NR + round) % 50 == 0' | while IFS= read -r file; do echo "round $1" >>"$file"; done
}
make_image() {
	truncate -s "$((megabytes * 1540))K" "$data/disk"
	mke2fs -q -F -t ext4 -d "$tmp/half" "$data/disk" || die "there is no disk image"
	rm -rf "$tmp/half"
	echo "image: $(stat -c %s "$data/disk") bytes, $(du -m "$data/disk" | cut -f 1) MiB of it there" >&2
}
change_image() { # 2 of 100 MiB, in 40 places
	size=$(($(stat -c %s "$data/disk") / 1048576))
	for i in $(seq 1 40); do
		dd if=/dev/urandom of="$data/disk" bs=1M count=$((size / 2000 + 1)) seek=$((size / 50 + i * size / 42)) conv=notrunc status=none
	done
}

# fresh TOOL: an empty file system at $tmp/disks/TOOL.
fresh() {
	umount "$tmp/disks/$1" 2>/dev/null
	mkdir -p "$tmp/disks/$1"
	rm -f "$tmp/disks/$1.img"
	truncate -s 12G "$tmp/disks/$1.img"
	mke2fs -q -F -t ext4 -m 0 -E assume_storage_prezeroed=1 "$tmp/disks/$1.img" || die "mke2fs"
	mount -o loop "$tmp/disks/$1.img" "$tmp/disks/$1" || die "mount"
	cd "$tmp/disks/$1" || die "cd"
}
# measure NAME TOOL INPUT COMMAND...: prints .cpu and .wall; the same go into $tmp/round, memory with them. What it reads (all below INPUT)
# is in memory before, and nothing else: so for every tool alike.
measure() {
	name=$1 tool=$2 input=$3
	shift 3
	sync
	echo 3 >/proc/sys/vm/drop_caches
	find "$input" -type f -exec cat {} + >/dev/null
	/usr/bin/time -f '%U %S %e %M' -o "$tmp/time" "$@" >"$tmp/out" 2>&1 || { tail -n 5 "$tmp/out" >&2; die "$name: $tool: $*"; }
	tail -n 1 "$tmp/time" | awk -v name="$name" -v tool="$tool" -v set="$set" '{
		printf "repository.%s.%s.%s.cpu %.2f seconds\n", set, name, tool, $1 + $2
		printf "repository.%s.%s.%s.wall %.2f seconds\n", set, name, tool, $3
		print name, tool, $1 + $2, $3, $4 * 1024 >>"'"$tmp/round"'" }'
}
stored() { # NAME TOOL FOLDER
	bytes=$(du -s -B 1 --apparent-size "$3" | cut -f 1)
	echo "repository.$set.$1.$2.stored $bytes bytes"
	echo "$1-stored $2 $bytes" >>"$tmp/round"
}
# From $tmp/round: ratios to the better, or to the one named, of cpu and of wall.
ratios() {
	awk -v set="$set" '
		{ cpu[$1, $2] = $3; wall[$1, $2] = $4; memory[$1, $2] = $5 }
		function say(name, ours, theirs) { if (theirs > 0) printf "ratio.%s.%s %.3f times\n", set, name, ours / theirs }
		function both(name, what, mine, peer) {
			say(name ".cpu", cpu[what, mine], cpu[what, peer]); say(name ".wall", wall[what, mine], wall[what, peer]) }
		function better(name, what,    peer) {
			peer = cpu[what, "restic"] < cpu[what, "borg"] ? "restic" : "borg"; say(name ".cpu", cpu[what, "caisson"], cpu[what, peer])
			peer = wall[what, "restic"] < wall[what, "borg"] ? "restic" : "borg"; say(name ".wall", wall[what, "caisson"], wall[what, peer]) }
		END {
			both("first-to-restic", "first", "caisson", "restic"); both("first-to-borg", "first", "caisson", "borg")
			both("first-to-tar-zstd", "first", "caisson", "tar"); both("encrypted-to-plain", "first", "caisson", "plain")
			better("again-to-better", "again"); better("changed-to-better", "changed")
			better("restore-to-better", "restore"); both("restore-to-tar", "restore", "caisson", "tar")
			better("durable-to-better", "durable"); both("durable-to-tar", "durable", "caisson", "tar")
			better("verify-to-better", "verify"); both("verify-to-zstd-t", "verify", "caisson", "tar")
			both("image-to-partclone-zstd", "first", "plain", "partclone")
			say("stored-to-restic", cpu["first-stored", "caisson"], cpu["first-stored", "restic"])
			printf "repository.%s.first.caisson.memory %d bytes\n", set, memory["first", "caisson"]
			printf "repository.%s.restore.caisson.memory %d bytes\n", set, memory["restore", "caisson"]
			printf "repository.%s.verify.caisson.memory %d bytes\n", set, memory["verify", "caisson"]
		}' "$tmp/round"
}

round() {
	: >"$tmp/round"
	rm -rf "$tmp/cache"
	fresh caisson
	"$CAISSON" repository init repository --recipient "$recipient" >/dev/null
	measure first caisson "$data" "$CAISSON" backup --repository repository --key own.key "$data"
	stored first caisson repository
	measure again caisson "$data" "$CAISSON" backup --repository repository --key own.key "$data"
	fresh plain
	"$CAISSON" repository init repository >/dev/null
	measure first plain "$data" "$CAISSON" backup --repository repository "$data"
	fresh restic
	restic init -q -r repository >/dev/null
	measure first restic "$data" restic -q -r repository backup "$data"
	stored first restic repository
	measure again restic "$data" restic -q -r repository backup "$data"
	fresh borg
	borg init -e repokey-blake2 repository 2>/dev/null
	measure first borg "$data" borg create repository::first "$data"
	stored first borg repository
	measure again borg "$data" borg create repository::again "$data"
	fresh tar
	measure first tar "$data" sh -c 'tar -C "$1" -cSf - . | zstd -q -3 -T2 -o tar.zst' - "$data"
	stored first tar tar.zst
	if [ "$set" = image ]; then
		fresh partclone
		measure first partclone "$data" sh -c 'partclone.extfs -c -s "$1" -o - -L /dev/null 2>/dev/null | zstd -q -3 -T2 -o disk.zst' - "$data/disk"
		stored first partclone disk.zst
	fi
	"change_$set" "$1"
	cd "$tmp/disks/caisson" && measure changed caisson "$data" "$CAISSON" backup --repository repository --key own.key "$data"
	cd "$tmp/disks/restic" && measure changed restic "$data" restic -q -r repository backup "$data"
	cd "$tmp/disks/borg" && measure changed borg "$data" borg create repository::changed "$data"
	# As they come none of the others waits for the disk; then all do.
	cd "$tmp/disks/caisson" && mkdir back durable && measure restore caisson repository "$CAISSON" restore --repository repository --identity "$tmp/site.key" --no-sync --target back latest
	diff -rq "$data" "back$data" >&2 || die "what caisson restored differs"
	measure durable caisson repository "$CAISSON" restore --repository repository --identity "$tmp/site.key" --target durable latest
	cd "$tmp/disks/restic" && mkdir back durable && measure restore restic repository restic -q -r repository restore latest --target back
	measure durable restic repository sh -c 'restic -q -r repository restore latest --target durable && sync -f durable'
	cd "$tmp/disks/borg" && mkdir back durable && cd back && measure restore borg ../repository borg extract ../repository::changed
	cd ../durable && measure durable borg ../repository sh -c 'borg extract ../repository::changed && sync -f .'
	cd "$tmp/disks/tar" && mkdir back durable && measure restore tar tar.zst sh -c 'zstd -qdc tar.zst | tar -C back -xSf -'
	measure durable tar tar.zst sh -c 'zstd -qdc tar.zst | tar -C durable -xSf - && sync -f durable'
	cd "$tmp/disks/caisson" && measure verify caisson repository "$CAISSON" verify --repository repository --identity "$tmp/site.key" --all
	cd "$tmp/disks/restic" && measure verify restic repository restic -q -r repository check --read-data
	cd "$tmp/disks/borg" && measure verify borg repository borg check --verify-data repository
	cd "$tmp/disks/tar" && measure verify tar tar.zst zstd -qt tar.zst
	ratios
}

for set in $sets; do
	rm -rf "$data"
	mkdir "$data"
	make_files
	if [ "$set" = image ]; then
		mv "$data" "$tmp/half"
		mkdir "$data"
		make_image
	fi
	for number in $(seq 1 "$rounds"); do round "$number"; done
	cd /
done

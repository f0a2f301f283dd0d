#!/bin/sh
# restore.sh: what a restore says before it writes, what it leaves when it stops, and where not all can be held.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
# run COMMAND...: of caisson; exit code in $status, words in said, what is for programs in out.
run() { "$CAISSON" "$@" >out 2>said; status=$?; }
is_empty() { [ -z "$(ls -A "$1")" ]; }
is_root() { [ "$(id -u)" -eq 0 ]; }
empty() { rm -rf "$1" && mkdir "$1"; }

# --- names that a file system does not have ---
mkdir -p "odd/fol:der/sub" odd/plain
echo one >"odd/fol:der/sub/first"
ln "odd/fol:der/sub/first" odd/plain/second
echo two >odd/plain/two
ln -s two odd/plain/link
echo three >'odd/what?'
echo four >odd/CON
echo five >odd/dot.
echo six >"odd/$(printf 'not\377utf8')"
run repository init names
run backup --repository names "$work/odd"
names="--repository names --strip $work/odd"
mkdir back
# shellcheck disable=SC2086 # $names are words
run restore $names --target back --skip-unsupported --json latest
check "a file system that has all names" [ "$status/$(jq .left_out out)" = 0/0 ]
check "and all are there" [ "$(find back | wc -l)" -eq "$(find odd | wc -l)" ]
empty back
# shellcheck disable=SC2086
run restore $names --target back --no-sync latest
check "without waiting for the disk" [ "$status" -eq 0 ]
check "all are there, and nothing else" [ "$(find back | wc -l)" -eq "$(find odd | wc -l)" ]
# names_on NAME: what is mounted at mnt refuses some of them
names_on() {
	# shellcheck disable=SC2086
	{
		run restore $names --target mnt --dry-run latest
		refused "$1: a dry run" 1 CSN-R012
		check "$1: names all of them" [ "$(grep -c '^would fail: /.*/odd/' said)" -eq "$2" ]
		check "$1: and writes nothing" is_empty mnt
		run restore $names --target mnt latest
		refused "$1: a restore" 1 CSN-R012
		check "$1: says how many" grep -q "of $2 paths" said
		check "$1: and has written nothing" is_empty mnt
		run restore $names --target mnt --skip-unsupported --dry-run latest
		refused "$1: a dry run without them" 1 CSN-R012
		check "$1: says what would be left out" grep -q "would leave out $2 paths" said
		run restore $names --target mnt --skip-damaged latest
		refused "$1: a name is no damage" 1 CSN-R012
		run restore $names --target mnt --skip-unsupported --without-root --json latest
		refused "$1: the rest" 1 CSN-R012
		check "$1: what is left out is counted" [ "$(jq .left_out out)" -eq "$2" ]
		check "$1: and named" [ "$(grep -c '^left out: /' said)" -eq "$2" ]
		check "$1: the rest is there" cmp odd/plain/two mnt/plain/two
	}
}
# Which of these a machine can mount is its kernel's.
mkdir mnt
truncate -s 64M ntfs.img fat.img exfat.img
if is_root && mkntfs -F -Q ntfs.img >held 2>&1 && ntfs-3g -o windows_names ntfs.img mnt 2>held; then
	names_on ntfs 7
	check "ntfs: a second name of what is left out has the content" cmp odd/fol:der/sub/first mnt/plain/second
	check "ntfs: links" [ "$(readlink mnt/plain/link)" = two ]
	umount mnt
else
	echo "skip ntfs: it cannot be mounted"
fi
if is_root && mkfs.vfat fat.img >held 2>&1 && mount -o loop,utf8 fat.img mnt 2>held; then
	names_on vfat 8
	umount mnt
else
	echo "# vfat: this kernel has none; its rules are in unit/repository/restore_fit"
fi
if is_root && mkfs.exfat exfat.img >held 2>&1 && mount -o loop exfat.img mnt 2>held; then
	names_on exfat 8
	umount mnt
elif is_root && loop=$(losetup -f --show exfat.img) && mount.exfat-fuse "$loop" mnt >held 2>&1; then
	names_on exfat-fuse 7
	umount mnt
	losetup -d "$loop"
else
	echo "skip exfat: it cannot be mounted"
fi

# --- a dry run says whatever a restore would stop at ---
if is_root; then
	mkdir rights
	echo x >rights/file
	chown 1234:5678 rights/file
	setfattr -n trusted.secret -v x rights/file
	mknod rights/device c 1 3
	run repository init rights-repository
	run backup --repository rights-repository "$work/rights"
	chmod -R a+rX . && cp "$CAISSON" caisson
	mkdir theirs
	chown 65534:65534 theirs
	as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups ./caisson "$@" >out 2>said; status=$?; }
	rights="--repository rights-repository --strip $work/rights --target theirs"
	# shellcheck disable=SC2086
	{
		as_nobody restore $rights --dry-run latest
		check "dry run without root: it would fail" [ "$status" -ne 0 ]
		for what in 'its owner cannot be kept' 'an attribute of it' 'a device cannot be made'; do
			check "dry run without root: $what" grep -q "^would fail: .*$what" said
		done
		dry=$status
		as_nobody restore $rights latest
		check "and so it does" [ "$status/$dry" = 3/3 ]
		rm -rf theirs/*
		as_nobody restore $rights --dry-run --without-root latest
		check "dry run --without-root: it would go" [ "$status" -eq 0 ]
		as_nobody restore $rights --without-root latest
		check "and so it does, too" [ "$status" -eq 0 ]
	}
	mkdir mine
	as_nobody restore --repository rights-repository --target mine --dry-run --without-root latest
	refused "dry run: a target of somebody else" 3 CSN-S006
	mkdir mnt-ro
	mount -t tmpfs -o ro caisson-test mnt-ro
	run restore --repository rights-repository --target mnt-ro --dry-run latest
	refused "dry run: a target that is read-only" 3 CSN-S006
	umount mnt-ro
fi

# --- what it leaves when it stops ---
# All that stands in a folder under a name of the snapshot is as it was backed up.
only_whole() {
	(cd "$1" && find . -type f ! -name 'INCOMPLETE-*' -exec sha256sum {} +) | while read -r sum name; do
		[ "$sum" = "$(sha256sum <"whole/$name" | cut -d ' ' -f 1)" ] || { echo "$name is not whole" && false; } || exit 1
	done
}
marker() { ls "$1"/INCOMPLETE-*.txt; }
mkdir whole stopped
head -c 20000000 /dev/urandom >whole/b-large
ln whole/b-large whole/c-again
ln whole/b-large whole/d-and-again
for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/urandom >"whole/a-$i"; head -c 1000000 /dev/urandom >"whole/e-$i"; done
touch -d '2001-02-03 04:05:06' whole
run repository init stops
run backup --repository stops "$work/whole"
cp -r stops hurt
pack=$(find hurt/packs -type f -size +20M)
printf 'not what was there' | dd of="$pack" bs=1 seek=25000000 conv=notrunc status=none
stop() { run restore --repository "$1" --strip "$work/whole" --target "$2" latest; }
stop hurt stopped
refused "a restore stops at damage" 1 CSN-R004
check "says that the folder is incomplete" grep -q 'stopped is incomplete' said
check "says what to do, in order" grep -q 'verify --all.*caisson repair.*restore --skip-damaged' said
check "what stands there is whole" only_whole stopped
check "and it says so itself" grep -q 'does not hold all' "$(marker stopped)"
stop stops stopped
refused "the next restore does not mix with it" 1 CSN-R008
empty stopped
run restore --repository hurt --strip "$work/whole" --target stopped --skip-damaged latest
check "a restore that goes past damage comes to its end" sh -c '! ls stopped/INCOMPLETE-*'
empty stopped
stop stops stopped
check "a restore that comes to its end" [ "$status" -eq 0 ]
check "leaves nothing of its own" diff -r whole stopped
check "and the folder has its time" [ "$(stat -c %y whole)" = "$(stat -c %y stopped)" ]
run restore --repository stops --target stopped latest
refused "a folder with something in it" 1 CSN-R008
empty stopped
run restore --repository stops --target stopped --path /nowhere latest
refused "a path that is not in the snapshot" 2 CSN-S005
check "leaves nothing" is_empty stopped
if is_root && mount -t tmpfs -o size=15m caisson-test mnt; then
	stop stops mnt
	refused "a full disk" 3 CSN-S004
	check "a full disk: what stands there is whole" only_whole mnt
	check "a full disk: and it says that it is not all" marker mnt
	umount mnt
	mount -t tmpfs -o size=15m caisson-test mnt
	cp -r stops hurt-early
	pack=$(find hurt-early/packs -type f -size +20M)
	printf 'not what was there' | dd of="$pack" bs=1 seek=2500000 conv=notrunc status=none
	run restore --repository hurt-early --strip "$work/whole" --target mnt --skip-damaged latest
	refused "a full disk, past damage" 3 CSN-S004
	check "a full disk, past damage: what stands there is whole" only_whole mnt
	umount mnt
fi
# Killed as soon as it has begun: it may have come to its end before, and then all is there.
for kind in KILL TERM; do
	empty stopped
	"$CAISSON" restore --repository stops --strip "$work/whole" --target stopped latest >said 2>&1 &
	child=$!
	until marker stopped >held 2>&1 || ! kill -0 $child 2>/dev/null; do :; done
	kill -$kind $child 2>/dev/null
	wait $child 2>/dev/null
	check "$kind: it says that it is not all, or it is" sh -c 'ls stopped/INCOMPLETE-*.txt || diff -r whole stopped'
done
exit $failed

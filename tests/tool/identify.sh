#!/bin/sh
# identify.sh: `caisson identify` on folders and on disks of files; what is found, what is refused, and that nothing is
# written. CAISSON is the program (default out/caisson). Disks need root and loop devices.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
CAISSON=${CAISSON:-$top/out/caisson}
case $CAISSON in /*) ;; *) CAISSON=$PWD/$CAISSON ;; esac
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d /tmp/caisson-identify-XXXXXX)
trap 'umount "$work/mnt" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 3
failed=0

good() { echo "ok $1"; }
bad() {
	failed=1
	echo "not ok $1: $2"
}

# found NAME WORDS ARGUMENT...: ends with 0, all words stand in the answer, nothing on stderr.
found() {
	name=$1 words=$2
	shift 2
	"$CAISSON" identify "$@" >stdout 2>stderr
	status=$?
	if [ "$status" -ne 0 ]; then
		bad "$name" "exit code $status: $(head -n 2 stderr)"
	elif [ -s stderr ]; then
		bad "$name" "says on stderr: $(head -n 1 stderr)"
	elif ! tr '\n' ' ' <stdout | grep -q "$words"; then
		bad "$name" "no \"$words\" in: $(cat stdout)"
	else
		good "$name"
	fi
}

# refused NAME CODE EXIT WORDS ARGUMENT...: ends with this code and exit code, says why and what to do.
refused() {
	name=$1 code=$2 expected=$3 words=$4
	shift 4
	"$CAISSON" identify "$@" >stdout 2>stderr
	status=$?
	if [ "$status" -ne "$expected" ]; then
		bad "$name" "exit code $status, expected $expected: $(head -n 2 stderr)"
	elif ! grep -q "^caisson: $code: .*$words" stderr; then
		bad "$name" "expected $code with \"$words\": $(head -n 2 stderr)"
	elif ! grep -q '^  do: .' stderr; then
		bad "$name" "does not say what to do"
	else
		good "$name"
	fi
}

# unchanged NAME FILE: the file's hash is the one that `remember FILE` wrote down.
remember() { sha256sum "$1" >"$1.hash"; }
unchanged() {
	if sha256sum -c --quiet "$2.hash" >/dev/null 2>&1; then
		good "$1"
	else
		bad "$1" "$2 was written"
	fi
}

cat >tiny.profile <<'END'
[profile]
name = tiny
[program]
search = /opt/tiny, /srv/tiny-*
version-file = VERSION
version-pattern = ^([0-9.]+)$
[database]
engine = none
[services]
units = tiny.service
[health]
url = http://127.0.0.1/
END
mkdir -p profiles root/opt/tiny root/etc root/var
cp tiny.profile profiles/
echo 4.2 >root/opt/tiny/VERSION
printf 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' >root/etc/os-release
echo harbour >root/etc/hostname

# --- folders

printf 'ID=debian\nPRETTY_NAME="Debian\033[2J\302\233 12"\n' >root/etc/os-release
found "control characters of the server's are shown, not sent" 'system: Debian\\x1b\[2J\\xc2\\x9b 12' --root root --profile tiny.profile
printf 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n' >root/etc/os-release
tree() { (cd root && find . -printf '%y %m %s %T@ %p\n' | LC_ALL=C sort); }
tree >before
found "folder" 'tiny 4.2 in /opt/tiny on root .*Debian GNU/Linux 12 (bookworm), host harbour' --root root --profile tiny.profile
found "folder of profiles" 'tiny 4.2 in /opt/tiny' --root root --profiles profiles
found "folder as JSON" '"version":"4.2","program_root":"/opt/tiny"' --root root --profile tiny.profile --json
refused "no installation" CSN-T002 1 'tiny: /opt/tiny, /srv/tiny-\* are not there' --root profiles --profile tiny.profile
refused "no profile" CSN-T002 1 'no profile' --root root
refused "no such folder" CSN-S005 2 'absent' --root absent --profile tiny.profile
refused "no such profile" CSN-S005 2 'absent.profile' --root root --profile absent.profile
sed 's/^units/unit/' tiny.profile >mistyped.profile
refused "a mistyped key" CSN-J003 2 'line 10: there is no key "unit" in \[services\]' --root root --profile mistyped.profile
{ cat tiny.profile && echo 'url = http://127.0.0.1/again'; } >twice.profile
refused "a key given twice" CSN-J004 2 '"url" in \[health\] was already given' --root root --profile twice.profile
refused "root and disk" CSN-U001 2 'exclude each other' --root root --disk label:x
refused "unknown option" CSN-U001 2 'rot' --rot root
tree >after
if cmp -s before after; then good "the folder is untouched"; else bad "the folder is untouched" "$(diff before after | head -n 3)"; fi
mkdir root/srv root/srv/tiny-3
echo 3.0 >root/srv/tiny-3/VERSION
refused "two installations" CSN-T003 1 '2 installations fit: tiny 4.2 in /opt/tiny on root; tiny 3.0 in /srv/tiny-3 on root' \
	--root root --profile tiny.profile
rm -r root/srv

# --- disks

if [ "$(id -u)" -ne 0 ] || [ ! -w /dev/loop-control ]; then
	refused "disks without root" CSN-S006 3 'needs root' --profile tiny.profile
	echo "skip disks: needs root and loop devices"
	exit $failed
fi

# disk FILE FOLDER FOLDER: a GPT disk of 64 MB with a partition for each folder, ext4.
disk() {
	truncate -s 64M "$1"
	printf 'label: gpt\nsize=24MiB, name=first\nsize=24MiB, name=second\n' | sfdisk -q "$1"
	number=1
	for folder in "$2" "$3"; do
		truncate -s 24M part.img
		mkfs.ext4 -q -F -L "part$number" -d "$folder" part.img
		dd if=part.img of="$1" bs=1M seek=$((1 + 24 * (number - 1))) conv=notrunc,sparse status=none
		rm part.img
		number=$((number + 1))
	done
}

mkdir -p data/lib empty
: >data/lib/file
printf 'LABEL=part2 /var ext4 defaults 0 2\nUUID=0000-0000 /boot/efi vfat defaults 0 1\n' >root/etc/fstab
disk one.img root data
remember one.img
found "disk image" 'loop[0-9]*p1 *25.2 MB  ext4  label part1 .*tiny 4.2 in /opt/tiny on /dev/loop[0-9]*p1 .*for /boot/efi is on no disk' \
	--disk "image:$work/one.img" --profile tiny.profile
found "disk image as JSON" '"type":"ext4".*"label":"part2".*"part_label":"second".*"volume":"/dev/loop' \
	--disk "image:$work/one.img" --profile tiny.profile --json
unchanged "the disk is unwritten" one.img
refused "disk that is not there" CSN-T001 1 'the disk "serial:nobody-has-this" is not there; there is: ' \
	--disk serial:nobody-has-this --profile tiny.profile
refused "image that is not there" CSN-T001 1 'absent.img' --disk "image:$work/absent.img" --profile tiny.profile
refused "disk named by nothing known" CSN-J005 2 'is not named as' --disk /dev/sda --profile tiny.profile

disk two.img root root
remember two.img
refused "two systems on a disk" CSN-T003 1 '2 installations fit: tiny 4.2 in /opt/tiny on /dev/loop[0-9]*p1; tiny 4.2' \
	--disk "image:$work/two.img" --profile tiny.profile
unchanged "the disk with two is unwritten" two.img

disk none.img empty data
refused "a disk without a system" CSN-T002 1 'no system' --disk "image:$work/none.img" --profile tiny.profile

# Two disks of one label are there at once: the name is refused, both are named.
disk again.img root data
first=$(losetup -f --show -P one.img)
second=$(losetup -f --show -P again.img)
for loop in "$first" "$second"; do [ -e "${loop}p1" ] || partx -a "$loop"; done
refused "a name that fits two disks" CSN-T009 1 "fits 2: ${first}p1, ${second}p1" --disk label:part1 --profile tiny.profile
losetup -d "$first" "$second"
unchanged "neither is written" one.img

# unclean MAKE TYPE: a file system copied while it is mounted, its journal full. It is read, said to be unclean, unwritten.
mkdir mnt
unclean() {
	truncate -s 160M live.img
	$1 live.img >/dev/null
	loop=$(losetup -f --show live.img)
	mount -t "$2" "$loop" mnt
	cp -a root/. mnt/
	rm mnt/etc/fstab
	sync -f mnt
	cp --sparse=always live.img "early-$2.img"
	umount mnt
	mount -t "$2" "$loop" mnt
	: >mnt/etc/late
	sync mnt/etc/late
	cp --sparse=always live.img "unclean-$2.img"
	umount mnt
	losetup -d "$loop"
	rm live.img
	remember "unclean-$2.img"
	found "unclean $2" 'tiny 4.2 in /opt/tiny .*was not unmounted cleanly' --disk "image:$work/unclean-$2.img" --profile tiny.profile
	unchanged "unclean $2 is unwritten" "unclean-$2.img"
}
unclean "mkfs.ext4 -q -F" ext4
unclean "env TEST_DIR=x TEST_DEV=x QA_CHECK_FS=x mkfs.xfs -q" xfs
# XFS leaves all in its log for a while: without it there is nothing to see, and that is said.
remember early-xfs.img
refused "an unclean xfs that shows nothing" CSN-T005 1 'was not unmounted cleanly' --disk "image:$work/early-xfs.img" \
	--profile tiny.profile
unchanged "it is unwritten" early-xfs.img
unclean "mkfs.btrfs -q" btrfs

if losetup -a | grep -q "$work"; then bad "no loop device is left" "$(losetup -a)"; else good "no loop device is left"; fi
if grep -q /run/caisson/mnt /proc/self/mountinfo; then bad "no mount is left" "$(cat /proc/self/mountinfo)"; else good "no mount is left"; fi
exit $failed

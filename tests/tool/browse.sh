#!/bin/sh
# browse.sh: what a snapshot holds, without bringing it back: ls, diff, export, restore --dry-run, verify --sample.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
# run COMMAND...: of caisson; exit code in $status, words in said, what is for programs in out.
run() { "$CAISSON" "$@" >out 2>said; status=$?; }
# look FOLDER: all that find, sha256sum and getfattr tell of a tree
look() {
	(
		cd "$1" || exit 1
		find . ! -type s -printf '%P|%y|%m|%U:%G|%T@|%n|%l|' \( -type d -printf '\n' -o -printf '%s\n' \) | LC_ALL=C sort
		find . -type f -exec sha256sum {} + | LC_ALL=C sort
		getfattr -dhR -m '^user' . 2>/dev/null
	)
}

mkdir -p tree/folder tree/other
printf 'some text\n' >tree/text
ln tree/text tree/folder/again
ln -s ../text tree/folder/link
mkfifo tree/folder/fifo
: >tree/empty
truncate -s 20M tree/sparse
printf middle | dd of=tree/sparse bs=1 seek=7000000 conv=notrunc status=none
truncate -s 3M tree/hole # nothing else
head -c 9000000 /dev/urandom >tree/other/noise
printf x >"tree/other/$(printf 'n\303\244me and \377 and\nline')"
name=$(printf '%0250d' 0)
printf long >"tree/other/$name"
chmod 4711 tree/text
setfattr -n user.colour -v blue tree/text
touch -d '2001-02-03 04:05:06.789012345' tree/text
touch -d '1950-06-07 08:09:10.5' tree/empty
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un("tree/socket")) or die'
look tree >tree.look
age-keygen -o site.key 2>/dev/null
run repository init repository --recipient "$(age-keygen -y site.key)"
run backup --repository repository --key own.key --json "$work/tree"
first=$(jq -r .snapshot out)
keys="--repository repository --identity site.key"

# --- ls ---
# shellcheck disable=SC2086 # $keys are words
{
	run ls $keys --json latest
	check "ls: every entry" [ "$(jq -rs 'map(.path // "odd") | length' out)" = "$(find tree -printf x | wc -c)" ]
	check "ls: size and mode" [ "$(jq -r 'select(.path and (.path | endswith("/noise"))) | .size, .mode, .type' out | tr '\n' ' ')" = "9000000 0644 file " ]
	check "ls: two names of one file" [ "$(jq -r 'select(.hardlink) | .path + " " + .hardlink' out)" = "$work/tree/text $work/tree/folder/again" ]
	check "ls: a name that is no UTF-8" [ "$(jq -r '.path64 // empty' out | base64 -d | tail -c 5)" = '
line' ]
	run ls $keys latest "$work/tree/folder"
	check "ls of a folder, for people" grep -q '^-rws--x--x .* 10 2001-02-03T04:05:06Z /.*/tree/folder/again$' out
	check "ls of a folder: nothing else" [ "$(grep -c /tree/folder out)/$(wc -l <out)" = 4/4 ]
	check "ls: links" grep -q '/folder/link -> ../text$' out
	run ls $keys latest "$work/tree/other"
	check "ls: no control characters" grep -q ' and \\xff and\\x0aline$' out
	run ls $keys latest /nowhere
	refused "ls of a path that is not there" 2 CSN-S005
	run ls $keys 0123abcd
	refused "ls of no snapshot" 2 CSN-R005
	run ls --repository repository latest
	refused "ls without a key" 2 CSN-R010
}

# --- diff ---
echo more >>tree/other/noise
rm tree/empty
mkdir tree/new
chmod 700 tree/folder
run backup --repository repository --key own.key --json "$work/tree"
second=$(jq -r .snapshot out)
# shellcheck disable=SC2086
{
	run diff $keys "$first" "$second"
	check "diff: there is one" [ "$status" -eq 1 ]
	check "diff: new" grep -qx "+ $work/tree/new" out
	check "diff: gone" grep -qx -- "- $work/tree/empty" out
	check "diff: content" grep -qE "^M $work/tree/other/noise \(.*content" out
	check "diff: mode" grep -qE "^M $work/tree/folder \(.*mode" out
	check "diff: sums" grep -qE '^added: 1, removed: 1, modified: [3-5]$' out
	run diff $keys --json --path "$work/tree/other" "$first" latest
	check "diff of a part, as JSON" [ "$(jq -r 'select(.path) | .path + " " + .aspects' out | grep -c 'noise.*content')/$(jq -s 'length' out)" = 1/2 ]
	run diff $keys "$second" latest
	check "diff with itself: none" [ "$status/$(cat out)" = "0/added: 0, removed: 0, modified: 0" ]
}

# --- export ---
# shellcheck disable=SC2086
{
	run export $keys --output first.tar.zst "$first"
	check "export" [ "$status" -eq 0 ]
	check "export: sockets are told of" grep -q 'left out.*1 sockets' said
	check "export: zstd tests it" zstd -tq first.tar.zst
	mkdir untarred
	zstd -dcq first.tar.zst | tar -C untarred --xattrs --xattrs-include='*' -xpf -
	look "untarred$work/tree" >untarred.look
	check "export: tar brings all back" cmp tree.look untarred.look
	check "export: with holes" [ "$(stat -c %b "untarred$work/tree/sparse")" -lt 400 ]
	run export $keys --output first.tar.zst "$first"
	refused "export to a file that is there" 1 CSN-S012
	check "export to a file that is there: it stays" zstd -tq first.tar.zst
	run export $keys --output part.tar.zst --path "$work/tree/other/noise" "$second"
	check "export of a part" [ "$(zstd -dcq part.tar.zst | tar -tf -)" = "${work#/}/tree/other/noise" ]
	"$CAISSON" export $keys --output - "$first" 2>/dev/null | zstd -dcq | tar -tf - >listed
	check "export to a pipe" [ "$(wc -l <listed)" -gt 10 ]
	run export $keys --output none.tar.zst --path /nowhere "$first"
	refused "export of what is not there" 2 CSN-S005
	check "export: no half archive" [ ! -e none.tar.zst ]
	if [ "$(id -u)" -eq 0 ] && mkdir full && mount -t tmpfs -o size=4m caisson-test full; then
		run export $keys --output full/archive.tar.zst "$first"
		refused "export to a full disk" 3 CSN-S004
		check "export to a full disk: says to what" grep -q 'full/archive.tar.zst was not made: writing the archive' said
		check "export to a full disk: no half archive" [ -z "$(ls -A full)" ]
		head -c 3900000 /dev/zero >full/rest # the first write fails
		run export $keys --output full/archive.tar.zst "$first"
		refused "export to a disk that was full before" 3 CSN-S004
		check "export to a disk that was full: no file of no bytes" [ ! -e full/archive.tar.zst ]
		run export $keys --output full/archive.tar.zst --path "$work/tree/folder" "$first"
		check "export of what fits" [ "$status" -eq 0 ]
		: >full/archive.tar.zst
		head -c 500000 /dev/zero >>full/rest 2>held
		"$CAISSON" export $keys --output - --path "$work/tree/folder" "$first" 2>said >>full/archive.tar.zst
		status=$?
		refused "export that fails with its last bytes" 3 CSN-S004
		umount full
	fi
}

# --- restore --dry-run ---
mkdir target
# shellcheck disable=SC2086
{
	run restore $keys --dry-run --json --target target latest
	check "dry run: it would go" [ "$status/$(jq .problems out)/$(jq '.needed_bytes > 9000000 and .needed_bytes < 12000000' out)" = 0/0/true ]
	check "dry run: nothing is written" [ -z "$(ls -A target)" ]
	if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=4m,nr_inodes=8 caisson-test small; then
		run restore $keys --dry-run --target small latest
		refused "dry run: too little room" 3 CSN-S004
		check "dry run: too few inodes" grep -q 'not enough inodes' said
		check "dry run: nothing is written there" [ -z "$(ls -A small)" ]
		umount small
	fi
}
cp -r repository hurt
for pack in hurt/packs/*/*; do [ "$(stat -c %s "$pack")" -lt 5000000 ] || rm "$pack"; done
# shellcheck disable=SC2086
run restore --repository hurt --identity site.key --dry-run --target target latest
refused "dry run: what is lost is named" 1 CSN-R004
check "dry run: which file" grep -qF "would fail: $work/tree/other/noise:" said

# --- verify --sample ---
# shellcheck disable=SC2086
{
	run verify $keys --sample 10 --json
	check "sample: some of it is read" [ "$status/$(jq -r 'select(.level) | .level, (.bytes > 0)' out | tr '\n' ' ')" = '0/sample true ' ]
	run verify $keys --sample 100 --json
	sample=$(jq .bytes out)
	run verify $keys --all --json
	check "sample of all is all" [ "$sample" = "$(jq .bytes out)" ]
	for share in 0 101 -5 x '5x' ''; do
		run verify $keys --sample "$share"
		refused "sample of \"$share\"" 2 CSN-U001
	done
	run verify $keys --sample 5 --structure
	refused "sample and structure" 2 CSN-U001
}
exit $failed

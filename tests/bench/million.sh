#!/bin/sh
# A tree of a million small files: its backup, and one file brought back out of it. Lines "name value unit"; seconds of the clock,
# and bytes of memory at most. FILES=1000000.
# shellcheck source=common
. "$(dirname "$0")/common"

files=${FILES:-1000000}
own_disk 12 -b 1024 -i 4096 -I 256 # small blocks and inodes: a million files in little room
cd "$tmp" || exit 1
"$top/tests/make-many" "$files" tree || die "there is no tree"
age-keygen -o site.key 2>/dev/null
"$CAISSON" repository init repository --recipient "$(age-keygen -y site.key)" >/dev/null
# measure NAME COMMAND...
measure() {
	name=$1
	shift
	/usr/bin/time -f '%e %M' -o time "$@" >said 2>&1 || die "$name: $(tail -n 3 said)"
	tail -n 1 time | awk -v name="million.$name" '{ printf "%s.wall %.2f seconds\n%s.memory %d bytes\n", name, $1, name, $2 * 1024 }'
}
measure backup "$CAISSON" backup --repository repository --key own.key "$tmp/tree"
for number in 1 2 3; do
	path=$(find "$tmp/tree" -name "file-$(printf %07d $((files * number / 4))).txt")
	rm -rf one
	mkdir one
	sync
	echo 3 >/proc/sys/vm/drop_caches
	measure one-file "$CAISSON" restore --repository repository --identity site.key --target one --path "$path" latest
	cmp -s "one$path" "$path" || die "one-file: it is another"
done

#!/bin/sh
# repair-cut.sh: a repair that is killed, or meets a full disk: nothing more is lost than was, and the next one comes to the same end.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
# lost REPOSITORY: the paths that the named snapshots have lost, in the file losses. A repaired one has another id.
lost() {
	"$CAISSON" verify --all --repository "$1" --json 2>/dev/null | jq -r 'select(.path) | .snapshot + " " + .path' | sort >losses
}
# whole NAME SNAPSHOT REPOSITORY FOLDER: it is there and restored as it was
whole() {
	rm -rf back
	mkdir back
	run restore --repository "$3" --target back --strip "$work" "$2"
	check "$1: $4 is restored" diff -r "$4" "back/$4"
}
repaired() { "$CAISSON" snapshots --repository "$1" --json 2>/dev/null | jq -e --arg id "$2" 'any(.snapshots[]; .tags.repaired == $id)'; }

# Three snapshots with packs of their own: the first is whole; the second has lost a chunk; of the third the indexes are damaged.
run repository init hurt
for n in one two three; do
	mkdir $n
	for i in $(seq 1 20); do head -c 700000 /dev/urandom >"$n/file$i"; done
	run backup --repository hurt "$work/$n"
	eval "$n=$(sed -n 's/^snapshot \([0-9a-f]*\)$/\1/p' said)"
	find hurt/packs -type f | sort >packs.now
	[ -e packs.before ] || : >packs.before
	eval "pack_$n=$(comm -13 packs.before packs.now)"
	mv packs.now packs.before
done
# shellcheck disable=SC2154 # by eval
{
	flip "$pack_two" 1000000
	flip "$pack_three" -100
	flip "hurt/snapshots/$three.jsonl.zst" -100
}
lost hurt
mv losses before
check "there is damage" [ -s before ]
cp -r hurt mended
run repair --repository mended
refused "repaired, with a loss" 1 CSN-R004
lost mended
mv losses after
# shellcheck disable=SC2154
{
	whole "repaired" "$one" mended one
	check "the third is repaired" repaired mended "$three"
}

# --- killed at any moment
for delay in 0.002 0.005 0.01 0.02 0.03 0.04 0.06 0.08 0.12 0.2; do
	rm -rf killed
	cp -r hurt killed
	"$CAISSON" repair --repository killed >/dev/null 2>&1 &
	child=$!
	sleep $delay
	kill -9 $child 2>/dev/null
	wait $child 2>/dev/null
	lost killed
	check "killed after $delay s: nothing more is lost" [ -z "$(comm -13 before losses)" ]
	run repair --repository killed
	refused "killed after $delay s: the next comes to its end" 1 CSN-R004
	lost killed
	check "killed after $delay s: the same is lost" [ "$(cut -d ' ' -f 2 losses | sort -u)" = "$(cut -d ' ' -f 2 after | sort -u)" ]
	whole "killed after $delay s" "$one" killed one
	check "killed after $delay s: the third is repaired" repaired killed "$three"
	whole "killed after $delay s" latest killed three
done

# --- on a full disk
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=200m caisson-test small; then
	cp -r hurt small/repository
	head -c 200000000 /dev/zero >small/rest 2>held
	run repair --repository small/repository
	refused "a full disk" 3 CSN-R003
	check "a full disk leaves no leftover" [ -z "$(find small/repository -name '*.tmp')" ]
	lost small/repository
	check "a full disk: nothing more is lost" [ -z "$(comm -13 before losses)" ]
	whole "a full disk" "$one" small/repository one
	rm small/rest
	run repair --repository small/repository
	refused "with room again it comes to its end" 1 CSN-R004
	lost small/repository
	check "with room again: the same is lost" [ "$(cut -d ' ' -f 2 losses | sort -u)" = "$(cut -d ' ' -f 2 after | sort -u)" ]
	whole "with room again" latest small/repository three
	umount small
fi
exit $failed

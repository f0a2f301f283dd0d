#!/bin/sh
# prune.sh: old snapshots go, and what only they needed; what must stay stays; killed at any moment, or on a full disk, nothing that stays is lost.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
has() { "$CAISSON" snapshots --repository "$1" --json 2>/dev/null | jq -e --arg id "$2" "[.snapshots[].id] | index(\$id) != null" >/dev/null; }

# Files of which a part is new each time: packs of which a part is needed.
mkdir tree
generation() {
	for i in $(seq 1 30); do
		if [ ! -e "tree/$i" ] || [ $((i % 3)) -eq $(($1 % 3)) ]; then head -c 400000 /dev/urandom >"tree/$i"; fi
	done
	sums tree >"sums.$1"
}
run repository init plain
for n in 1 2 3 4 5; do
	generation "$n"
	run backup --repository plain --host one "$work/tree"
	eval "id$n=$(snapshot)"
done
mkdir other
echo 'of another set' >other/file
run backup --repository plain --host one "$work/other"
other=$(snapshot)
run backup --repository plain --host two "$work/tree"
two=$(snapshot)
# Two runs of the sequence, the second one with two snapshots.
run backup --repository plain --host three --tag run=R1 --tag application=app --tag machine-id=m "$work/other"
run1=$(snapshot)
for n in a b; do
	echo "$n" >>other/file
	run backup --repository plain --host three --tag run=R2 --tag application=app --tag machine-id=m "$work/other"
	eval "run2$n=$(snapshot)"
done
cp -r plain kept

run prune --repository plain
refused "without a word on what is to stay" 2 CSN-U001
run prune --repository plain --keep-last 2 --dry-run
check "a dry run" [ "$status" -eq 0 ]
# shellcheck disable=SC2154 # by eval
check "names what would go" grep -q "^$(echo "$id1" | cut -c 1-16) .* would go" said
check "and changes nothing" diff -r plain kept
run prune --repository plain --keep-last 2
check "prune" [ "$status" -eq 0 ]
check "frees something" [ "$(du -s plain | cut -f 1)" -lt "$(($(du -s kept | cut -f 1) * 9 / 10))" ]
# shellcheck disable=SC2154 # by eval
for id in $id4 $id5 $other $two $run2a $run2b; do check "$(echo "$id" | cut -c 1-8) is there" has plain "$id"; done
# shellcheck disable=SC2154
for id in $id1 $id2 $id3 $run1; do check "$(echo "$id" | cut -c 1-8) is gone" sh -c "! '$CAISSON' ls --repository plain $id"; done
run verify --repository plain
check "what stays is whole" [ "$status" -eq 0 ]
for n in 4 5; do
	mkdir back$n
	eval "run restore --repository plain --target back$n \$id$n"
	sums "back$n$work/tree" >back.sums
	check "generation $n is restored" cmp back.sums sums.$n
done
run prune --repository plain --keep-days 3000
check "by age: all are young" [ "$status/$(grep -c ' stays: ' said)" = "0/6" ]

# What is not whole takes nobody's place, and the newest that is whole stays.
rm -rf hurt
cp -r kept hurt
a_pack=$(find kept/packs -name '*.zst' | sort | head -n 1)
cp -r kept sums-repository
run prune --repository sums-repository --keep-last 1 --json
check "sums as JSON" [ "$(tail -n 1 said | jq .snapshots_removed)" -ge 4 ]
truncate -s 1000 "hurt/${a_pack#kept/}"
cp -r hurt hurt.before
run prune --repository hurt --keep-last 1
refused "a repository with damage" 1 CSN-R004
check "is left as it is" diff -r hurt hurt.before

# A chunk of the newest whose index holds, and whose content does not: the one before is the last good one.
mkdir one
head -c 700000 /dev/urandom >one/file
run repository init rotten
run backup --repository rotten "$work/one"
old_id=$(snapshot)
find rotten/packs -name '*.zst' | sort >packs.old
head -c 700000 /dev/urandom >one/file
run backup --repository rotten "$work/one"
find rotten/packs -name '*.zst' | sort >packs.new
flip "$(comm -13 packs.old packs.new)" 5000
cp -r rotten rotten.before
run prune --repository rotten --keep-last 1
refused "a newest one that is damaged inside" 1 CSN-R004
check "it is said where" grep -q "$work/one/file of the snapshot" said
check "and nothing is removed" diff -r rotten rotten.before
check "nor the last good one" has rotten "$old_id"

hold_lock -s plain/lock
run prune --repository plain --keep-last 1
refused "while somebody else has it open" 1 CSN-S010
let_go

# --- encrypted: what is written anew is for the site and for the machine whose snapshots need it
age-keygen -o site.key 2>/dev/null
run repository init sealed --recipient "$(age-keygen -y site.key)"
rm tree/*
for n in 1 2 3; do
	generation "$n"
	run backup --repository sealed --key own.key "$work/tree"
done
run prune --repository sealed --keep-last 1
refused "without a key" 2 CSN-R010
run prune --repository sealed --keep-last 1 --identity site.key
check "with the site's" [ "$status" -eq 0 ]
check "packs are written anew" grep -q 'written anew: [1-9]' said
run verify --repository sealed --identity own.key
check "the machine still reads its own" [ "$status" -eq 0 ]
run backup --repository sealed --key own.key --reread --json "$work/tree"
check "and stores nothing twice" [ "$(jq .chunks_new said)" -eq 0 ]

# --- two machines that have the same content, each with a key of its own: each still reads what is its own
mkdir shared
head -c 3000000 /dev/urandom >shared/file
head -c 400000 /dev/urandom >shared/more
run repository init two --recipient "$(age-keygen -y site.key)"
run backup --repository two --key first.key --host first "$work/shared"
rm shared/more
run backup --repository two --key second.key --host second "$work/shared"
for time in once again; do
	run prune --repository two --identity site.key --keep-last 10
	check "two machines, $time" [ "$status" -eq 0 ]
	[ $time = once ] || check "then nothing is left to do" grep -q 'snapshots and 0 packs; written anew: 0 packs' said
	for key in first second site; do
		run verify --repository two --identity $key.key
		check "$time: $key reads what it read" [ "$status" -eq 0 ]
	done
	for key in first second; do
		rm -rf two-back
		mkdir two-back
		run restore --repository two --identity $key.key --target two-back latest
		check "$time: $key restores its own" cmp shared/file "two-back$work/shared/file"
	done
done
check "and nothing is there twice" [ "$(du -s -B 1 --apparent-size two/packs | cut -f 1)" -lt 5000000 ]

# --- whom it is for is not known any more: nothing is written for nobody, and what is there can be read
cp -r sealed nameless
for file in repository.json repository.json.copy; do printf x | dd of="nameless/$file" bs=1 seek=20 conv=notrunc 2>/dev/null; done
cp -r nameless nameless.before
run prune --repository nameless --keep-last 1 --identity site.key
refused "prune, with both repository.json damaged" 1 CSN-R004
run repair --repository nameless --identity site.key
refused "repair, with both repository.json damaged" 1 CSN-R004
run snapshots --repository nameless
refused "without a key it is encrypted, not empty" 2 CSN-R010
check "both leave it as it is" diff -r nameless nameless.before
mkdir nameless-back
run restore --repository nameless --identity site.key --target nameless-back latest
check "and it is restored" [ "$status" -eq 0 ]
sums "nameless-back$work/tree" >back.sums
check "as it was" cmp back.sums sums.3

# --- killed at any moment
for delay in 0.002 0.005 0.01 0.02 0.04 0.08 0.15 0.3; do
	rm -rf killed
	cp -r kept killed
	"$CAISSON" prune --repository killed --keep-last 1 >/dev/null 2>&1 &
	child=$!
	sleep $delay
	kill -9 $child 2>/dev/null
	wait $child 2>/dev/null
	run verify --repository killed
	check "killed after $delay s: the repository is whole" [ "$status" -eq 0 ]
	check "killed after $delay s: what stays is there" has killed "$id5"
	run prune --repository killed --keep-last 1
	check "killed after $delay s: it goes on" [ "$status" -eq 0 ]
done

# --- on a full disk
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=200m caisson-test small; then
	cp -r kept small/repository
	head -c 200000000 /dev/zero >small/rest 2>held
	run prune --repository small/repository --keep-last 4 # of the oldest pack a part is needed: it has to be written anew
	refused "a full disk" 3 CSN-R003
	check "a full disk leaves no leftover" [ -z "$(find small/repository -name '*.tmp')" ]
	run verify --repository small/repository --all
	check "a full disk: the repository is whole" [ "$status" -eq 0 ]
	# shellcheck disable=SC2154
	for id in $id2 $id3 $id4 $id5; do check "a full disk: $(echo "$id" | cut -c 1-8) is there" has small/repository "$id"; done
	run prune --repository small/repository --keep-last 1 # whole packs can go first, and make room
	run verify --repository small/repository --all
	check "a full disk: whole after the next one, too" [ "$status" -eq 0 ]
	rm small/rest
	run prune --repository small/repository --keep-last 1
	check "with room again it goes on" [ "$status" -eq 0 ]
	rm -rf back5
	mkdir back5
	run restore --repository small/repository --target back5 "$id5"
	sums "back5$work/tree" >back.sums
	check "what stays is restored" cmp back.sums sums.5
	umount small
fi
exit $failed

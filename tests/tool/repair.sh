#!/bin/sh
# repair.sh: damaged packs, snapshots and repository.json: repair saves what can be had, names what is lost, and the rest is restored.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"

# Files that no compression makes small, each with a chunk of its own; two hard links; one of many chunks.
mkdir -p tree/sub
for i in $(seq 1 40); do head -c 100000 /dev/urandom >"tree/file$i"; done
head -c 6000000 /dev/urandom >tree/sub/large
ln tree/file7 tree/sub/link7
mkdir tree/names # a snapshot of more than one encrypted segment
head -c 120000 /dev/urandom | od -An -tx1 -w40 -v | tr -d ' ' | (cd tree/names && xargs touch)
sums tree >tree.sums
age-keygen -o site.key 2>/dev/null
site=$(age-keygen -y site.key)

# A fresh repository of the tree in ./repository; $keys reads it.
make_repository() {
	rm -rf repository back
	if [ "$1" = plain ]; then
		keys=
		run repository init repository
	else
		keys="--identity site.key"
		run repository init repository --recipient "$site"
	fi
	run backup --repository repository --key own.key --label "$1" "$work/tree"
	pack=$(find repository/packs -type f)
	snapshot=$(find repository/snapshots -type f)
}

# shellcheck disable=SC2086 # $keys are two words or none
mend() { run repair --repository repository $keys; }
# What verify finds: nothing; or only losses.
# shellcheck disable=SC2086
is_whole() { "$CAISSON" verify --repository repository $keys >verified 2>&1; }
# shellcheck disable=SC2086
restored() {
	rm -rf back
	mkdir back
	run restore --repository repository $keys --target back "$@" latest
}
same_tree() { sums "back$work/tree" | cmp - tree.sums; }
# All that is restored under its own name is as it was; $1 files are not there.
rest_is_same() {
	sums "back$work/tree" | grep -v '\.damaged$' >back.sums
	[ "$(grep -cvxFf tree.sums back.sums)" -eq 0 ] && [ "$(grep -cvxFf back.sums tree.sums)" -eq "$1" ]
}

for kind in plain encrypted; do
	make_repository $kind
	mend
	check "$kind: nothing to repair" [ "$status" -eq 0 ]
	check "$kind: and nothing is set aside" [ ! -e repository/damaged ]

	# --- the index of a pack: everything is found again by walking through it
	make_repository $kind
	flip "$pack" -100
	is_whole && echo "not ok $kind: verify finds the index" && failed=1
	mend
	check "$kind: a damaged index costs nothing or little ($(grep -c '^lost' said))" grep -q 'rebuilt: 1 packs' said
	check "$kind: the damaged pack is kept" [ -e "repository/damaged/$(basename "$pack")" ]
	if [ $kind = plain ]; then
		check "plain: all of it is whole again" is_whole
		restored
		check "plain: and restored" same_tree
	fi

	# --- a chunk: one file, or one file and what is encrypted together with it
	make_repository $kind
	flip "$pack" 1000000
	mend
	refused "$kind: a damaged chunk is lost" 1 CSN-R004
	lost=$(grep -c '^lost: snapshot' said)
	check "$kind: it is said what" [ "$lost" -ge 1 ]
	check "$kind: and that is little ($lost)" [ "$lost" -le 3 ]
	restored
	refused "$kind: restore stops at it" 1 CSN-R004
	restored --skip-damaged
	refused "$kind: restore goes on past it" 1 CSN-R004
	check "$kind: the rest is as it was" rest_is_same "$lost"
	check "$kind: what is not whole has another name" [ "$(find back -name '*.damaged' | wc -l)" -eq "$lost" ]
	restored --skip-damaged --dry-run
	refused "$kind: a dry run names it, too" 1 CSN-R004
	check "$kind: and writes nothing" [ -z "$(ls back)" ]
	run backup --repository repository --key own.key --reread "$work/tree"
	check "$kind: the next backup stores what is missing" [ "$status" -eq 0 ]
	restored
	check "$kind: and is whole" same_tree

	# --- a pack that is cut short
	make_repository $kind
	truncate -s 3000000 "$pack"
	mend
	refused "$kind: a pack cut short" 1 CSN-R004
	restored --skip-damaged
	check "$kind: what is before the cut is as it was" rest_is_same "$(find back -name '*.damaged' | wc -l)"
	# In which order chunks stand in a pack is not said: of any file there is what lies before the cut, zeros for the rest.
	saved=$(find back -type f -exec cat {} + | tr -d '\000' | wc -c)
	check "$kind: and all of that but the last chunk is there ($saved bytes)" [ "$saved" -ge 1200000 ]

	# --- a pack that is gone
	make_repository $kind
	rm "$pack"
	mend
	refused "$kind: a pack that is gone" 1 CSN-R004
	check "$kind: costs all files" [ "$(grep -c "^lost: snapshot" said)" -eq 42 ]

	# --- a snapshot
	make_repository $kind
	flip "$snapshot" -100
	mend
	check "$kind: a snapshot's index" grep -q '1 snapshots with' said
	check "$kind: nearly all of it is saved" [ "$(sed -n 's/.*1 snapshots with \([0-9]*\) entries.*/\1/p' said)" -ge 1500 ]
	if [ $kind = plain ]; then
		check "plain: costs nothing" [ "$status" -eq 0 ]
		restored
		check "plain: and it is restored" same_tree
		run snapshots --repository repository --json
		check "plain: its tag names the old one" [ "$(jq -r '.snapshots[0].tags.repaired' said)" = "$(basename "$snapshot" .jsonl.zst)" ]
		check "plain: its label is kept" [ "$(jq -r '.snapshots[0].label' said)" = plain ]
	fi

	# --- repository.json, its copy, the pages
	make_repository $kind
	for file in repository.json repository.json.copy README.txt restore.sh; do
		cp "repository/$file" held-file
		flip "repository/$file" 30
		is_whole && echo "not ok $kind: verify finds $file" && failed=1
		check "$kind: verify names $file" grep -q "damaged: $file:" verified
		mend
		check "$kind: $file is written anew" cmp repository/$file held-file
		check "$kind: and all is whole" is_whole
	done
	rm repository/repository.json
	run backup --repository repository --key own.key "$work/tree"
	check "$kind: the copy of repository.json will do" [ "$status" -eq 0 ]
done

# --- a snapshot in its middle: what lay there is named, and what is left is never taken for whole
mkdir many
head -c 240000 /dev/urandom | od -An -tx1 -w20 -v | tr -d ' ' | (cd many && xargs touch)
for kind in plain encrypted; do
	make_repository $kind
	rm -rf repository/snapshots/*
	run backup --repository repository --key own.key "$work/many"
	whole=$(snapshot)
	touch many/name-new
	run backup --repository repository --key own.key "$work/many"
	hurt=$(find repository/snapshots -name "$(snapshot)*")
	flip "$hurt" $(($(stat -c %s "$hurt") / 2))
	mend
	refused "$kind: a snapshot damaged in its middle" 1 CSN-R004
	check "$kind: what is lost is said" grep -q "lost: what lay [a-z]* /.*/many" said
	check "$kind: and how much is saved, of how much" grep -qE '[0-9]+ entries of it(, of 1200[0-9],)? are saved' said
	is_whole
	check "$kind: verify warns of it" grep -q '1 snapshots are what a repair saved' verified
	restored
	check "$kind: so does restore" grep -q 'what a repair saved of a damaged one' said
	# shellcheck disable=SC2086
	run prune --repository repository $keys --keep-last 1
	check "$kind: prune keeps the one that is whole" [ -n "$(find repository/snapshots -name "$whole*")" ]
done
make_repository encrypted
truncate -s 300 "$snapshot"
mend
refused "a snapshot of which nothing is left" 1 CSN-R004
check "that is said" grep -q 'nothing of it can be had' said

# --- names that end with .damaged are there already
rm -rf clash
mkdir clash
head -c 300000 /dev/urandom >clash/a
echo other >clash/a.damaged
long=$(printf 'n%.0s' $(seq 247))
head -c 300000 /dev/urandom >"clash/${long}12345678"
head -c 300000 /dev/urandom >"clash/${long}87654321"
rm -rf repository
run repository init repository
run backup --repository repository "$work/clash"
pack=$(find repository/packs -type f)
for part in 10 50 90; do flip "$pack" $(($(stat -c %s "$pack") * part / 100)); done
rm -rf back
mkdir back
run restore --repository repository --skip-damaged --target back latest
refused "files called .damaged among the damaged" 1 CSN-R004
check "all of them are there" [ "$(find "back$work/clash" -type f | wc -l)" -eq 4 ]
check "the one that was whole is" cmp clash/a.damaged "back$work/clash/a.damaged"
check "and no damaged one has its own name" [ "$(find "back$work/clash" -type f -name '*.damaged*' | wc -l)" -eq 4 ]
check "nothing else is left there" [ -z "$(find back -name 'INCOMPLETE*')" ]

# --- repository.json and its copy gone, the folders gone
make_repository plain
rm repository/repository.json repository/repository.json.copy
restored
check "without repository.json it is restored" same_tree
run backup --repository repository "$work/tree"
refused "but nothing is backed up" 1 CSN-R004
mend
check "repair makes one" [ "$status" -eq 0 ]
check "and all is whole" is_whole
run backup --repository repository "$work/tree"
check "and backed up into" [ "$status" -eq 0 ]
restored
check "and restored" same_tree
make_repository encrypted
rm repository/repository.json repository/repository.json.copy
run snapshots --repository repository
refused "encrypted, without repository.json and key" 2 CSN-R010
restored
check "with the key it is restored" same_tree
for kind in plain encrypted; do
	make_repository $kind
	rm -r repository/packs
	is_whole
	check "$kind: without packs: verify says so" grep -q '^damaged: packs: the folder is gone' verified
	check "$kind: without packs: verify names what that costs" grep -q "costs snapshot .*$work/tree/file7" verified
	mend
	refused "$kind: repair without packs" 1 CSN-R004
	run backup --repository repository --key own.key --reread "$work/tree"
	check "$kind: and a backup makes it whole" [ "$status" -eq 0 ]
	restored
	check "$kind: all of it" same_tree
done

# --- the key of an encrypted pack is in its head
make_repository encrypted
flip "$pack" 60
mend
refused "a pack whose head is damaged is lost" 1 CSN-R004
check "and set aside" [ -e "repository/damaged/$(basename "$pack")" ]

# --- a key that opens a part of it
make_repository encrypted
mkdir -p other
head -c 300000 /dev/urandom >other/file
run backup --repository repository --key others.key "$work/other"
run repair --repository repository --identity own.key
check "with one machine's key: what is not looked into is said" grep -q '^not looked into, .*: 1 packs and 1 snapshots;' said
check "with one machine's key: and nothing is set aside" [ ! -e repository/damaged ]
mend
check "with the site's key: all is looked into" [ "$status/$(grep -c 'not looked into' said)" = 0/0 ]
run repair --repository repository --identity others.key
check "with the other's key" grep -q '^not looked into, ' said

# --- whoever waits for a repair is told
make_repository plain
hold_lock -x repository/lock
: >said
(until grep -q waiting said; do sleep 0.1; done; let_go) &
run snapshots --repository repository
check "a reader waits, and says so" [ "$status/$(grep -c 'waiting for a prune or repair to end' said)" = 0/1 ]

# --- nobody else may have it open
make_repository plain
hold_lock -s repository/lock
mend
refused "while somebody else has it open" 1 CSN-S010
let_go
exit $failed

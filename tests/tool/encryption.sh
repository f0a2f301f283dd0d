#!/bin/sh
# encryption.sh: repositories encrypted to age's recipients and to a passphrase, by the commands; read by age, zstd and jq alone; wrong keys.
# shellcheck disable=SC2016,SC2317 # scripts for an inner shell are in single quotes; functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"

for name in site other; do age-keygen -o "$name.key" 2>/dev/null; done
site=$(age-keygen -y site.key)
other=$(age-keygen -y other.key)
echo 'correct horse' >passphrase
echo 'wrong horse' >wrong
mkdir tree
head -c 3000000 /dev/urandom >tree/large
head -c 3000000 /dev/zero >tree/zeros
for i in 1 2 3 4 5 6 7 8; do echo "file $i: a word that is well known" >"tree/$i"; done
sums tree >tree.sums
sleep 4 # what is younger is read again, whatever it looks like

# --- two recipients
run repository init one --recipient "$site" --recipient "$other"
check "init with two recipients" [ "$status" -eq 0 ]
run backup --repository one --key own.key "$work/tree"
check "backed up with public keys only" [ "$status" -eq 0 ]
first=$(snapshot)
run backup --repository one --key own.key --reread --json "$work/tree"
check "again: nothing is stored twice" [ "$status/$(jq .chunks_new said)" = 0/0 ]
run backup --repository one --key own.key --json "$work/tree"
check "again: unchanged files are not read" [ "$status/$(jq '.bytes_read < 100' said)" = 0/true ]
check "this machine's key is its owner's" [ "$(stat -c %a own.key)" = 600 ]
check "all files are age's" [ -z "$(find one/packs one/snapshots -type f ! -name '*.age')" ]
check "nothing well known can be found in it" sh -c '! grep -rlaE "well known|$(printf "file 1: a word that is well known\n" | sha256sum | cut -c 1-64)" one'
for key in site other own; do
	run verify --repository one --all --identity "$key.key"
	check "$key's key verifies" grep -q 'damages: 0' said
	mkdir "back-$key"
	run restore --repository one --identity "$key.key" --target "back-$key" "$first"
	check "$key's key restores" [ "$status" -eq 0 ]
	sums "back-$key$work/tree" >"back-$key.sums"
	check "$key's key restores the same" cmp -s tree.sums "back-$key.sums"
done
mkdir back-age
check "restore.sh restores with age" sh one/restore.sh --identity other.key "$first" back-age
sums "back-age$work/tree" >back-age.sums
check "restore.sh restores the same" cmp -s tree.sums back-age.sums
run snapshots --repository one
refused "no key" 2 CSN-R010
age-keygen -o nobody.key 2>/dev/null
for command in snapshots verify "restore --target back-nobody latest"; do
	mkdir -p back-nobody
	# shellcheck disable=SC2086 # words
	run $command --repository one --identity nobody.key
	refused "$command with nobody's key" 1 CSN-E003
	check "$command with nobody's key: it says what" grep -q 'CSN-E003: .*none of the keys given opens the' said
done
check "nothing was restored" [ -z "$(ls -A back-nobody)" ]
head -c 300000 /dev/zero >large.key
run snapshots --repository one --identity large.key
refused "an identity that is some other file" 2 CSN-E002
run repository init bad --recipient age1nonsense
refused "a recipient that is none" 2 CSN-E002
check "nothing was made" [ ! -e bad ]
cp -a one alone
run backup --repository one --key stranger.key --json "$work/tree"
check "another machine, which cannot read the first's, stores its own" [ "$status/$(jq '.chunks_new == .chunks' said)" = 0/true ]
run snapshots --repository one --identity stranger.key
check "and sees its own only" grep -q '^caisson: 3 more snapshots are for other keys' said

# --- a passphrase
run repository init two --passphrase-file passphrase
check "init with a passphrase" [ "$status" -eq 0 ]
run backup --repository two --key own.key "$work/tree"
check "backed up without the passphrase" [ "$status" -eq 0 ]
mkdir back-two
run restore --repository two --passphrase-file passphrase --target back-two latest
check "the passphrase restores" [ "$status" -eq 0 ]
sums "back-two$work/tree" >back-two.sums
check "the passphrase restores the same" cmp -s tree.sums back-two.sums
run snapshots --repository two
refused "no passphrase" 2 CSN-E004
run snapshots --repository two --passphrase-file wrong
refused "a wrong passphrase" 1 CSN-E005

# --- any flipped bit is found, and what it costs is named
pack=$(find alone/packs -type f -size +1M | head -n 1)
size=$(stat -c %s "$pack")
cp "$pack" whole
for at in 3 30 100 300 1000 70000 1500000 $((size - 1000)) $((size - 1)); do
	flip "$pack" "$at"
	run verify --repository alone --all --identity site.key
	check "a bit at $at of $size is found" [ "$status/$(grep -c "^damaged: ${pack#alone/}" said)" = 1/1 ]
	check "a bit at $at: what it costs is named" grep -q "^  costs snapshot $(echo "$first" | cut -c 1-16) .*/tree/" said
	cp whole "$pack"
done
list=$(find alone/snapshots -name "$first*")
cp "$list" whole
for at in 40 250 $(($(stat -c %s "$list") - 5)); do
	flip "$list" "$at"
	run verify --repository alone --identity site.key
	check "a bit at $at of a snapshot is found" [ "$status/$(grep -c "^  costs all of snapshot $(echo "$first" | cut -c 1-16)" said)" = 1/1 ]
	cp whole "$list"
done
truncate -s -1 "$pack"
run verify --repository alone --all --identity site.key
check "a pack that is cut short is found" [ "$status" -eq 1 ]
exit "$failed"

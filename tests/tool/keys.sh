#!/bin/sh
# keys.sh: the key of a repository, which a passphrase opens, damaged and lost; a machine's own key; keys that are given by mistake.
# shellcheck disable=SC2016,SC2317 # scripts for an inner shell are in single quotes; functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
swap() { # FILE OFFSET: a letter there becomes another
	letter=$(dd if="$1" bs=1 skip="$2" count=1 status=none)
	if [ "$letter" = k ]; then letter=w; else letter=k; fi
	printf %s "$letter" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

for name in site other nobody; do age-keygen -o "$name.key" 2>/dev/null; done
site=$(age-keygen -y site.key)
echo 'correct horse' >passphrase
echo 'wrong horse' >wrong
mkdir tree
echo 'a word' >tree/file

# --- key.age and its copy
"$CAISSON" repository init two --recipient "$site" --passphrase-file passphrase >said
"$CAISSON" backup --repository two --key own.key "$work/tree" >said
check "there are two of it" cmp two/key.age two/key.age.copy
check "repository.json has its hash" [ "$(head -n 1 two/repository.json | jq -r .key)" = "$(sha256sum two/key.age | cut -d ' ' -f 1)" ]
cp two/key.age key.age
size=$(stat -c %s key.age)
for file in key.age key.age.copy; do
	missed=
	at=0
	while [ "$at" -lt "$size" ]; do
		flip "two/$file" "$at"
		run verify --repository two --structure --identity site.key
		[ "$status/$(grep -c "^damaged: $file: it is not as it was written" said)/$(grep -c '^damaged:' said)" = 1/1/1 ] || missed="$missed $at"
		cp key.age "two/$file"
		at=$((at + 3))
	done
	check "a flipped bit of $file is found" [ -z "$missed" ]
	for hurt in flipped short gone; do
		case $hurt in
		flipped) flip "two/$file" 30 ;;
		short) truncate -s -1 "two/$file" ;;
		gone) rm "two/$file" ;;
		esac
		for level in structure all sample=1; do
			run verify --repository two --$level --identity site.key
			check "$file $hurt: verify --$level names it" [ "$status/$(grep -c "^damaged: $file: " said)" = 1/1 ]
		done
		run snapshots --repository two --passphrase-file passphrase
		check "$file $hurt: the passphrase reads" [ "$status" -eq 0 ]
		run backup --repository two --key own.key "$work/tree"
		check "$file $hurt: a backup is made and warns" [ "$status/$(grep -c "^caisson: warning: $file is damaged" said)" = 0/1 ]
		run repair --repository two --passphrase-file passphrase
		check "$file $hurt: repair mends" [ "$status/$(grep -c "^$file: written anew" said)" = 0/1 ]
		check "$file $hurt: it is what it was" cmp key.age "two/$file"
	done
done
run verify --repository two --passphrase-file passphrase
check "all is well" [ "$status" -eq 0 ]
cp two/repository.json two/repository.json.copy .
for file in repository.json repository.json.copy; do flip "two/$file" 20; done
run snapshots --repository two --passphrase-file passphrase
check "the passphrase reads where repository.json is lost" [ "$status/$(grep -c "$work/tree" said)" = 0/7 ]
cp repository.json repository.json.copy two/

# --- restore.sh: the passphrase is typed
typed() { printf 'correct horse\n' | script -qec "sh two/restore.sh $*" /dev/null >said 2>&1; status=$?; }
for hurt in nothing key.age key.age.copy; do
	rm -rf back
	mkdir back
	[ "$hurt" = nothing ] || flip "two/$hurt" 99
	typed latest back "$work/tree"
	check "restore.sh with the passphrase, $hurt damaged" cmp tree/file "back$work/tree/file"
	cp key.age two/key.age
	cp key.age two/key.age.copy
done
mkdir empty
# script NAME TEXT ARGUMENTS...: restore.sh of two fails with that text and writes nothing.
script_fails() {
	name=$1 text=$2
	shift 2
	sh two/restore.sh "$@" </dev/null >said 2>&1
	status=$?
	check "restore.sh: $name" [ "$status/$(grep -cF -- "$text" said)/$(ls -A empty)" = 1/1/ ]
}
script_fails "a list, with another identity" "no snapshot can be read." --identity nobody.key
check "restore.sh: it says what to do" grep -q -- 'recipients in repository.json, .*--identity FILE' said
script_fails "another identity" "cannot be read: for another identity, or damaged" --identity nobody.key "$(find two/snapshots -type f | sed 's,.*/\(........\).*,\1,;q')" empty
script_fails "latest, with another identity" "no snapshot can be read." latest empty --identity nobody.key
script_fails "an identity that is no identity" "no snapshot can be read." --identity passphrase
script_fails "a secret key as the file" "not the key" --identity AGE-SECRET-KEY-1QQQQ latest empty
check "is not repeated" sh -c "! grep -q QQQQ said"
script_fails "an identity that is not there" "nowhere.key cannot be read" --identity nowhere.key latest empty
script_fails "an identity without a file" "--identity takes one FILE" latest empty --identity
script_fails "two identities" "--identity takes one FILE" --identity own.key latest empty --identity site.key
sh two/restore.sh latest empty --identity site.key >said 2>&1
check "restore.sh: an identity behind the rest" cmp tree/file "empty$work/tree/file"
rm -rf empty
mkdir empty

# --- both of them
for hurt in damaged gone; do
	for file in key.age key.age.copy; do if [ "$hurt" = damaged ]; then flip "two/$file" 100; else rm "two/$file"; fi; done
	for keys in '' '--passphrase-file passphrase' '--passphrase-file wrong'; do
		for command in snapshots verify 'ls latest' repair; do
			# shellcheck disable=SC2086 # words
			run $command --repository two $keys
			refused "both $hurt: $command $keys" 1 CSN-R015
		done
	done
	run verify --repository two --identity site.key
	check "both $hurt: verify names both" [ "$status/$(grep -c '^damaged: key.age' said)" = 1/2 ]
	script_fails "both $hurt" "key.age and key.age.copy are damaged or gone"
	run repair --repository two --identity site.key
	check "both $hurt: repair says so" [ "$status/$(grep -c '^key.age.*: it cannot be written anew' said)" = 1/2 ]
	run backup --repository two --key own.key "$work/tree"
	check "both $hurt: a backup, which others read, is made and warns" [ "$status/$(grep -c '^caisson: warning: key.age' said)" = 0/2 ]
done
cp key.age two/
run repair --repository two --identity site.key
check "one that is put back mends both" cmp two/key.age two/key.age.copy
"$CAISSON" repository init sole --passphrase-file passphrase >said
rm sole/key.age sole/key.age.copy
run backup --repository sole --key own.key "$work/tree"
refused "no backup is made that nobody could read" 1 CSN-R015
check "and nothing was written" [ -z "$(find sole/packs sole/snapshots -type f)" ]

# --- an init that was cut off: with a whole copy it is a repository; what else it left does not vouch for the next one's key
"$CAISSON" repository init cut --passphrase-file passphrase >said
rm cut/repository.json
cp -r cut cut-before
run repository init cut --passphrase-file wrong
refused "an init over a whole copy" 1 CSN-R002
check "its key stays" diff -r cut cut-before
run repair --repository cut --passphrase-file passphrase
check "repair makes it whole" [ "$status" -eq 0 ]
run verify --repository cut --passphrase-file passphrase
check "and it is" [ "$status" -eq 0 ]
rm cut/repository.json
flip cut/repository.json.copy 100
run repository init cut --passphrase-file passphrase
check "an init over a torn copy" [ "$status" -eq 0 ]
run verify --repository cut --passphrase-file passphrase
check "makes a whole one" [ "$status" -eq 0 ]
# somebody else at it
hold_lock cut/lock
rm cut/repository.json cut/repository.json.copy
run repository init cut --passphrase-file passphrase
refused "two inits at once" 1 CSN-S010
let_go

# --- a machine's own key, where it has one: what only reads finds it
# own KEY COMMAND...: of caisson, on a machine whose own key this is ("" has none)
own() {
	key=$1
	shift
	mkdir -p state/caisson
	rm -f state/caisson/backup.key
	[ -z "$key" ] || cp "$key" state/caisson/backup.key
	if [ "$(id -u)" -eq 0 ]; then
		unshare --mount sh -c 'mount -t tmpfs caisson-test /var/lib && cp -r state/caisson /var/lib && exec "$@"' sh "$CAISSON" "$@" >said 2>&1
	else
		XDG_STATE_HOME=$work/state "$CAISSON" "$@" >said 2>&1
	fi
	status=$?
}
"$CAISSON" repository init many --recipient "$site" >said
own own.key backup --repository many "$work/tree"
mine=$(sed -n 's/^snapshot //p' said)
head -c 3000000 /dev/urandom >tree/file
"$CAISSON" backup --repository many --key other.key --host other "$work/tree" >said
others=$(sed -n 's/^snapshot //p' said)
mkdir here
for command in snapshots verify 'ls latest' "diff $mine $mine" "restore --target here latest" "export --output tar latest"; do
	# shellcheck disable=SC2086 # words
	own nobody.key $command --repository many
	refused "with another machine's: ${command%% *}" 2 CSN-R010
	# shellcheck disable=SC2086 # words
	own '' $command --repository many
	refused "with none: ${command%% *}" 2 CSN-R010
	# shellcheck disable=SC2086 # words
	own own.key $command --repository many
	check "with this machine's own key: ${command%% *}" [ "$status" -eq 0 ]
done
check "it is its own that came" [ "$(cat "here$work/tree/file")" = 'a word' ]
own own.key ls --repository many "$others"
check "another machine's snapshot" grep -q 'CSN-R005: .* among those that the keys given open' said
own own.key prune --repository many --keep-last 1
refused "prune needs more" 2 CSN-R010
own nobody.key snapshots --repository two
refused "where there is a passphrase" 2 CSN-E004
own other.key verify --repository many --passphrase-file passphrase
refused "a passphrase where there is none" 2 CSN-R010

# --- what is for other keys is counted, and said not to be verified
own own.key verify --repository many --all
check "verify warns" [ "$status/$(grep -c '^caisson: warning: NOT verified: 1 packs and 1 snapshots' said)" = 0/1 ]
own own.key verify --repository many --json
check "in JSON, too" [ "$(grep -v ^caisson said | jq -c '[.locked_packs, .locked_snapshots, .damages]')" = '[1,1,0]' ]
own '' verify --repository many --identity site.key
check "with the site's all is verified" [ "$status/$(grep -c warning said)" = 0/0 ]
snapshot=$(find many/snapshots -name "$mine*")
cp "$snapshot" whole
at=$(grep -abo -m 2 -e '-> X25519' "$snapshot" | sed -n '2s/:.*//p')
swap "$snapshot" $((at + 15))
own own.key verify --repository many
check "a bit in the part of a snapshot that is for this machine: it is said not to be verified" \
	[ "$status/$(grep -c '^caisson: warning: NOT verified: 1 packs and 2 snapshots' said)" = 0/1 ]
own '' verify --repository many --identity site.key
check "and found with the site's key" [ "$status/$(grep -c "costs all of snapshot $(echo "$mine" | cut -c 1-16)" said)" = 1/1 ]
cp whole "$snapshot"
for pack in many/packs/*/*.age; do
	cp "$pack" whole
	at=$(grep -abo -m 3 -e '-> X25519' "$pack" | sed -n '2s/:.*//p')
	swap "$pack" $((at + 15))
	own own.key verify --repository many --structure
	echo "$status $(grep -c 'is in no pack that the keys given open' said)" >>found
	cp whole "$pack"
done
check "a pack that a snapshot needs and the keys do not open is damage" [ "$(sort found | tr '\n' ' ')" = '0 0 1 1 ' ]

# --- keys in wrong places are not repeated
secret=$(grep AGE-SECRET site.key)
hidden() { # NAME EXIT CODE COMMAND...
	name=$1 exit=$2 code=$3
	shift 3
	run "$@"
	refused "$name" "$exit" "$code"
	check "$name: it is not repeated" sh -c '! grep -qiF "$1" said' sh "$(echo "$secret" | cut -c 20-50)"
}
hidden "a secret key as a recipient" 2 CSN-E002 repository init bad --recipient "$secret"
check "it says what the recipient is" grep -q 'is a secret key; .*age-keygen -y' said
hidden "half a secret key as a recipient" 2 CSN-E002 repository init bad --recipient "$(echo "$secret" | cut -c 17-60)"
hidden "a secret key as an identity's file" 2 CSN-E002 snapshots --repository many --identity "$secret"
hidden "a secret key as a machine's key" 2 CSN-E002 backup --repository many --key "$secret" "$work/tree"
hidden "a secret key as a repository" 2 CSN-R001 snapshots --repository "$secret"
hidden "a secret key as a snapshot" 2 CSN-R005 ls --repository many --identity site.key "$secret"
hidden "a secret key as an option" 2 CSN-U001 verify "--$secret"
run repository init bad --passphrase-file 'correct horse'
check "a passphrase in the place of its file is not repeated" [ "$status/$(grep -c horse said)" = 2/0 ]
check "nothing was made" [ ! -e bad ]

# --- init in bad places
run repository init nowhere/bad
refused "below what is not there" 2 CSN-S005
run repository init passphrase
refused "a file" 1 CSN-R002
run repository init passphrase/bad
refused "below a file" 1 CSN-R002
ln -s nowhere broken
run repository init broken
refused "a link to nothing" 2 CSN-S005
if [ "$(id -u)" -eq 0 ]; then
	mkdir small
	mount -t tmpfs -o size=1m,ro caisson-test small 2>/dev/null && {
		run repository init small/bad
		refused "a disk that is read-only" 3 CSN-S006
		umount small
	}
fi
exit "$failed"

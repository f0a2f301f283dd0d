#!/bin/sh
# repository.sh: the commands repository, backup, snapshots, verify and restore; the formats read by public tools; bad input.
# shellcheck disable=SC2317 # functions are called by `holds`
set -u
CAISSON=${CAISSON:-out/caisson}
case $CAISSON in /*) ;; *) CAISSON=$PWD/$CAISSON ;; esac
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/caisson-repository.XXXXXX") || exit 3
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 3
failed=0
ok() { echo "ok $1"; }
bad() { echo "not ok $1: $2"; failed=1; }

# expect NAME EXIT-CODE TEXT COMMAND...: the exit code, and the text somewhere in what it said
expect() {
	name=$1 code=$2 text=$3
	shift 3
	"$@" >said 2>&1
	got=$?
	if [ "$got" -ne "$code" ]; then
		bad "$name" "exit $got, not $code: $(tail -n 3 said)"
	elif ! grep -qF -- "$text" said; then
		bad "$name" "no \"$text\" in: $(tail -n 3 said)"
	else
		ok "$name"
	fi
}
# holds NAME COMMAND...: it succeeds
holds() {
	name=$1
	shift
	if "$@" >held 2>&1; then ok "$name"; else bad "$name" "not true: $* $(tail -n 5 held) $(tail -n 5 said)"; fi
}
has() { grep -qF -- "$2" "$1"; }
nothing_in() { [ -z "$(ls -A "$1")" ]; }
no_leftovers() { [ -z "$(find "$1" -name '*.tmp')" ]; }
# same NAME FILE FILE
same() { if cmp -s "$2" "$3"; then ok "$1"; else bad "$1" "$(diff "$2" "$3" | head -n 5)"; fi; }
# look FOLDER: everything about a tree that find, sha256sum and getfattr can tell
look() {
	(
		cd "$1" || exit 1
		find . -printf '%P|%y|%m|%U:%G|%T@|%n|%l|' \( -type d -printf '\n' -o -printf '%s\n' \) | LC_ALL=C sort
		find . -type f -exec sha256sum {} + | LC_ALL=C sort
		getfattr -dhR -m - . 2>/dev/null
	)
}

mkdir tree tree/folder tree/folder/deeper
printf 'some text\n' >tree/text
head -c 3000000 /dev/urandom >tree/noise
: >tree/empty
truncate -s 10M tree/sparse
printf 'in the middle' | dd of=tree/sparse bs=1 seek=5000000 conv=notrunc status=none
ln tree/text tree/folder/text-again
ln -s ../text tree/folder/link
mkfifo tree/folder/fifo
printf x >"tree/folder/new
line"
printf x >"tree/folder/$(printf 'not\377utf8')"
printf x >"tree/folder/$(printf 'tail\n.')"
printf x >"tree/folder/ \"quotes\" 'and' \$dollar"
chmod 4750 tree/noise
chmod 2755 tree/folder/deeper
setfattr -n user.colour -v blue tree/text
setfacl -m u:4711:r tree/folder/deeper 2>/dev/null
[ "$(id -u)" -ne 0 ] || { mknod tree/folder/device c 1 300; chown 1234:5678 tree/empty; chown -h 99:99 tree/folder/link; }
touch -d '2001-02-03 04:05:06.789012345' tree/text
touch -h -d '1999-01-01' tree/folder/link
touch -d '1950-06-07 08:09:10.5' tree/empty
touch -d '2020-01-01 00:00:00.000000001' tree/folder tree
look tree >tree.look

mkdir empty

# --- init ---
expect "init makes a repository" 0 "is a repository now" "$CAISSON" repository init repo
expect "init refuses a repository" 1 CSN-R002 "$CAISSON" repository init repo
expect "init refuses a folder with something in it" 1 CSN-R002 "$CAISSON" repository init tree
expect "init without a folder" 2 CSN-U001 "$CAISSON" repository init
expect "repository knows init only" 2 CSN-U001 "$CAISSON" repository frob repo
look tree >again.look
same "init changed nothing elsewhere" tree.look again.look
same "README.txt is the one of the sources" repo/README.txt "$top/tools/repository/pages/README.txt"
same "restore.sh is the one of the sources" repo/restore.sh "$top/tools/repository/pages/restore.sh"

# --- backup ---
expect "backup without --repository" 2 CSN-U001 "$CAISSON" backup tree
expect "backup of nothing" 2 CSN-U001 "$CAISSON" backup --repository repo
expect "backup into no repository" 2 CSN-R001 "$CAISSON" backup --repository tree "$work/tree"
for command in "backup $work/tree" verify snapshots "restore --target empty latest"; do
	# shellcheck disable=SC2086 # several words
	expect "${command%% *} with a repository that is not there" 2 CSN-R001 "$CAISSON" $command --repository gone
done
if [ "$(id -u)" -eq 0 ]; then
	chmod 755 .
	cp "$CAISSON" caisson
	mode=$(stat -c %a repo)
	find repo -printf '%m %T@ %s %p\n' >repo.before
	chmod 755 repo
	expect "backup by somebody without rights" 3 CSN-S006 setpriv --reuid 65534 --regid 65534 --clear-groups ./caisson backup --repository repo "$work/tree/text"
	chmod "$mode" repo
	# shellcheck disable=SC2016 # the inner shell's own
	expect "backup into what is mounted read-only" 3 CSN-S006 unshare --mount sh -c \
		'mount --bind repo repo && mount -o remount,bind,ro repo && exec "$@"' sh ./caisson backup --repository "$work/repo" "$work/tree/text"
	find repo -printf '%m %T@ %s %p\n' >repo.after
	same "and nothing was written" repo.before repo.after
fi
expect "backup of what is not there" 2 CSN-S005 "$CAISSON" backup --repository repo "$work/gone"
expect "backup of a tree inside another" 2 CSN-U001 "$CAISSON" backup --repository repo "$work/tree" "$work/tree/folder"
expect "backup of an empty path" 2 CSN-U001 "$CAISSON" backup --repository repo ""
expect "backup of what is excluded" 2 CSN-U001 "$CAISSON" backup --repository repo --exclude "$work/tree" "$work/tree"
for pattern in tree/text '[' '' / '**/' '**' /a/../b //text; do
	expect "backup with the exclude \"$pattern\"" 2 CSN-U001 "$CAISSON" backup --repository repo --exclude "$pattern" "$work/tree"
done
expect "backup with a tag that is none" 2 CSN-U001 "$CAISSON" backup --repository repo --tag run "$work/tree"
expect "no snapshot was made by those" 2 CSN-R005 "$CAISSON" restore --repository repo --target empty latest
"$CAISSON" backup --repository repo --label 'the first' --tag run=1 --json "$work/tree" >first.json 2>said
first=$(jq -r .snapshot first.json)
holds "backup tells in JSON" [ "${#first}$(jq -c .changed first.json)" = '64[]' ]
expect "backup of a relative path" 0 "stored, 0 of " "$CAISSON" backup --repository repo --exclude '**/empty' tree
expect "backup of a mounted root" 0 snapshot "$CAISSON" backup --repository repo --root "$work" --host server /tree
expect "verify finds it sound" 0 "damages: 0" "$CAISSON" verify --repository repo
expect "verify --structure" 0 "damages: 0" "$CAISSON" verify --repository repo --structure
expect "verify wants one level" 2 CSN-U001 "$CAISSON" verify --repository repo --structure --all

# --- snapshots ---
expect "snapshots lists" 0 '"the first"' "$CAISSON" snapshots --repository repo
"$CAISSON" repository init odd >said
expect "backup of an oddly named file" 0 snapshot "$CAISSON" backup --repository odd --label "$(printf 'a\033[2J\302\233b')" "$work/tree/folder/new
line"
expect "snapshots sends no control characters to the screen" 0 'folder/new\x0aline "a\x1b[2J\xc2\x9bb"' "$CAISSON" snapshots --repository odd
"$CAISSON" snapshots --repository repo --json >list.json
holds "snapshots in JSON" [ "$(jq -r '.snapshots | .[0].id, .[0].tags.run, .[2].host, .[2].sources[0].name' list.json | tr '\n' ' ')" = \
	"$first 1 server /tree " ]

# --- restore ---
mkdir out
expect "restore brings it back" 0 "are back in out" "$CAISSON" restore --repository repo --target out "$first"
look "out$work/tree" >out.look
same "everything is as it was" tree.look out.look
holds "holes are holes" [ "$(stat -c %b "out$work/tree/sparse")" -lt 200 ]
expect "restore refuses a folder that is not empty" 1 CSN-R008 "$CAISSON" restore --repository repo --target out "$first"
expect "restore into no folder" 2 CSN-S005 "$CAISSON" restore --repository repo --target gone "$first"
expect "restore of no snapshot" 2 CSN-R005 "$CAISSON" restore --repository repo --target empty 0123abcd
mkdir part
expect "restore of a path that is not in it" 2 CSN-S005 "$CAISSON" restore --repository repo --target part --path /nowhere "$first"
holds "and nothing was written" nothing_in part
expect "restore of one path" 0 "are back" "$CAISSON" restore --repository repo --target part --path "$work/tree/folder/deeper" \
	--path "$work/tree/text" --strip "$work" "$(echo "$first" | cut -c 1-8)"
holds "only that comes" [ "$(find part | LC_ALL=C sort | tr '\n' ' ')" = \
	"part part/tree part/tree/folder part/tree/folder/deeper part/tree/text " ]
mkdir latest
expect "restore latest" 0 "are back" "$CAISSON" restore --repository repo --target latest --strip /tree latest
look latest >latest.look
same "the latest is the mounted root's" tree.look latest.look

# --- a link that is named: itself and what it leads to ---
mkdir links through
ln -s links/second first
ln -s "$work/tree" links/second
"$CAISSON" repository init linked >said
expect "backup of a link" 0 snapshot "$CAISSON" backup --repository linked first "$work/tree/folder"
expect "restore of a link" 0 "are back" "$CAISSON" restore --repository linked --target through --strip "$work" latest
holds "the links are back" [ "$(readlink through/first through/links/second | tr '\n' ' ')" = "links/second $work/tree " ]
look through/tree >through.look
same "and what they lead to" tree.look through.look
ln -s nowhere dangling
expect "backup of a link to nothing" 0 " 1 entries" "$CAISSON" backup --repository linked dangling

# --- with public tools alone ---
zstd -dcq "repo/snapshots/$first.jsonl.zst" >lines
holds "the lines have their hash" [ "$(sed '$d' lines | sha256sum | cut -d' ' -f1)" = "$(tail -n 1 lines | jq -r .sha256)" ]
pack=$(find repo/packs -name '*.zst' | head -n 1)
holds "zstd tests a pack" zstd -tq "$pack"
zstd -dcq "$pack" >chunks
holds "zstd -dc gives the chunks" has chunks 'in the middle'
mkdir script
expect "restore.sh lists" 0 "the first" sh repo/restore.sh
expect "restore.sh brings it back" 0 "are back" sh repo/restore.sh "$first" script
look "script$work/tree" >script.look
same "restore.sh brings everything" tree.look script.look
mkdir script-part
expect "restore.sh brings one path" 0 "1 entries are back" sh repo/restore.sh "$first" script-part "$work/tree/folder/deeper"
holds "restore.sh brings only that" [ "$(find script-part ! -type d; ls -d "script-part$work/tree/folder/"*)" = \
	"script-part$work/tree/folder/deeper" ]
mkdir script-latest
expect "restore.sh brings the newest" 0 "are back" sh repo/restore.sh latest script-latest
look script-latest/tree >script.look
same "which is the one that the program takes" latest.look script.look
expect "restore.sh lists the newest last" 0 " server " sh -c 'sh repo/restore.sh | tail -n 1'
for arguments in latest "latest empty / more" "--frob latest empty" "latest empty --frob"; do
	# shellcheck disable=SC2086 # several words
	expect "restore.sh $arguments" 1 "usage: sh restore.sh" sh repo/restore.sh $arguments
done
holds "and nothing was written" nothing_in empty
expect "restore.sh refuses a folder that is not empty" 1 "not empty" sh repo/restore.sh "$first" script
expect "restore.sh of no snapshot" 1 "there is no snapshot" sh repo/restore.sh 00ff script-part

# --- sockets, which no tool can make: left out, with all their names ---
mkdir sockets socket-script
perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, sockaddr_un("sockets/a")) or die'
ln sockets/a sockets/b
echo kept >sockets/c
"$CAISSON" repository init socketed >said
"$CAISSON" backup --repository socketed --json "$work/sockets" >socketed.json
expect "restore.sh leaves out both names of a socket" 0 "sockets/b was a socket" sh socketed/restore.sh "$(jq -r .snapshot socketed.json)" socket-script
holds "and brings the rest" [ "$(ls "socket-script$work/sockets")" = c ]

# --- damage ---
cp -r repo hurt
pack=$(find hurt/packs -name '*.zst' -size +2000k)
printf 'X' | dd of="$pack" bs=1 seek=1500000 conv=notrunc status=none
expect "verify finds a damaged pack" 1 CSN-R004 "$CAISSON" verify --repository hurt --all
holds "and names the pack" has said "damaged: ${pack#hurt/}"
holds "and names snapshot and path" has said "costs snapshot $(echo "$first" | cut -c 1-16) $work/tree/noise"
"$CAISSON" verify --repository hurt --json >hurt.json 2>/dev/null
holds "and in JSON" [ "$(jq -r --arg id "$first" 'if .snapshot == $id then .path else .damages // empty end' hurt.json | tr '\n' ' ')" = \
	"$work/tree/noise 4 " ]
mkdir hurt-out hurt-script hurt-part
expect "restore stops at it" 1 CSN-R004 "$CAISSON" restore --repository hurt --target hurt-out "$first"
expect "restore.sh stops at it" 1 damaged sh hurt/restore.sh "$first" hurt-script
expect "what is whole can be had" 0 "are back" "$CAISSON" restore --repository hurt --target hurt-part --path "$work/tree/text" "$first" \
	|| : # hurt-script may hold what came before the damage
# --- a damaged snapshot, a damaged index: each is said once ---
"$CAISSON" repository init single >said
"$CAISSON" backup --repository single "$work/tree/text" >said
cp -r single cut
cut_snapshot=$(find cut/snapshots -type f)
printf 'X' | dd of="$cut_snapshot" bs=1 seek=20 conv=notrunc status=none
expect "snapshots names a damaged one" 1 CSN-R004 "$CAISSON" snapshots --repository cut
holds "and says so once" [ "$(grep -c 'CSN-' said)" -eq 1 ]
expect "the latest of damaged ones: that is damage" 1 CSN-R004 "$CAISSON" restore --repository cut --target empty latest
holds "and not a lack of snapshots" [ "$(grep -c 'CSN-' said)/$(grep -c CSN-R005 said)" = 1/0 ]
"$CAISSON" verify --repository cut >said 2>/dev/null
name=$(basename "$cut_snapshot")
holds "verify names the snapshot's file once" grep -qx "  costs all of snapshot $(echo "$name" | cut -c 1-16): snapshots/$name: the [a-z ]*" said
cp -r single cut-pack
cut_pack=$(find cut-pack/packs -type f)
truncate -s -1 "$cut_pack"
"$CAISSON" verify --repository cut-pack >said 2>/dev/null
holds "verify names a pack's file once" grep -qx "damaged: ${cut_pack#cut-pack/}: the [a-z ]*" said

truncate -s 1000 "$pack"
expect "backup warns of a damaged pack and goes on" 0 "is damaged and left out" "$CAISSON" backup --repository hurt "$work/tree/text"
rm -f "$pack"
expect "verify --structure finds a missing pack" 1 "is in no pack that is whole" "$CAISSON" verify --repository hurt --structure
sed -i 's/"version":1/"version":2/' hurt/repository.json
expect "a changed repository.json is seen" 1 "damaged: repository.json:" "$CAISSON" verify --repository hurt --structure
cp hurt/repository.json hurt/repository.json.copy
expect "with its copy changed, too, nothing is written" 1 CSN-R004 "$CAISSON" backup --repository hurt "$work/tree"
line=$(head -n 1 hurt/repository.json)
printf '%s\n{"sha256":"%s"}\n' "$line" "$(printf %s "$line" | sha256sum | cut -d' ' -f1)" >hurt/repository.json
expect "a newer repository is refused" 1 CSN-R006 "$CAISSON" snapshots --repository hurt
expect "a newer repository is not written to" 1 CSN-R006 "$CAISSON" backup --repository hurt "$work/tree"

# --- a running server, a kill, a full disk ---
head -c 60000000 /dev/urandom >tree/busy
dd if=/dev/zero of=tree/busy bs=1 conv=notrunc status=none &
writer=$!
expect "a file that changes is named" 1 CSN-R007 "$CAISSON" backup --repository repo "$work/tree"
kill "$writer"
wait "$writer" 2>/dev/null
holds "and so is its path" has said "changed while it was read: $work/tree/busy"
holds "and the snapshot is there" grep -q '^snapshot ' said
for delay in 0.01 0.03 0.08 0.2; do
	head -c 20000000 /dev/urandom >tree/busy
	"$CAISSON" backup --repository repo "$work/tree" >/dev/null 2>&1 &
	child=$!
	sleep "$delay"
	kill -9 "$child" 2>/dev/null
	wait "$child" 2>/dev/null
	"$CAISSON" verify --repository repo >said 2>&1 || { bad "verify after a kill at $delay s" "$(cat said)"; break; }
done
expect "after kills it is backed up again" 0 "snapshot " "$CAISSON" backup --repository repo "$work/tree"
holds "and nothing is left over" no_leftovers repo
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=4m caisson-test small 2>/dev/null; then
	"$CAISSON" repository init small/repo >/dev/null
	"$CAISSON" backup --repository small/repo "$work/tree/text" >/dev/null 2>&1
	expect "a full disk has its code" 3 CSN-R003 "$CAISSON" backup --repository small/repo "$work/tree"
	holds "a full disk leaves no leftover" no_leftovers small
	expect "a full disk leaves a sound repository" 0 "1 snapshots checked" "$CAISSON" verify --repository small/repo
	umount small
fi
exit $failed

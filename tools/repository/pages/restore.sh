#!/bin/sh
# restore.sh [--identity FILE] [SNAPSHOT|latest TARGET [PATH]]: brings a snapshot of the repository in which this file lies back into the
# empty folder TARGET, with public tools only: sh, coreutils, zstd, jq; age for an encrypted one; setfattr for extended attributes.
# README.txt says more.
set -eu
umask 077
LC_ALL=C
export LC_ALL
home=$(cd "$(dirname "$0")" && pwd -P)
die() { printf 'restore.sh: %s\n' "$*" >&2; exit 1; }
for tool in zstd jq od dd base64 sha256sum truncate mknod tac; do
	command -v "$tool" >/dev/null || die "$tool is needed"
done

usage='usage: sh restore.sh [--identity FILE] [SNAPSHOT|latest TARGET [PATH]]; without any: a list of the snapshots'
identity='' age='' operands=0 snapshot='' target='' only=/
while [ $# -gt 0 ]; do
	case $1 in
	--identity)
		if [ -n "$identity" ] || [ -z "${2:-}" ]; then die "--identity takes one FILE, once"; fi
		identity=$2
		shift ;;
	--help) echo "$usage"; exit 0 ;;
	-*) die "there is no option $1; $usage" ;;
	*)
		operands=$((operands + 1))
		case $operands in 1) snapshot=$1 ;; 2) target=$1 ;; 3) only=$1 ;; *) die "$usage" ;; esac ;;
	esac
	shift
done
[ "$operands" -ne 1 ] || die "$usage"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM # what is decrypted must not stay
for file in "$home"/snapshots/*.jsonl.zst.age; do [ ! -e "$file" ] || age=.age; done
if [ -n "$age" ]; then
	command -v age >/dev/null || die "age is needed: this repository is encrypted"
	case $identity in *AGE-SECRET-KEY-*) die "--identity takes the name of a file that holds the secret key, not the key" ;; esac
	[ -z "$identity" ] || [ -r "$identity" ] || die "the identity $identity cannot be read: is that the file's name?"
	if [ -z "$identity" ]; then
		key='' there=''
		known=$(grep -hs '"key":"' "$home/repository.json" "$home/repository.json.copy") || known=''
		for file in "$home/key.age.copy" "$home/key.age"; do
			[ -e "$file" ] || continue
			there=1
			hash=$(sha256sum <"$file")
			case $known in *"\"key\":\"${hash%% *}\""* | '') key=$file ;; esac
		done
		grep -qs '"passphrase":true' "$home/repository.json" "$home/repository.json.copy" || [ -n "$there" ] ||
			die "this repository is encrypted: give the identity of one of the recipients in repository.json, --identity FILE"
		[ -n "$key" ] || die "key.age and key.age.copy are damaged or gone: no passphrase helps. Take them from another copy of this repository, or give an identity, --identity FILE"
		age -d "$key" >"$work/key" || die "the passphrase does not open $key"
		identity=$work/key
	fi
fi
plain() { if [ -n "$age" ]; then age -d -i "$identity" "$1"; else cat "$1"; fi; }
id_of() { id=${1##*/}; id=${id%.jsonl.zst"$age"}; }

# "TIME ID" of the snapshots that can be read into times, the oldest first; the first line of each into line-ID.
list() {
	: >"$work/times"
	unread=''
	for file in "$home"/snapshots/*.jsonl.zst"$age"; do
		[ -e "$file" ] || die "there are no snapshots"
		id_of "$file"
		line=$({ plain "$file" | zstd -dcq | head -n 1; } 2>>"$work/said")
		time=$(printf '%s\n' "$line" | jq -r '.time // empty' 2>/dev/null) || time=''
		[ -n "$time" ] || { unread=$id; echo "restore.sh: $id cannot be read: for another identity, or damaged" >&2; continue; }
		printf '%s\n' "$line" >"$work/line-$id"
		echo "$time $id" >>"$work/times"
	done
	[ -s "$work/times" ] || die "no snapshot can be read. $(head -n 1 "$work/said") $advice"
	sort -o "$work/times" "$work/times"
}
advice=''
[ -z "$age" ] || advice='Give the identity of one of the recipients in repository.json, or the key of the machine that was backed up: --identity FILE'

if [ "$operands" -eq 0 ]; then
	list
	while read -r _ id; do
		printf '%s ' "$id"
		jq -r '"\(.time) \(.host) \(.label) \([.sources[].name] | join(" "))"' "$work/line-$id"
	done <"$work/times"
	exit 0
fi
if [ "$snapshot" = latest ]; then
	list
	snapshot=$(tail -n 1 "$work/times")
	snapshot=${snapshot#* }
	[ -n "$age" ] || [ -z "$unread" ] || die "which snapshot is the latest is not known, as $unread cannot be read: name the one that you mean"
fi
found=
for file in "$home/snapshots/$snapshot"*.jsonl.zst"$age"; do
	[ -e "$file" ] || die "there is no snapshot $snapshot; without SNAPSHOT and TARGET restore.sh lists them"
	[ -z "$found" ] || die "$snapshot fits several snapshots; more of its digits tell which"
	found=$file
done
[ -d "$target" ] || die "$target is not a folder"
[ -z "$(find "$target" -mindepth 1 ! -path "$target/lost+found" | head -n 1)" ] || die "$target is not empty"
target=$(cd "$target" && pwd -P)
if ! plain "$found" >"$work/snapshot" 2>"$work/said"; then
	id_of "$found"
	die "the snapshot $id cannot be read: for another identity, or damaged. $(head -n 1 "$work/said") $advice"
fi

# Where each chunk is: "ID PACK START LENGTH", from the index at the end of each pack.
: >"$work/places"
for pack in "$home"/packs/*/*.zst"$age"; do
	[ -e "$pack" ] || continue
	bytes=$pack
	if [ -n "$age" ]; then
		bytes=$work/pack
		plain "$pack" >"$bytes" || { echo "restore.sh: $pack is not for this identity, or damaged: left out" >&2; continue; }
	fi
	tail -c 64 "$bytes" >"$work/trailer"
	[ "$(head -c 8 "$work/trailer")" = caissonP ] || { echo "restore.sh: $pack has no index, left out" >&2; continue; }
	count=$(od -An -v -tu4 -j 12 -N 4 "$work/trailer" | tr -d ' ')
	tail -c $((count * 44 + 64)) "$bytes" >"$work/index"
	hash=$(head -c $((count * 44 + 32)) "$work/index" | sha256sum)
	name=${pack##*/}
	[ "${hash%% *}" = "${name%.zst"$age"}" ] || { echo "restore.sh: the index of $pack is damaged, left out" >&2; continue; }
	head -c $((count * 44)) "$work/index" >"$work/records"
	od -An -v -tx1 -w44 "$work/records" | tr -d ' ' | cut -c 1-64 >"$work/ids"
	od -An -v -tu4 -w44 "$work/records" | awk '{ print $9 }' >"$work/lengths"
	paste -d ' ' "$work/ids" "$work/lengths" |
		awk -v pack="${pack#"$home"/}" '{ print $1, pack, 0 + at, $2; at += $2 }' >>"$work/places"
done

# The snapshot as plain words. Names are in base64, so that they may hold anything.
zstd -dcq <"$work/snapshot" | jq -r --arg only "${only%/}" '
	def name($key): if has($key) then .[$key] | @base64 else .[$key + "64"] end;
	def nine: "000000000\(.)" | .[-9:];
	def time: if .[0] < 0 and .[1] > 0 then "-\(-.[0] - 1).\(1000000000 - .[1] | nine)" else "\(.[0]).\(.[1] | nine)" end;
	if has("format") or has("end") then empty
	elif has("type") then
		(if has("path") then .path else (.path64 | @base64d) end) as $path
		| (if $only == "" or $path == $only or ($path | startswith($only + "/")) then "entry" else "other" end) as $word
		| "\($word) \(if has("hardlink") or has("hardlink64") then "hardlink" else .type | gsub(" "; "-") end) \(name("path")
			) \(.mode) \(.uid):\(.gid) \(.mtime | time) \(
			if has("hardlink") or has("hardlink64") then name("hardlink")
			elif .type == "link" then name("target")
			elif has("device") then "\(.device[0]) \(.device[1])"
			else .size // 0 end)",
		(.xattrs // [] | .[] | "xattr \(name("name")) \(name("value"))"),
		(.content // [] | .[] | "piece \(.[0] // "hole") \(.[1])")
	else .content[] | "piece \(.[0] // "hole") \(.[1])" end' |
	awk -v places="$work/places" '
		BEGIN { while ((getline line < places) > 0) { split(line, f, " "); place[f[1]] = f[2] " " f[3] " " f[4] } }
		$1 == "entry" || $1 == "other" { wanted = $1 == "entry" }
		wanted && $1 == "piece" && $2 != "hole" { print $0, place[$2]; next }
		wanted' >"$work/plan"
[ -s "$work/plan" ] || die "there is nothing of $only in the snapshot"

# opened PACK: where its plain bytes are; of an encrypted one those of the last 16 packs are kept.
opened() {
	if [ -z "$age" ]; then
		bytes=$home/$1
		return
	fi
	bytes=$work/open/${1##*/}
	[ ! -e "$bytes" ] || return 0
	mkdir -p "$work/open"
	# shellcheck disable=SC2012 # names of our own
	ls -t "$work/open" | tail -n +16 | while read -r old; do rm "$work/open/$old"; done
	plain "$home/$1" >"$bytes"
}
decode() { printf %s "$1" | base64 -d; echo x; }
attributes() { # PATH TYPE MODE OWNER TIME: owner, extended attributes from $work/xattrs, mode, time, in this order
	if [ "$(id -u)" = 0 ]; then chown -h "$4" "$1"; fi
	if [ -s "$work/xattrs" ] && command -v setfattr >/dev/null; then
		while read -r _ key value; do
			key=$(decode "$key")
			setfattr -h -n "${key%x}" -v "0s$value" "$1" || echo "restore.sh: an attribute of $1 could not be set" >&2
		done <"$work/xattrs"
	elif [ -s "$work/xattrs" ]; then
		echo "restore.sh: $1 has extended attributes; setfattr is needed to set them" >&2
	fi
	[ "$2" = link ] || chmod "$3" "$1"
	touch -h -d "@$5" "$1"
}
finish() { # the entry at hand has all its pieces and attributes
	case $type in
	'' | hardlink) ;;
	folder) # when everything below is there
		mkdir -p "$work/folders"
		cp "$work/xattrs" "$work/folders/$entries"
		echo "$entries $coded $mode $owner $time" >>"$work/later" ;;
	*)
		[ "$type" != file ] || truncate -s "$extra" "$path"
		attributes "$path" "$type" "$mode" "$owner" "$time" ;;
	esac
	: >"$work/xattrs"
}
begin() {
	path=$(decode "$coded")
	path=$target${path%x}
	parent=${path%/*}
	[ -d "$parent" ] || { mkdir -p "$parent" && chmod 755 "$parent"; }
	case $type in
	file) : >"$path" ;;
	folder) [ -d "$path" ] || mkdir "$path" ;;
	link) link=$(decode "$extra"); ln -s -- "${link%x}" "$path" ;;
	hardlink)
		if grep -qxF "$extra" "$work/sockets"; then
			echo "restore.sh: $path was a socket, left out" >&2
			type=
			return
		fi
		link=$(decode "$extra")
		link=$target${link%x}
		[ -e "$link" ] || [ -h "$link" ] || die "$path is another name of $link, which was not chosen: choose both"
		ln -- "$link" "$path" ;;
	fifo) mkfifo "$path" ;;
	socket) echo "restore.sh: $path was a socket, left out" >&2; echo "$coded" >>"$work/sockets"; type= ;;
	character-device) mknod "$path" c "${extra% *}" "${extra#* }" ;;
	block-device) mknod "$path" b "${extra% *}" "${extra#* }" ;;
	*) die "$path is of a kind that is not known: $type" ;;
	esac
}

: >"$work/xattrs"
: >"$work/later"
: >"$work/sockets"
type='' entries=0 written=0
while read -r word one two three four five six; do
	case $word in
	entry)
		finish
		type=$one coded=$two mode=$three owner=$four time=$five extra=$six
		entries=$((entries + 1)) written=0
		begin ;;
	xattr) echo "x $one $two" >>"$work/xattrs" ;;
	piece)
		if [ "$one" = hole ]; then
			written=$((written + two))
			truncate -s "$written" "$path"
			continue
		fi
		[ -n "$three" ] || die "a chunk of $path is in no pack"
		opened "$three"
		dd if="$bytes" iflag=skip_bytes,count_bytes skip="$four" count="$five" bs=1M status=none | zstd -dcq >"$work/chunk"
		hash=$(sha256sum <"$work/chunk")
		[ "${hash%% *}" = "$one" ] || die "a chunk of $path is damaged"
		cat "$work/chunk" >>"$path"
		written=$((written + two)) ;;
	esac
done <"$work/plan"
finish
tac "$work/later" | while read -r number coded mode owner time; do
	path=$(decode "$coded")
	cp "$work/folders/$number" "$work/xattrs"
	attributes "$target${path%x}" folder "$mode" "$owner" "$time"
done
echo "restore.sh: $entries entries are back in $target"

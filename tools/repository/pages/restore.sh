#!/bin/sh
# restore.sh [--identity FILE] [SNAPSHOT|latest TARGET [PATH]]: brings a snapshot of the repository in which this file lies back into the
# empty folder TARGET, with public tools only: sh, coreutils, find, grep, awk, zstd, jq; age for an encrypted one; setfattr for extended
# attributes.
# Nothing is written before the snapshot's own hashes hold, and nothing outside of TARGET whatever it says. README.txt says more.
set -eu
umask 077
LC_ALL=C
export LC_ALL
home=$(cd "$(dirname "$0")" && pwd -P)
die() { printf 'restore.sh: %s\n' "$*" >&2; exit 1; }
for tool in zstd jq od dd base64 sha256sum truncate mknod tac find grep awk; do
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

# read_index FILE KIND ID: what each frame of the plain file FILE is, one a line, into $work/index: "SHA-256 START LENGTH SIZE". 1: its
# index is not there or does not hold.
read_index() {
	: >"$work/index"
	tail -c 64 "$1" >"$work/trailer" || return 1
	[ "$(head -c 8 "$work/trailer")" = "caisson$2" ] || return 1
	count=$(od -An -v -tu4 -j 12 -N 4 "$work/trailer" | tr -d ' ')
	[ "$count" -ge 1 ] && [ "$count" -le 262144 ] || return 1
	tail -c $((count * 44 + 64)) "$1" | head -c $((count * 44 + 32)) >"$work/hashed" || return 1
	hash=$(sha256sum <"$work/hashed")
	[ "${hash%% *}" = "$3" ] || return 1
	head -c $((count * 44)) "$work/hashed" >"$work/records"
	od -An -v -tx1 -w44 "$work/records" | tr -d ' ' | cut -c 1-64 >"$work/ids"
	od -An -v -tu4 -w44 "$work/records" | paste -d ' ' "$work/ids" - |
		awk '{ printf "%s %.0f %s %s\n", $1, at, $10, $11; at += $10 }' >"$work/index"
	[ "$(wc -l <"$work/index")" -eq "$count" ] || die "there is no room in ${TMPDIR:-/tmp}"
}
# frame FILE SHA-256 START LENGTH SIZE: its content into $work/chunk; 1 if it is another one.
frame() {
	dd if="$1" iflag=skip_bytes,count_bytes skip="$3" count="$4" bs=1M status=none 2>>"$work/said" |
		zstd -dcq 2>>"$work/said" | head -c $(($5 + 1)) >"$work/chunk" || return 1
	hash=$(sha256sum <"$work/chunk")
	[ "${hash%% *}" = "$2" ]
}
# read_snapshot FILE: its lines into $work/lines, once all their hashes hold; with a second argument only the first one. 1: damaged, or
# for another identity.
read_snapshot() {
	id_of "$1"
	file=$1
	if [ -n "$age" ]; then
		file=$work/snapshot
		plain "$1" >"$file" 2>"$work/said" || return 1
	fi
	read_index "$file" S "$id" || return 1
	mv "$work/index" "$work/blocks"
	: >"$work/lines"
	while read -r hash start length size; do
		frame "$file" "$hash" "$start" "$length" "$size" || return 1
		cat "$work/chunk" >>"$work/lines" || die "there is no room in ${TMPDIR:-/tmp}"
		[ $# -eq 1 ] || break
	done <"$work/blocks"
}

# "TIME ID" of the snapshots that can be read into times, the oldest first; the first line of each into line-ID.
list() {
	: >"$work/times"
	unread=''
	for file in "$home"/snapshots/*.jsonl.zst"$age"; do
		[ -e "$file" ] || die "there are no snapshots"
		name=$file
		time=''
		if read_snapshot "$name" first; then time=$(jq -r '.time // empty' <"$work/lines" 2>/dev/null) || time=''; fi
		id_of "$name"
		[ -n "$time" ] || { unread=$id; echo "restore.sh: $id cannot be read: for another identity, or damaged" >&2; continue; }
		mv "$work/lines" "$work/line-$id"
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
: >"$work/said"
read_snapshot "$found" || die "the snapshot $id cannot be read: for another identity, or damaged. $(head -n 1 "$work/said") $advice
Nothing was written. What can be had of a damaged one: caisson repair, or another snapshot"
rm -f "$work/snapshot"

# Where each chunk is: "SHA-256 PACK START LENGTH SIZE", from the index at the end of each pack.
: >"$work/places"
for pack in "$home"/packs/*/*.zst"$age"; do
	[ -e "$pack" ] || continue
	bytes=$pack
	if [ -n "$age" ]; then
		bytes=$work/pack
		plain "$pack" >"$bytes" || { echo "restore.sh: $pack is not for this identity, or damaged: left out" >&2; continue; }
	fi
	name=${pack##*/}
	read_index "$bytes" P "${name%.zst"$age"}" || { echo "restore.sh: the index of $pack is damaged, left out" >&2; continue; }
	awk -v pack="${pack#"$home"/}" '{ print $1, pack, $2, $3, $4 }' "$work/index" >>"$work/places"
done

# The snapshot as plain words. Names are in base64, so that they may hold anything. Whatever is not as it must be ends it here.
if ! jq -r --arg only "${only%/}" '
	def must($what; is): if is then . else error("this snapshot is not to be trusted, at \($what)") end;
	def is_number: type == "number" and . == floor;
	def is_count: is_number and . >= 0;
	# in base64: bytes that are not UTF-8; decoded with a sign in place of each, which is neither "/" nor "." nor a NUL
	def coded: type == "string" and length % 4 == 0 and test("^[A-Za-z0-9+/]*={0,2}$");
	def plain($key): if has($key) then .[$key] else .[$key + "64"] | @base64d end;
	def name($key): if has($key) then .[$key] | @base64 else .[$key + "64"] end;
	def has_name($key): if has($key) then .[$key] | type == "string" else .[$key + "64"] | coded end;
	def has_text($key): has_name($key) and (plain($key) | length > 0 and index("\u0000") == null);
	def is_path: startswith("/") and (. == "/" or (split("/")[1:] | all(. != "" and . != "." and . != "..")));
	def is_piece: type == "array" and length == 2 and (.[1] | is_count) and
		(.[0] == null or (.[0] | type == "string" and test("^[0-9a-f]{64}$")));
	def nine: "000000000\(.)" | .[-9:];
	def time: if .[0] < 0 and .[1] > 0 then "-\(-.[0] - 1).\(1000000000 - .[1] | nine)" else "\(.[0]).\(.[1] | nine)" end;
	try (if has("format") or has("end") then empty
	elif has("type") then
		must("a path"; has_text("path") and (plain("path") | is_path)) | plain("path") as $path
		| (has("hardlink") or has("hardlink64")) as $is_hardlink
		| must($path; (.mode | type == "string" and test("^[0-7]{4}$")) and (.uid | is_count) and (.gid | is_count) and
			(.mtime | type == "array" and length == 2 and all(is_number)) and
			(.type | IN("file", "folder", "link", "fifo", "socket", "character device", "block device")) and
			(.size // 0 | is_count) and ((.content // []) | type == "array" and all(is_piece)) and
			((.xattrs // []) | type == "array" and all(has_text("name") and has_name("value"))) and
			(if $is_hardlink then has_text("hardlink") and (plain("hardlink") | is_path)
			elif .type == "link" then has_text("target")
			elif (.type | endswith("device")) then .device | type == "array" and length == 2 and all(is_count)
			else true end))
		| (if $only == "" or $path == $only or ($path | startswith($only + "/")) then "entry" else "other" end) as $word
		| "\($word) \(if $is_hardlink then "hardlink" else .type | gsub(" "; "-") end) \(name("path")
			) \(.mode) \(.uid):\(.gid) \(.mtime | time) \(
			if $is_hardlink then name("hardlink")
			elif .type == "link" then name("target")
			elif (.type | endswith("device")) then "\(.device[0]) \(.device[1])"
			else .size // 0 end)",
		(.xattrs // [] | .[] | "xattr \(name("name")) \(name("value"))"),
		(.content // [] | .[] | "piece \(.[0] // "hole") \(.[1])")
	else must("a line"; (.content | type == "array" and all(is_piece))) | .content[] | "piece \(.[0] // "hole") \(.[1])" end)
	catch "refused \(tostring | @base64)"
	' <"$work/lines" >"$work/words" 2>"$work/said"; then
	die "$(tail -n 1 "$work/said"). Nothing was written"
fi
if refused=$(grep -m 1 '^refused ' "$work/words"); then
	die "$(printf %s "${refused#refused }" | base64 -d). Nothing was written"
fi
# Of a file with several names the first one that is wanted gets the content; where the pieces are.
awk -v places="$work/places" -v all="$([ -n "${only%/}" ] || echo 1)" '
	function after_time(text,    g, n, i, extra) {
		n = split(text, g, " ")
		for (i = 7; i <= n; i++) extra = extra (i > 7 ? " " : "") g[i]
		return extra
	}
	NR == FNR {
		if (all == "" && $1 == "entry") wanted[$3] = 1
		if (all == "" && $1 == "entry" && $2 == "hardlink" && !($7 in wanted) && !($7 in stand_in)) stand_in[$7] = $3
		next
	}
	FNR == 1 { while ((getline line < places) > 0) { split(line, f, " "); place[f[1] " " f[5]] = f[2] " " f[3] " " f[4] } }
	$1 == "entry" || $1 == "other" {
		is_wanted = $1 == "entry"
		keeping = ""
		if (!is_wanted && ($3 in stand_in)) { keeping = $3; own[$3] = $0; next }
		if (is_wanted && $2 == "hardlink" && ($7 in stand_in)) {
			if (stand_in[$7] == $3) {
				split(own[$7], f, " ")
				print "entry", f[2], $3, f[4], f[5], f[6], after_time(own[$7])
				printf "%s", rest[$7]
				next
			}
			$7 = stand_in[$7]
		}
		if (is_wanted) print
		next
	}
	{
		line = $1 == "piece" && $2 != "hole" ? $0 " " place[$2 " " $3] : $0
		if (is_wanted) print line
		else if (keeping != "") rest[keeping] = rest[keeping] line "\n"
	}
	' "$work/words" "$work/words" >"$work/plan" || die "there is no room in ${TMPDIR:-/tmp}"
rm -f "$work/lines" "$work/words"
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
	plain "$home/$1" >"$bytes" || die "$1 cannot be read"
}
decode() { printf %s "$1" | base64 -d; echo x; }
attributes() { # PATH TYPE MODE OWNER TIME: owner, extended attributes from $work/xattrs, mode, time, in this order
	if [ "$(id -u)" = 0 ]; then chown -h "$4" "$1"; fi
	if [ -s "$work/xattrs" ] && command -v setfattr >/dev/null; then
		while read -r _ key value; do
			key=$(decode "$key")
			# of an empty value setfattr wants to hear nothing
			setfattr -h -n "${key%x}" ${value:+-v "0s$value"} "$1" || echo "restore.sh: an attribute of $1 could not be set" >&2
		done <"$work/xattrs"
	elif [ -s "$work/xattrs" ]; then
		echo "restore.sh: $1 has extended attributes; setfattr is needed to set them" >&2
	fi
	[ "$2" = link ] || chmod "$3" "$1"
	touch -h -d "@$5" "$1"
}
# below TARGET-PATH: every folder on the way to it is there, and none of them is a link: else the snapshot leads out of the target.
below() {
	[ "${1%/*}" != "$known" ] || return 0
	rest=${1#"$target"}
	at=$target
	while rest=${rest#/}; [ "$rest" != "${rest#*/}" ]; do
		at=$at/${rest%%/*}
		rest=${rest#*/}
		[ ! -h "$at" ] || die "$at is a link, and the snapshot goes on below it: it is not to be trusted"
		[ -d "$at" ] || { mkdir "$at" && chmod 755 "$at"; } || die "$at is no folder, and the snapshot goes on below it"
	done
	known=${1%/*}
}
known=
finish() { # the entry at hand has all its pieces and attributes
	case $type in
	'' | hardlink) ;;
	folder) # when everything below is there
		mkdir -p "$work/folders"
		cp "$work/xattrs" "$work/folders/$entries"
		echo "$entries $coded $mode $owner $time" >>"$work/later" ;;
	*)
		[ "$type" != file ] || { truncate -s "$extra" "$path" && [ "$written" -eq "$extra" ]; } || die "$path is not as large as it must be"
		attributes "$path" "$type" "$mode" "$owner" "$time" ;;
	esac
	: >"$work/xattrs"
}
begin() {
	path=$(decode "$coded")
	path=$target${path%x}
	[ "$path" = "$target/" ] || below "$path"
	if [ -h "$path" ] || { [ -e "$path" ] && { [ "$type" != folder ] || [ ! -d "$path" ]; }; }; then
		die "$path is twice in the snapshot: it is not to be trusted"
	fi
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
		(known='' && below "$link") || exit 1
		[ -e "$link" ] || [ -h "$link" ] || die "$path is another name of $link, which is not there"
		ln -P -- "$link" "$path" ;;
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
		[ -n "$three" ] || die "a chunk of $path is in no pack that is whole"
		opened "$three"
		frame "$bytes" "$one" "$four" "$five" "$two" || die "a chunk of $path is damaged"
		cat "$work/chunk" >>"$path"
		written=$((written + two)) ;;
	esac
done <"$work/plan"
finish
tac "$work/later" >"$work/folders-last"
while read -r number coded mode owner time; do
	path=$(decode "$coded")
	cp "$work/folders/$number" "$work/xattrs"
	attributes "$target${path%x}" folder "$mode" "$owner" "$time"
done <"$work/folders-last"
echo "restore.sh: $entries entries are back in $target"

#!/bin/sh
# restore-sh.sh: the script in each repository, which needs nothing of ours: odd trees, damaged snapshots, and snapshots that somebody
# made to write elsewhere. What is refused is refused before anything is written.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"

script() { # REPOSITORY ARGUMENT...
	repository=$1
	shift
	rm -rf back
	mkdir back
	sh "$repository/restore.sh" "$@" >said 2>&1
	status=$?
}
nothing_written() { [ -z "$(ls -A back)" ]; }
look() { (cd "$1" && find . -printf '%p %y %m %U:%G %s %n\n' | LC_ALL=C sort && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2); }

# --- an odd tree, whole and in part
mkdir -p tree/sub/deep
head -c 700000 /dev/urandom >tree/file
ln tree/file tree/sub/other
ln tree/file tree/sub/third
ln -s ../file tree/sub/link
ln -s "$work/elsewhere" tree/out
printf x >"tree/$(printf 'line\nbreak')"
printf y >"tree/$(printf '\377\376')"
printf z >"tree/-dash"
truncate -s 1M tree/sparse
mkfifo tree/pipe
chmod 640 tree/file
if setfattr -n user.some -v value tree/file 2>/dev/null; then
	setfattr -n user.empty tree/file
	attributes=1
else
	attributes=
fi
run repository init plain
run backup --repository plain "$work/tree"
script plain latest back
check "an odd tree" [ "$status" -eq 0 ]
look "back$work/tree" >now
look tree >before
check "as it was" cmp before now
if [ -n "$attributes" ]; then
	check "with an attribute" [ "$(getfattr --only-values -n user.some "back$work/tree/file" 2>/dev/null)" = value ]
	check "and an empty one" getfattr -n user.empty "back$work/tree/file"
else
	echo "skip restore.sh: extended attributes, the file system of $work has none"
fi
script plain latest back "$work/tree/sub"
check "a part, with further names of a file outside of it" [ "$status" -eq 0 ]
check "they have its content" cmp tree/file "back$work/tree/sub/other"
check "and are one file" [ "back$work/tree/sub/other" -ef "back$work/tree/sub/third" ]
check "and only they are there" [ ! -e "back$work/tree/file" ]
run export --repository plain --output part.tar.zst --path "$work/tree/sub" latest
check "export does the same" [ "$status" -eq 0 ]
mkdir out
zstd -qdc part.tar.zst | tar -C out -xf -
check "with the content" cmp tree/file "out$work/tree/sub/other"
check "once" [ "out$work/tree/sub/other" -ef "out$work/tree/sub/third" ]

# --- it has what it says that it needs, and no more; without one of them it does nothing
mkdir path
dpkg -L coreutils | grep '/bin/' | xargs ln -s -t path
for tool in sh find grep awk zstd jq; do ln -s "$(command -v $tool)" path/; done
with_path() { rm -rf back; mkdir back; PATH=$work/path sh plain/restore.sh latest back >said 2>&1; status=$?; }
with_path
check "with the tools that README.txt names" [ "$status" -eq 0 ]
look "back$work/tree" >now
check "as it was" cmp before now
check "and none is missed" sh -c '! grep "not found" said'
for tool in find grep jq; do
	mv "path/$tool" .
	with_path
	check "without $tool" [ "$status/$(cat said)" = "1/restore.sh: $tool is needed" ]
	check "nothing is written" nothing_written
	mv "$tool" path/
done

# --- damage: many names, so that the snapshot has several blocks
mkdir many
(cd many && seq -f 'name-%.0f' 1 9000 | xargs touch)
run repository init large
run backup --repository large "$work/many"
good=$(find large/snapshots -type f)
cp "$good" good
for part in 3 5 10 30 50 70 90 97; do
	cp good "$good"
	flip "$good" $(($(stat -c %s good) * part / 100))
	script large latest back
	check "a flipped bit at $part %" [ "$status" -ne 0 ]
	check "and nothing is written" nothing_written
done
truncate -s $(($(stat -c %s good) / 2)) "$good"
script large latest back
check "a snapshot cut short" [ "$status" -ne 0 ]
check "and nothing is written" nothing_written
rm "$good"
cp good "large/snapshots/$(printf '0%.0s' $(seq 64)).jsonl.zst"
script large latest back
check "a snapshot under another id" [ "$status" -ne 0 ]
check "and nothing is written" nothing_written

# --- snapshots made by somebody who wants to write elsewhere: all hashes hold
# forge NAME: lines on stdin become a snapshot in the repository evil, alone.
forge() {
	rm -rf evil
	run repository init evil
	perl -MDigest::SHA=sha256 -e '
		local $/; my $lines = <STDIN>;
		my ($first, $rest) = $lines =~ /\A(.*?\n)(.*)\z/s;
		my $end = qq({"end":true,"entries":1,"files":1,"bytes":0,"changed":0,"sha256":") . Digest::SHA::sha256_hex($lines) . qq("}\n);
		my ($frames, $records) = ("", "");
		for my $block ($first, $rest, $end) {
			open my $out, ">", "block"; print $out $block; close $out;
			my $frame = `zstd -qc --no-check block`;
			$frames .= $frame;
			$records .= sha256($block) . pack("VVV", length $frame, length $block, 0);
		}
		my $head = "caissonS" . pack("VV", 1, 3) . "\0" x 16;
		my $id = sha256($records . $head);
		open my $file, ">", "evil/snapshots/" . unpack("H*", $id) . ".jsonl.zst";
		print $file $frames . pack("VV", 0x184D2A5B, length($records) + 64) . $records . $head . $id;
	'
}
head_line='{"format":"caisson-snapshot","version":1,"time":"2999-01-01T00:00:00.000Z","began":32472144000,"host":"h","label":"","tool":"t","sources":[{"name":"/a"}],"excludes":[],"tags":{}}'
folder() { printf '{"path":"%s","type":"folder","mode":"0755","uid":0,"gid":0,"mtime":[1,0],"ctime":[1,0],"dev":1,"ino":1,"nlink":2}\n' "$1"; }
file() { printf '{"%s":"%s","type":"file","mode":"4755","uid":0,"gid":0,"mtime":[1,0],"ctime":[1,0],"dev":1,"ino":2,"nlink":1,"size":10,"content":[[null,10]]}\n' "${2:-path}" "$1"; }
link() { printf '{"path":"%s","type":"link","mode":"0777","uid":0,"gid":0,"mtime":[1,0],"ctime":[1,0],"dev":1,"ino":3,"nlink":1,"target":"%s"}\n' "$1" "$2"; }
hardlink() { printf '{"path":"%s","type":"file","mode":"0644","uid":0,"gid":0,"mtime":[1,0],"ctime":[1,0],"dev":1,"ino":2,"nlink":2,"hardlink":"%s"}\n' "$1" "$2"; }
# evil NAME: the lines on stdin, behind a good head, are refused by the script and by the program, and nothing is outside of the target.
evil() {
	{ echo "$head_line"; folder /a; cat; } | forge
	mkdir -p elsewhere/folder
	echo precious >elsewhere/file
	look elsewhere >elsewhere.before
	script evil latest back
	check "$1: the script refuses it" [ "$status" -ne 0 ]
	look elsewhere >elsewhere.now
	check "$1: and writes nothing elsewhere" cmp elsewhere.before elsewhere.now
	rm -rf back
	mkdir back
	run restore --repository evil --target back latest
	check "$1: the program refuses it" [ "$status" -ne 0 ]
	look elsewhere >elsewhere.now
	check "$1: and writes nothing elsewhere, too" cmp elsewhere.before elsewhere.now
}
{ echo "$head_line"; folder /a; file /a/good; } | forge
script evil latest back
check "a forged one that is sound is restored: the others fail for what they are" [ -e back/a/good ]
up=$(printf '/..%.0s' $(seq 12))
file "/a$up$work/elsewhere/new" | evil "a path with .."
file "$(printf '/a%s%s/elsewhere/new' "$up" "$work" | base64 -w 0)" path64 | evil "the same in base64"
file "$(printf '/a/.\0./.\0./.\0./.\0./x' | base64 -w 0)" path64 | evil "NULs in a path"
file 'L2E=
entry file Li4vLi4vLi4veA== 0644 0:0 1.0 0' path64 | tr -d '\n' | sed 's/$/\n/' | evil "what is no base64"
{ link /a/l "$work/elsewhere"; file /a/l/new; } | evil "a file below a link"
{ link /a/l "$work/elsewhere"; folder /a/l/folder; file /a/l/folder/new; } | evil "a folder below a link"
{ link /a/l "$work/elsewhere/file"; file /a/l; } | evil "a file over a link"
{ link /a/l "$work/elsewhere"; folder /a/l; } | evil "a folder over a link"
{ link /a/l "$work/elsewhere"; hardlink /a/m /a/l/file; } | evil "a hard link through a link"
hardlink /a/m "/a$up$work/elsewhere/file" | evil "a hard link with .."
file //a/x | evil "an empty part"
exit $failed

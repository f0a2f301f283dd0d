#!/bin/sh
# The program built with the thread sanitizer: backup, verify, restore, prune by several threads; no data race is told of.
# Needs out/sysroot/host (`make unit`).
set -u
cd "$(dirname "$0")/../.." || exit 3
top=$PWD
work=$(mktemp -d /var/tmp/caisson-threads-XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 3' HUP INT TERM
bad=0
out=out/threads
mkdir -p $out
export out
# shellcheck disable=SC2016 # the inner shell's own
find tools -name '*.c' -print0 | xargs -0 -P "$(nproc)" -I '{}' sh -c 'gcc -std=c11 -D_GNU_SOURCE -Itools \
	-isystem out/sysroot/host/include -O1 -g -fsanitize=thread -c -o "$out/$(echo "$1" | tr / _).o" "$1"' - '{}' || exit 3
# shellcheck disable=SC2046 # lists of files and of words
gcc -fsanitize=thread -o $out/caisson $(find tools -name '*.c' | tr / _ | sed "s,.*,$out/&.o,") -Lout/sysroot/host/lib \
	-Wl,--start-group $(sed -n 's/^LDLIBS = //p' Makefile) -Wl,--end-group || exit 3
cd "$work" || exit 3
age-keygen -o site.key 2>/dev/null
mkdir tree back
cp -r /usr/share/perl5 /usr/lib/git-core tree 2>/dev/null
head -c 30000000 /dev/urandom >tree/large
# The sanitizer wants its addresses where it expects them.
run() {
	name=$1
	shift
	if setarch -R "$top/$out/caisson" "$@" >said 2>&1 && ! grep -q 'ThreadSanitizer' said; then
		echo "ok long/threads $name"
	else
		echo "not ok long/threads $name"
		bad=1
		sed 's/^/# /' said | head -n 60
	fi
}
run init repository init repository --recipient "$(age-keygen -y site.key)"
run backup backup --repository repository --key own.key "$work/tree"
rm -r tree/perl5
head -c 30000000 /dev/urandom >tree/more
run 'second backup' backup --repository repository --key own.key --reread "$work/tree"
run verify verify --repository repository --identity site.key
run restore restore --repository repository --identity site.key --target back latest
run export export --repository repository --identity site.key --output archive.tar.zst latest
run prune prune --repository repository --identity site.key --keep-last 1
run repair repair --repository repository --identity site.key
exit $bad

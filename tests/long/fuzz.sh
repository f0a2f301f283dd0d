#!/bin/sh
# Each fuzzer of tests/fuzz for SECONDS_EACH: no input may crash a parser, read out of bounds, leak, or take it without end.
set -u
cd "$(dirname "$0")/../.." || exit 3
bad=0
TMPDIR=$(mktemp -d /dev/shm/fuzz-XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 3' HUP INT TERM
for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c) name=${name#fuzz_}
	log=out/test/fuzz-$name.log
	mkdir -p out/test
	if tests/fuzz/run "$name" "${SECONDS_EACH:-300}" >"$log" 2>&1; then
		echo "ok long/fuzz $name: $(grep -E '^Done ' "$log")"
	else
		tail -n 40 "$log" | sed 's/^/# /'
		echo "not ok long/fuzz $name: the input is in out/fuzz/$name"
		bad=1
	fi
done
if [ -n "$(ls -A "$TMPDIR")" ]; then
	echo "not ok long/fuzz: they leave $(ls "$TMPDIR")"
	bad=1
fi
exit "$bad"

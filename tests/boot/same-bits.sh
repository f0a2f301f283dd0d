#!/bin/sh
# The media made twice from the same input are the same bits, whatever times the input's files have.
. "$(dirname "$0")/common"

cp "${CAISSON:-$top/out/caisson}" "$tmp/caisson"
for n in 1 2; do
	touch -d "2020-01-0$n" "$tmp/caisson"
	CAISSON=$tmp/caisson OUT=$tmp/$n "$top/scripts/make-image" 2>"$tmp/said" || fail "$(cat "$tmp/said")"
	sleep 2
done
cmp "$tmp/1/caisson.efi" "$tmp/2/caisson.efi" >"$tmp/said" || fail "$(cat "$tmp/said")"
cmp "$tmp/1/caisson.img" "$tmp/2/caisson.img" >"$tmp/said" || fail "$(cat "$tmp/said")"
diff -r "$tmp/1/pxe" "$tmp/2/pxe" >"$tmp/said" || fail "$(cat "$tmp/said")"
pass

#!/bin/sh
# Disks that become full keep nobody from going back: the server's at the next boot, or the stick; one good copy of the journal is
# enough. A stick without room for journal and report is found before anything is done.
# shellcheck disable=SC2016 # scripts for an inner shell are in single quotes
# What is mounted here goes away with the test.
[ -n "${CAISSON_APART:-}" ] || [ "$(id -u)" -ne 0 ] || CAISSON_APART=1 exec unshare --mount "$0" "$@"
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=cutting
. "$(dirname "$0")/cutting"

root=$tmp/root up=$tmp/stick/up.job
trap 'umount -l "$tmp/root" "$tmp/stick" 2>/dev/null; rm -rf "$tmp"' EXIT
# fill FILE: nothing more gets onto its disk.
fill() {
	cat /dev/zero >"$1" 2>/dev/null
	for _ in 1 2 3 4; do # it gives back what it kept for itself
		sync -f "$1"
		dd if=/dev/zero bs=1k >>"$1" 2>/dev/null
	done
}
# note KIND SIZE: one record more in the stick's copy of the journal, as long as fills the last block of that size.
note() {
	ours=$(journal)
	line='{"seq":'$(($(wc -l <"$ours") + 1))',"time":"2026-11-23T12:00:00.000Z","prev":"'$(tail -n 1 "$ours" | tr -d '\n' | sha256sum | cut -d' ' -f1)'","kind":"'$1'","note":"'
	blanks=$((2 * $2 - ($(wc -c <"$ours") + ${#line} + 3) % $2))
	printf '%s%*s"}\n' "$line" "$blanks" '' >>"$ours"
}
# pad SIZE: the same in both copies.
pad() {
	note resumed "$1"
	cat "$ours" >"$(echo "$root"/var/lib/caisson/runs/*/journal.jsonl)"
}
# shellcheck disable=SC2317 # called by name
same() { picture "$root" "$tmp/after" && diff "$tmp/before" "$tmp/after" | head -n 20 && cmp -s "$tmp/before" "$tmp/after"; }

mkdir "$root" "$tmp/stick"
mount -t tmpfs -o size=64m none "$tmp/stick" || die "no tmpfs"
prepare
server "$tmp/made"
truncate -s 400M "$tmp/disk"
mke2fs -q -t ext4 -b 1024 -m 0 "$tmp/disk" || die "no ext4"
mount -o loop "$tmp/disk" "$root" || die "no loop device"
cp -a "$tmp/made/." "$root/"
mkdir -p "$root/var/lib/caisson"
rmdir "$root/lost+found"
picture "$root" "$tmp/before"
job "$up" "$root" tiny-2.0.cpkg

fill "$tmp/stick/old"
truncate -s -8M "$tmp/stick/old"
caisson run "$up" "$root"
[ "$status" -eq 1 ] || cat "$tmp/out"
check "a stick with little room (1, CSN-A004)" [ "$status/$(grep -c '^caisson: CSN-A004: .*the stick.* MB are needed, 7 MB are free' "$tmp/out")" = 1/1 ]
check "a stick with little room: the server is as before" same
check "a stick with little room: nothing of ours on the server" [ -z "$(ls "$root/var/lib/caisson")" ]
rm -r "$tmp/stick/old" "$tmp/stick/caisson-runs"

# The stick becomes full behind the upgrade.
cut_at run 0
[ "$status" -eq 0 ] || cat "$tmp/out"
check "upgraded" [ "$status/$(version "$root")" = 0/2.0 ]
# People work with it: no going back while the server's own journal cannot say so, whatever the stick's says.
picture "$root" "$tmp/upgraded"
pad 1024
cp "$ours" "$tmp/journal"
note rollback-asked 1024
fill "$root/var/lib/caisson/log"
for command in resume rollback; do
	caisson "$command" "$up" "$root"
	check "the server is full, $command after the release: refused (3, CSN-L001)" [ "$status/$(grep -c '^caisson: CSN-L001: the journal on the server' "$tmp/out")" = 3/1 ]
done
rm "$root/var/lib/caisson/log"
cp "$tmp/journal" "$ours"
picture "$root" "$tmp/after"
check "the server is full after the release: nothing was changed" cmp "$tmp/upgraded" "$tmp/after"
check "the server is full after the release: its journal says nothing of it" cmp "$tmp/journal" "$root"/var/lib/caisson/runs/*/journal.jsonl

fill "$tmp/stick/old"
caisson rollback "$up" "$root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "the stick is full: rolled back (0)" [ "$status" -eq 0 ]
check "the stick is full: as before" same
check "it says what is not on the stick" grep -q '^note: the journal on the stick lacks its end' "$tmp/out"
check "the server has journal and report" sh -c 'tail -n 1 "$1"/journal.jsonl | jq -r .result | grep -qx rolled-back && grep -q rolled-back "$1"/report.json' sh "$root"/var/lib/caisson/runs/*
rm "$tmp/stick/old"
caisson resume "$up" "$root"
check "with room again the stick gets what it lacks" cmp "$(journal)" "$root"/var/lib/caisson/runs/*/journal.jsonl
check "and nothing else happens" same
rm -r "$tmp/stick/caisson-runs" "$root/var/lib/caisson/runs" "$tmp/backup"

# Cut off while the new version is made; then the server's log grows until nothing more fits.
at=$(($(cat "$tmp/count") * 11 / 20))
cut_at run "$at"
pad 1024
check "cut off while it is staged" [ "$status/$(jq -r 'select(.kind == "step-begin") | .step' "$(journal)" | tail -n 1)" = 137/stage ]
fill "$root/var/lib/caisson/log"
caisson resume "$up" "$root"
[ "$status" -eq 4 ] || cat "$tmp/out"
check "the server is full at the next boot: undone (4, CSN-Q005)" [ "$status/$(grep -c '^caisson: CSN-Q005' "$tmp/out")" = 4/1 ]
check "the server is full: as before" same
check "the journal on the stick ends so" [ "$(tail -n 1 "$(journal)" | jq -r '.kind + " " + .result')" = "run-end rolled-back" ]
rm -r "$root/var/lib/caisson/log" "$root/var/lib/caisson/runs" "$tmp/stick/caisson-runs" "$tmp/backup"

# The same, and the stick is the full one, and stays so: the run is undone once, not at each look.
cut_at run "$at"
pad 4096
fill "$tmp/stick/old"
limit=60
caisson resume "$up" "$root"
[ "$status" -eq 4 ] || tail -n 20 "$tmp/out"
check "the stick stays full: undone, and that is all (4, CSN-Q005)" [ "$status/$(grep -c '^caisson: CSN-Q005' "$tmp/out")" = 4/1 ]
check "the stick stays full: as before" same
caisson resume "$up" "$root"
[ "$status" -eq 4 ] || cat "$tmp/out"
check "the stick stays full: nothing more to do, said once" [ "$status/$(grep -c 'had ended; its end cannot be written to the stick' "$tmp/out")" = 4/1 ]
check "the stick stays full: still as before" same
rm "$tmp/stick/old"
caisson resume "$up" "$root"
check "with room the stick gets the rest" cmp "$(journal)" "$root"/var/lib/caisson/runs/*/journal.jsonl
finish

#!/bin/sh
# A copy of the journal with a damaged line in its middle: the other one, which is whole, suffices to resume and to go back, and the
# damaged one is kept. With both damaged nothing is done.
# shellcheck disable=SC2016 # scripts for an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=cutting
. "$(dirname "$0")/cutting"

prepare
mkdir "$tmp/pristine"
server "$tmp/pristine/root"
picture "$tmp/pristine/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg

# copy stick|server: the newest run's journal there.
copy() { case $1 in stick) ls "$tmp"/stick/caisson-runs/*/journal.jsonl ;; server) ls "$tmp"/root/var/lib/caisson/runs/*/journal.jsonl ;; esac; }
# damage WHERE: one byte of the third line.
damage() {
	file=$(copy "$1")
	sed '3s/"time":"2/"time":"3/' "$file" >"$tmp/damaged"
	cmp -s "$file" "$tmp/damaged" && die "nothing was damaged"
	cat "$tmp/damaged" >"$file"
}
# kept WHERE: the damaged copy lies beside, and the copy is whole again.
kept() {
	check "$1: the damaged one is kept" cmp -s "$tmp/damaged" "$(copy "$1").damaged"
	check "$1: both copies are the same again" cmp -s "$(copy stick)" "$(copy server)"
	check "$1: it chains" chain_holds "$(copy "$1")"
	check "$1: it is said" grep -q "^the $1's copy of the journal is damaged; the [a-z]*'s is whole and goes on" "$tmp/out"
}

# cut_near N: at that moment or the first one after it at which no copy lacks more than a record: from backup to rehearse the server, which
# nothing is written to then, has less.
cut_near() {
	moment=$1
	while fresh && { cut_at run "$moment" || die "not cut at $moment"; } && [ $(($(wc -l <"$(copy stick)") - $(wc -l <"$(copy server)"))) -gt 1 ]; do
		moment=$((moment + 1))
	done
}

for where in stick server; do
	for near in 40 100; do
		cut_near "$near"
		damage "$where"
		recover "$moment, and the $where's journal is damaged"
		kept "$where"
	done
	fresh
	caisson run "$tmp/stick/up.job" "$tmp/root"
	[ "$status" -eq 0 ] || cat "$tmp/out"
	damage "$where"
	caisson rollback "$tmp/stick/up.job" "$tmp/root"
	check "rollback with the $where's journal damaged" [ "$status/$(version "$tmp/root")" = 0/1.0 ]
	check "rollback with the $where's journal damaged: exactly the old one" is_old
	kept "$where"
done

cut_near 100
damage stick
damage server
cp "$(copy stick)" "$tmp/on-stick"
cp "$(copy server)" "$tmp/on-server"
picture "$tmp/root" "$tmp/stood"
for command in resume rollback; do
	caisson "$command" "$tmp/stick/up.job" "$tmp/root"
	picture "$tmp/root" "$tmp/after"
	check "$command with both damaged: CSN-L002" [ "$status/$(sed -n 's/^caisson: \(CSN-[A-Z0-9]*\):.*/\1/p' "$tmp/out")" = 1/CSN-L002 ]
	check "$command with both damaged: nothing changed" diff "$tmp/stood" "$tmp/after"
	check "$command with both damaged: both are where they were" sh -c 'cmp -s "$1" "$2" && cmp -s "$3" "$4"' sh "$(copy stick)" "$tmp/on-stick" "$(copy server)" "$tmp/on-server"
done
finish

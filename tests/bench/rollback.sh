#!/bin/sh
# Going back from a released upgrade with program trees of 100 MiB and 2 GiB: three times each, in turns. Half of a tree is in files
# of 1 MiB, half in files of 10 KiB; nothing in it compresses, and no file is the same in both versions. Lines "name value unit":
#   .back      from "rollback-begin" to "the old version is back": names and fence; should be the same for both
#   .removal   after that: what was made beside is removed; may grow
#   .keeping   before that: from the command to "rollback-begin"; what people did since the release goes into the backup; may grow
# Takes up to 10 GiB in /var/tmp. SIZES="100 2048" are the sizes in MiB.
# shellcheck source=common
. "$(dirname "$0")/common"

# shellcheck disable=SC2034 # for caisson
limit=3600
sizes=${SIZES:-100 2048}
own_disk 12
pki=$("$top/tests/demo/make-pki" 2>"$tmp/log") || die "make-pki: $(cat "$tmp/log")"

# set_up MIB: a server with a tree of that size, and a stick for it.
set_up() {
	mkdir -p "$tmp/vendor/release-2.0" "$tmp/stick/profiles"
	cp "$tiny/tiny.profile" "$tmp/stick/profiles/"
	cp -R "$tiny/release-2.0/package.ini" "$tiny/release-2.0/migrations" "$tiny/release-2.0/notes" "$tmp/vendor/release-2.0/"
	for version in 1.0 2.0; do
		"$tiny/make-tree" "$version" "$tmp/vendor/tree-$version" --bulk "$1" >"$tmp/log" 2>&1 || die "make-tree: $(cat "$tmp/log")"
	done
	pack 2.0 1.0 2.0
	server "$tmp/$1/root"
	mv "$tmp/vendor/tree-1.0/bulk" "$tmp/$1/root/opt/tiny/"
	mv "$tmp/stick" "$tmp/$1/"
	rm -rf "$tmp/vendor"
	job "$tmp/$1/stick/up.job" "$tmp/$1/root" tiny-2.0.cpkg
	sed -i "s,^folder = .*,folder = $tmp/$1/backup," "$tmp/$1/stick/up.job"
}
# up_and_back MIB: prints the samples; the milliseconds of going back are in $back_ms.
up_and_back() {
	work=$tmp/$1
	rm -rf "$work/stick/caisson-runs" "$work/backup"
	fstrim "$tmp"
	for command in install rollback; do
		asked=$(date +%s.%3N)
		caisson "$command" "$work/stick/up.job" "$work/root"
		[ "$status" -eq 0 ] || { cat "$tmp/out"; exit 1; }
	done
	[ "$(version "$work/root")" = 1.0 ] || die "1.0 is not back"
	record=$(find "$work/stick/caisson-runs" -name journal.jsonl)
	back_ms=$(jq 'select(.kind == "rolled-back") | .ms' "$record")
	jq -rs --arg name "rollback.$1-mib" --argjson asked "$asked" '
		def at($kind): map(select(.kind == $kind))[-1].time | (.[:19] + "Z" | fromdate) + ("0" + .[19:-1] | tonumber);
		def ms($kind): map(select(.kind == $kind))[-1].ms / 1000;
		"\($name).back \(ms("rolled-back")) seconds", "\($name).removal \(ms("swept")) seconds",
		"\($name).keeping \(at("rollback-begin") - $asked | . * 1000 | round / 1000) seconds"' "$record"
}

for mib in $sizes; do set_up "$mib"; done
for _ in 1 2 3; do
	first_ms=
	for mib in $sizes; do
		up_and_back "$mib"
		first_ms=${first_ms:-$back_ms}
	done
	echo "rollback.back-ratio $back_ms $first_ms" | awk '{ printf "%s %.2f times\n", $1, $2 / ($3 > 0 ? $3 : 1) }'
done

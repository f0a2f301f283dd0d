#!/bin/sh
# Seconds and bytes of each step of the sequence: three upgrades of tests/tiny on a server in a folder, each on a fresh one, and
# those of the newest run of the demo (the real application, in the booted image), where there is one in DEMO (out/demo).
# Lines "name value unit".
# shellcheck source=common
. "$(dirname "$0")/common"

# steps NAME JOURNAL: what the records of the steps say; of one that was done twice, both together.
steps() {
	jq -rs --arg name "$1" '
		def lines($name): "\($name) \(map(.ms) | add / 1000) seconds",
			(map(select(.read_bytes)) | if length > 0 then "\($name).read \(map(.read_bytes) | add) bytes",
				"\($name).written \(map(.written_bytes) | add) bytes" else empty end);
		map(select(.kind == "step-end")) | (group_by(.number)[] | lines("\($name).\(.[0].step)")), lines("\($name).all"),
		empty' "$2"
	jq -r --arg name "$1" 'select(.kind == "rehearsal" and .result == "passed")
		| "\($name).rehearsed-going-back \(.rollback_ms / 1000) seconds", "\($name).rehearsed-removal \(.cleanup_ms / 1000) seconds"' "$2"
}

own_disk 2
prepare
for _ in 1 2 3; do
	rm -rf "$tmp/root" "$tmp/backup" "$tmp/stick/caisson-runs"
	server "$tmp/root"
	job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
	caisson run "$tmp/stick/up.job" "$tmp/root"
	[ "$status" -eq 0 ] || { cat "$tmp/out"; exit 1; }
	steps tiny.step "$(journal)"
done

demo=$(find "${DEMO:-$top/out/demo}/evidence" -name journal.jsonl 2>/dev/null | sort | tail -n 1)
[ -z "$demo" ] || steps demo.step "$demo"

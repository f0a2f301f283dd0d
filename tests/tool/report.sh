#!/bin/sh
# shellcheck disable=SC2317 # functions are called by name
# `caisson report`: makes a run's report again from its journal, says whether the chain holds, and refuses what is no journal.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
CAISSON=${CAISSON:-$top/out/caisson}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 3' HUP INT TERM
bad=0

# check NAME COMMAND...: one case.
check() {
	name=$1
	shift
	if "$@"; then echo "ok $name"; else echo "not ok $name: $(head -c 300 "$tmp/err" | tr '\n' ' ')" && bad=1; fi
}
report() {
	"$CAISSON" report "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
}
# record FILE KIND FIELDS: one more line, chained as the page tools/journal/README.md says.
record() {
	touch "$1"
	seq=$(($(wc -l <"$1") + 1))
	prev=$(printf '%064d' 0)
	[ "$seq" -eq 1 ] || prev=$(tail -n 1 "$1" | tr -d '\n' | sha256sum | cut -d' ' -f1)
	printf '{"seq":%d,"time":"2026-11-23T03:06:26.123Z","prev":"%s","kind":"%s"%s}\n' "$seq" "$prev" "$2" "$3" >>"$1"
}
# only FILE...: the folder of the run holds these and nothing else.
only() {
	(cd "$tmp/run" && ls) >"$tmp/list"
	printf '%s\n' "$@" | sort | cmp -s - "$tmp/list"
}
exits() { [ "$status" -eq "$1" ]; }
says() { grep -q -e "$1" "$tmp/err"; }
lacks() { ! grep -q -e "$1" "$2"; }
json() { [ "$(jq -r "$1" "$tmp/out")" = "$2" ]; }

mkdir "$tmp/run"
journal=$tmp/run/journal.jsonl
record "$journal" run ',"run":"20261123T030626Z-1a2b","language":"zh","approved_by":"<b>Wang</b>"'
record "$journal" step-begin ',"step":"identify","number":1'
record "$journal" server ',"host":"wiki01","title":"Wiki","version":"1.0"'
record "$journal" step-end ',"step":"identify","number":1,"result":"done","ms":1500'
record "$journal" run-end ',"result":"checked"'
head=$(tail -n 1 "$journal" | tr -d '\n' | sha256sum | cut -d' ' -f1)
earlier=$(sed -n 3p "$journal" | tr -d '\n' | sha256sum | cut -d' ' -f1)

report "$tmp/run"
check "a folder: exit 0" exits 0
check "it says that the chain holds, and its head" says "the chain holds: 5 records, head $head"
check "both files are beside the journal" only journal.jsonl report.html report.json
check "report.json has the same head" [ "$(jq -r .journal.head "$tmp/run/report.json")" = "$head" ]
check "report.json has the verdict" [ "$(jq -r .verdict.result "$tmp/run/report.json")" = checked ]
check "report.html begins in the run's language" grep -q '<html lang="zh">' "$tmp/run/report.html"
check "markup in the journal is text in the page" grep -q '&lt;b&gt;Wang' "$tmp/run/report.html"
check "and nothing else" lacks '<b>Wang' "$tmp/run/report.html"
check "every required part of the schema is there" [ "$(jq -r --slurpfile report "$tmp/run/report.json" '.required - ($report[0] | keys) | length' "$top/tools/report/report.schema.json")" = 0 ]
check "no part is outside of the schema" [ "$(jq -r --slurpfile report "$tmp/run/report.json" '($report[0] | keys) - (.properties | keys) | length' "$top/tools/report/report.schema.json")" = 0 ]
cp "$tmp/run/report.html" "$tmp/first.html"
report "$journal"
check "made again: the same to the byte" cmp -s "$tmp/first.html" "$tmp/run/report.html"

rm "$tmp"/run/report.*
report "$tmp/run" --json
check "--json: exit 0" exits 0
check "--json: the report on stdout" json .server.host wiki01
check "--json: nothing is written" only journal.jsonl
report "$tmp/run" --output "$tmp/other/place"
check "--output: both files are there" [ -s "$tmp/other/place/report.html" ]
check "--output: and not beside the journal" only journal.jsonl

report "$tmp/run" --json --head "$head"
check "--head of the last record" says 'record 5 has this hash'
report "$tmp/run" --json --head "$earlier"
check "--head of an earlier record" says 'record 3 has this hash'
report "$tmp/run" --output "$tmp/no" --head "$(printf '%064d' 7)"
check "--head of another journal: exit 1" exits 1
check "--head of another journal: CSN-L002" says '^caisson: CSN-L002:'
check "--head of another journal: nothing is written" [ ! -e "$tmp/no" ]
report "$tmp/run" --head 12ab
check "--head that is no hash: exit 2" exits 2
check "--head that is no hash: CSN-U001" says '^caisson: CSN-U001:'

printf '{"seq":6,"time":"2026-11' >>"$journal"
report "$tmp/run" --json
check "a torn end is left out: exit 0" exits 0
check "a torn end is left out: five records" json .journal.records 5
sed -i '$d' "$journal"

cp "$journal" "$tmp/whole"
sed -i '3s/wiki01/wiki02/' "$journal"
report "$tmp/run" --output "$tmp/no"
check "a changed record: exit 1" exits 1
check "a changed record: CSN-L002" says '^caisson: CSN-L002:.*record 4'
check "a changed record: what to do" says '^  do: '
check "a changed record: nothing is written" [ ! -e "$tmp/no" ]
cp "$tmp/whole" "$journal"

mkdir "$tmp/empty"
report "$tmp/empty"
check "no journal: exit 2" exits 2
check "no journal: CSN-S005" says '^caisson: CSN-S005:.*journal.jsonl'
echo "not a journal" >"$tmp/empty/notes.txt"
report "$tmp/empty/notes.txt"
check "another file: exit 1" exits 1
check "another file: CSN-L004" says '^caisson: CSN-L004:.*notes.txt'
check "another file: nothing is written" [ "$(ls "$tmp/empty")" = notes.txt ]
report "$tmp/nowhere"
check "no such place: exit 2, CSN-S005" says '^caisson: CSN-S005:.*nowhere'
report
check "no operand: exit 2" exits 2
report --help
check "--help: exit 0" exits 0
check "--help: names the options" grep -q -- --output "$tmp/out"
exit "$bad"

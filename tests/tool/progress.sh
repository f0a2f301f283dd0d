#!/bin/sh
# progress.sh: how far it is, how fast, and how long it still takes: on a terminal, in a log, as JSON; of backup, verify and restore.
# shellcheck disable=SC2317 # functions are called by check
# shellcheck source=common
. "$(dirname "$0")/common"
# Nothing is said of what ends within two seconds: whatever the machine, the work is held up again and again.
# hold PID: $pauses of $pause seconds after a moment of work each, so that a fast machine has them too; then a few more.
pauses=8 pause=1
hold() {
	held=0
	run=0.01
	while sleep $run && kill -STOP "$1" 2>/dev/null; do
		sleep $pause
		kill -CONT "$1"
		held=$((held + 1))
		[ $held -lt $pauses ] || run=0.3
	done
}
# slowly COMMAND...: of caisson; exit code in $status, words in said, what is for programs in out.
slowly() {
	"$CAISSON" "$@" >out 2>said &
	child=$!
	hold $child
	wait $child
	status=$?
}
# on_terminal COMMAND...: the same with all of it on a terminal, of $kind, in said. It must not be `script`'s own child, whose stop stops it.
on_terminal() {
	rm -f pid
	cat >on-it <<-END
		"$CAISSON" $* &
		echo \$! >pid.new && mv pid.new pid
		wait \$!
	END
	TERM=$kind script -qec 'sh ./on-it' said </dev/null >/dev/null 2>&1 &
	terminal=$!
	until [ -e pid ]; do sleep 0.01; done
	hold "$(cat pid)"
	wait $terminal
	status=$?
}
# lines of progress as JSON, all of them in one array
progress() { grep '^{' said | jq -s .; }

mkdir tree
head -c 300000000 /dev/urandom >tree/noise # one file: progress within it, too
"$CAISSON" repository init repository >said

# --- as JSON ---
# json_of NAME: a line has every number, and they fit one another
json_of() {
	check "$1: JSON" [ "$status/$(progress | jq 'length > 0 and all(.[]; .doing and (.bytes // 0) >= 0)')" = 0/true ]
	check "$1: JSON: with all of it" [ "$(progress | jq 'any(.[]; .total_bytes >= 300000000 and .bytes <= .total_bytes)')" = true ]
	check "$1: JSON: with a rate" [ "$(progress | jq 'any(.[]; .bytes_per_second > 0)')" = true ]
	check "$1: JSON: with the time left" [ "$(progress | jq 'any(.[]; has("seconds_left"))')" = true ]
	check "$1: JSON: it gets on" [ "$(progress | jq '[.[] | select(.total_bytes and .doing != "writing to the disk") | .bytes] | . == sort')" = true ]
}
slowly backup --repository repository --progress-json "$work/tree"
json_of backup
slowly verify --repository repository --progress-json
json_of verify
mkdir json
slowly restore --repository repository --target json --progress-json latest
json_of restore
rm -rf json

# --- in a log, on a serial line: lines, and nothing that moves a cursor ---
pause=2 # a line every five seconds
slowly verify --repository repository
pause=1
check "log: a line with all of it" grep -qE '^  [a-z ]+: [0-9.]+ [kMG]?B of 300\.[0-9] MB \([0-9]+ %\), [0-9.]+ [kMG]?B/s' said
check "log: no control characters" [ "$(tr -d '\n -~' <said | wc -c)" -eq 0 ]

# --- on a terminal that can do nothing: as in a log ---
kind=dumb pause=2
on_terminal verify --repository repository
pause=1
tr -d '\r' <said | sed '/^Script /d' >shown
check "dumb terminal: it went through" [ "$status/$(grep -c 'damages: 0' shown)" = 0/1 ]
check "dumb terminal: a line with all of it" grep -qE '^  [a-z ]+: [0-9.]+ [kMG]?B of 300\.[0-9] MB \([0-9]+ %\), [0-9.]+ [kMG]?B/s' shown
check "dumb terminal: no control characters" [ "$(tr -d '\n -~' <shown | wc -c)" -eq 0 ]

# --- on a terminal: one line, again and again over itself ---
kind=linux
mkdir terminal
on_terminal restore --repository repository --target terminal latest
tr '\r' '\n' <said >shown
check "terminal: it went through" [ "$status/$(grep -c 'are back in' shown)" = 0/1 ]
check "terminal: a line with all of it" grep -qE '^  restoring: [0-9.]+ [kMG]?B of 300\.[0-9] MB \([0-9]+ %\), [0-9.]+ [kMG]?B/s' shown
check "terminal: with the time left" grep -qE '^  restoring: .*, [0-9.]+ s left' shown
escape=$(printf '\033')
check "terminal: what was there before is cleared" [ "$(grep -c '^  restoring: ' shown)" -eq "$(grep -c "^  restoring: .*$escape\[K" shown)" ]
check "terminal: no line is broken" [ "$(sed -n "s/$escape\[K//; /^  restoring: /p" shown | awk '{ if (length($0) > most) most = length($0) } END { print (most < 80) }')" = 1 ]
check "terminal: the line is ended before the summary" grep -q "^snapshot .* are back in terminal" shown
exit $failed

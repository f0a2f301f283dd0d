#!/bin/sh
# The sequence, and the rollback after it, in a machine that is ended from outside at every journal record and every rename: the next boot
# finds the unfinished run, and the server becomes exactly the old or exactly the new one.
#
# One machine goes through the run. At each moment it stands still, and QEMU keeps the three disks as they are: what QEMU's death
# leaves, without anything that the machine has only in its memory. Then the real image is booted on each of these states.
# EVERY=N takes every Nth moment only, from FIRST to LAST; ALONGSIDE=N machines work at once; KEEP=DIR keeps what fails.
# shellcheck disable=SC2317 # at_lines calls its argument
# shellcheck source=../boot/common
. "$(dirname "$0")/../boot/common"
# shellcheck source=../boot/tiny
. "$(dirname "$0")/../boot/tiny"
# shellcheck source=../boot/ended
. "$(dirname "$0")/../boot/ended"
EVERY=${EVERY:-1} FIRST=${FIRST:-1} LAST=${LAST:-100000} ALONGSIDE=${ALONGSIDE:-$(nproc)} KEEP=${KEEP:-}

# --- a machine's states, kept -------------------------------------------------------------------------------------------------

# keep LINE: at a moment, the disks as they are; what moment it is goes into $tmp/moments.
keep() {
	case $1 in *'cut: moment '*) ;; *) return ;; esac
	what=${1##*cut: moment }
	n=${what%%: *}
	snapshot() { printf '{"type":"blockdev-snapshot-internal-sync","data":{"device":"%s","name":"m%s"}}' "$1" "$n"; }
	qmp '{"execute":"stop"}'
	qmp "{\"execute\":\"transaction\",\"arguments\":{\"actions\":[$(snapshot disk0),$(snapshot disk1),$(snapshot stick)]}}"
	qmp '{"execute":"cont"}'
	echo "$n ${what#*: }" >>"$tmp/moments"
}
# keep_states: does the stick's job in one machine. Leaves the disks as they are at the end as .img, the states in .qcow2.
keep_states() {
	: >"$tmp/moments"
	for disk in server backup stick; do
		rm -f "$tmp/disks/$disk.qcow2"
		qemu-img convert -O qcow2 "$tmp/disks/$disk.img" "$tmp/disks/$disk.qcow2"
	done
	begin qcow2
	at_lines keep
	[ "$status/$(exit_line)" = 0/0 ] || fail "the machine whose states are kept: status $status, exit $(exit_line)"
	for disk in server backup stick; do
		qemu-img convert -O raw "$tmp/disks/$disk.qcow2" "$tmp/disks/$disk.img"
	done
}

# --- what the next boot makes of a state --------------------------------------------------------------------------------------

# told JOURNAL: what the journal on the stick tells the next boot to do.
told() {
	jq -rs --arg job "$job" '(map(select(.kind == "run-end")) | last | .result // "") as $result
		| (map(select(.kind == "step-begin")) | last | .step // "") as $step
		| (map(.kind) | index("rollback-asked")) as $asked
		| if $result == "rolled-back" then "nothing left to take back"
		  elif $asked then "go on going back"
		  elif $result == "upgraded" then if $job == "rollback" then "go back" else "nothing left to do" end
		  elif ["switch", "verify", "release", "report"] | index($step) then "go on"
		  else "undo" end' "$1"
}
# must_be_fenced JOURNAL: from the record "fence" to the record "released" or the fence's first file undone.
must_be_fenced() {
	[ "$(jq -s '[.[] | select(.deed == "fence") | .seq] as $files
		| reduce .[] as $r (false; if $r.kind == "fence" then true
			elif $r.kind == "released" or ($r.kind == "undone" and ($files | index($r.of))) then false else . end)' "$1")" = true ]
}
# is_fenced IMG: whether a server that is booted from this disk finds the fence; changes the disk.
is_fenced() {
	e2fsck -y -E journal_only "$1?offset=1048576" >/dev/null 2>&1 || :
	debugfs -R 'stat /etc/caisson/fence' "$1?offset=1048576" 2>/dev/null | grep -q 'Type: regular'
}
same_as() { # REFERENCE ALLOWED
	"$top/tests/demo/compare-servers" "$tmp/$1" "$dir/server.img" --keep "$dir/compared" --allow "$2" >"$dir/said" 2>&1
}
boot() { # OPTION...
	machine "$real" "$dir" img --append quiet --timeout 900 "$@" 2>>"$dir/said" &
	machine=$!
	wait "$machine"
	status=$?
	machine=
	return "$status"
}

# must WHY COMMAND...: the command, which fails because of WHY.
must() { why=$1; shift; "$@"; }
exit_is() { [ "$(exit_line)" = "$1" ]; }
is_size() { [ "$(wc -c <"$1")" = "$2" ]; }

# look: boots the state in $dir, which was kept at the moment $what of the job $job; on failure, says why in $why.
look() {
	journal_of "$dir/stick.img" "$run" >"$dir/journal"
	case $what in *'/journal.jsonl has '*' bytes')
		size=${what##* has }
		must "the stick lacks records" is_size "$dir/journal" "${size% bytes}" || return
		;;
	esac
	if must_be_fenced "$dir/journal"; then
		cp --sparse=always "$dir/server.img" "$dir/fenced.img"
		must "the fence is not up" is_fenced "$dir/fenced.img" || return
		rm "$dir/fenced.img"
	fi

	to_do=$(told "$dir/journal")
	case $to_do in
	undo)
		# The same job begins anew once it has undone the run that was cut off: that is not waited for.
		must "it does not begin anew" boot --until ": $run_name" || return
		if saw 'result: abandoned'; then to_do='give up'; else must "it undid nothing" saw 'result: rolled-back' || return; fi
		;;
	*) must "the machine did not end well" boot || return ;;
	esac
	why="exit $(exit_line), or it does not say what it does"
	case $to_do in
	'go on') exit_is 0 && saw 'was cut off in' && saw 'result: upgraded' || return ;;
	'go back' | 'go on going back') exit_is 0 && saw 'result: rolled-back' || return ;;
	'nothing left to do') exit_is 1 && saw CSN-K006 || return ;;
	'nothing left to take back') exit_is 1 && saw CSN-L004 || return ;;
	esac

	case $to_do in
	'go on' | 'nothing left to do') must "it is not exactly the new server" same_as new "$tmp/allowed-new" || return ;;
	*) must "it is not exactly the old server" same_as old "$top/tests/demo/allowed-after-rollback" || return ;;
	esac
	why="the journals on stick and server differ"
	stick_has=$(journal_of "$dir/stick.img" "$run" | sha256sum | cut -c 1-64)
	server_has=$(sed -n "s,^/var/lib/caisson/runs/$run/journal.jsonl	.*sha256=,,p" "$dir/compared/b/files")
	# What is given up before anything was written leaves the server without a copy.
	[ "$server_has" = "$stick_has" ] || { [ "$to_do" = 'give up' ] && [ -z "$server_has" ]; }
}
# state N WHAT
state() {
	n=$1 what=$2
	dir=$tmp/state-$n log=$tmp/state-$n/serial.log to_do=
	mkdir "$dir"
	for disk in server backup stick; do
		qemu-img convert -l "m$n" -O raw "$tmp/disks/$disk.qcow2" "$dir/$disk.img" || :
	done
	why=
	short=$(echo "$what" | sed -e 's,.*/stick/.*/\(.*\) has,\1 on the stick has,' -e 's,.*/\(.*\) has,\1 on the server has,')
	if look; then
		echo "ok $me $job $n ($short): $to_do"
	else
		echo "not ok $me $job $n ($short): $to_do: $why"
		tail -n 40 "$log" | tr -d '\r' | sed 's/^/# /'
		[ ! -s "$dir/said" ] || sed 's/^/# /' "$dir/said"
		[ -z "$KEEP" ] || { mkdir -p "$KEEP" && cp -a --sparse=always "$dir" "$KEEP/$job-$n"; }
		touch "$tmp/bad"
	fi
	rm -rf "$dir"
}
# every JOB: each moment of it, by so many workers.
every() {
	job=$1
	keep_states
	run=$(runs_of "$tmp/disks/stick.img" | tail -n 1)
	echo "$job has $(wc -l <"$tmp/moments") moments"
	awk -v every="$EVERY" -v first="$FIRST" -v last="$LAST" 'NR >= first && NR <= last && (NR - first) % every == 0' \
		"$tmp/moments" >"$tmp/chosen"
	[ "$job" != run ] || "$top/tests/demo/describe-server" "$tmp/disks/server.img" "$tmp/new"
	workers=
	for worker in $(seq "$ALONGSIDE"); do
		(
			set +e
			machine=
			trap '[ -z "$machine" ] || kill "$machine"; exit 3' TERM
			awk -v n="$ALONGSIDE" -v k="$worker" 'NR % n == k % n' "$tmp/chosen" | while read -r n what; do state "$n" "$what"; done
		) &
		workers="$workers $!"
	done
	machine=$workers
	wait
	machine=
}

# What going on does at another time than the machine that was not ended: the times of the folders in which things were renamed, the
# database's files (its rows are compared), and the evidence.
cat >"$tmp/allowed-new" <<'END'
/opt
/opt/.caisson-????????????????????-????
/var/lib/postgresql/15
/var/lib/postgresql/15/.caisson-????????????????????-????
/var/lib/postgresql/15/main
/var/lib/postgresql/15/main/*
/var/lib
/var/lib/caisson*
END
the_disks mke2fs -q -F -t ext4 -L BACKUP
"$top/tests/demo/describe-server" "$tmp/disks/server.img" "$tmp/old"
every run
next_job rollback
every rollback
[ ! -e "$tmp/bad" ]

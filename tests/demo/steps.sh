# shellcheck shell=sh disable=SC2154
# The steps of the demo, of which run-demo and run-demo-rollback are made: each says what it does and how long it took.
# Sourced, never run, after common.sh, which sets top, here and cache. Everything is under out/demo (or $DEMO); what takes long is in
# the cache.

demo=${DEMO:-$top/out/demo}
pki=''
times=$demo/times
backup_mib=8192

heading() { printf '\n== %s\n' "$*"; }

# step TITLE FUNCTION ARGUMENT...: runs it, and notes the time.
step() {
	title=$1
	shift
	heading "$title"
	began=$(now)
	"$@"
	printf '%5d s  %s\n' $(($(now) - began)) "$title" >>"$times"
}

# start_over: an empty out/demo, but for what make-release left there.
start_over() {
	need openssl mke2fs mcopy qemu-system-x86_64 curl jq
	mkdir -p "$demo"
	rm -rf "$demo"/*.img "$demo"/*.log "$demo"/*.cpkg "$demo/stick" "$demo/evidence" "$times"
	pki=$("$here/make-pki")
	CAISSON_ACCEL=${CAISSON_ACCEL:-}
	export CAISSON_ACCEL
}

# the_image: as `make image` makes it, but trusting the demo's authority alone.
the_image() {
	mkdir -p "$demo/image"
	TRUST=$pki/root.pem OUT=$demo/image "$top/scripts/make-image"
}

the_server() {
	"$here/make-server" "$demo/server.img"
	chosen=$(accelerator "$demo/server.img")
	CAISSON_ACCEL=${CAISSON_ACCEL:-$chosen}
}

the_release() { "$here/make-release" "$demo/release"; }

# the_package FOLDER: packs OUT/release/FOLDER, and signs it; prints nothing but into $package.
the_package() {
	# shellcheck source=/dev/null
	. "$demo/release/versions"
	caisson=$top/out/caisson
	key=$({ sha256sum <"$caisson"; cat "$demo/release/.made-from"; echo "$1 $pki"; } | sha256sum | cut -c 1-16)
	package=$demo/mediawiki-$new.cpkg
	if [ ! -e "$cache/package-$1-$key.cpkg" ]; then
		rm -f "$cache/package-$1"-*.cpkg
		"$caisson" pack "$demo/release/$1" --new "$demo/release/new-$new" --old "$old=$demo/release/old-$old" \
			--key "$pki/signer.key" --certificate "$pki/signer.pem" --trust "$pki/root.pem" --output "$cache/package-$1-$key.cpkg.new"
		mv "$cache/package-$1-$key.cpkg.new" "$cache/package-$1-$key.cpkg"
	fi
	cp --reflink=auto "$cache/package-$1-$key.cpkg" "$package"
	"$caisson" inspect "$package" --trust "$pki/root.pem"
}

# the_stick LINE...: a stick with the package and a job; further lines go into the job.
the_stick() {
	rm -rf "$demo/stick"
	mkdir -p "$demo/stick/packages"
	cp --reflink=auto "$package" "$demo/stick/packages/"
	{
		cat <<-END
			[job]
			name = Harbour Works: MediaWiki $old to $new
			command = run
			approved-by = the demo
			after = power-off

			[server]
			disks = serial:SERVER
			profile = mediawiki

			[backup]
			disk = label:BACKUP

			[package]
			files = packages/${package##*/}
		END
		[ $# -eq 0 ] || printf '%s\n' '' "$@"
	} >"$demo/stick/upgrade.job"
	CAISSON_IMG=$demo/image/caisson.img "$top/scripts/make-stick" "$demo/stick.img" "$demo/stick" \
		$(($(du -sm "$demo/stick" | cut -f 1) + 96))
}

# on_stick: where the stick's data partition begins, as mtools take it.
on_stick() { echo "$demo/stick.img@@$(($(partx -g -n 1 -o START "$demo/stick.img" | tr -d ' ') * 512))"; }

# ask_for COMMAND: from now on the job on the stick asks for this; what earlier runs left there stays.
ask_for() {
	sed -i "s/^command = .*/command = $1/" "$demo/stick/upgrade.job"
	mcopy -D o -m -i "$(on_stick)" "$demo/stick/upgrade.job" ::/upgrade.job
}

# the_backup_disk: empty, ext4, found by its label.
the_backup_disk() {
	rm -f "$demo/backup.img"
	truncate -s "${backup_mib}M" "$demo/backup.img"
	mke2fs -q -F -t ext4 -L BACKUP -E assume_storage_prezeroed=1 "$demo/backup.img"
}

# boot_stick NAME WANTED-EXIT: boots the stick beside the server's disk, waits until it powers off, and fetches what the run
# left on the stick. The serial line is shown and kept in out/demo/NAME.log.
boot_stick() {
	log=$demo/$1.log
	: >"$log"
	tail -n +1 -f "$log" &
	tail=$!
	status=0
	"$top/scripts/run-qemu" --boot bios --stick "$demo/stick.img" --disk "$demo/server.img,SERVER" --disk "$demo/backup.img,BACKUP" \
		--memory 1536 --log "$log" --timeout 7200 || status=$?
	kill "$tail" 2>/dev/null
	wait "$tail" 2>/dev/null || :
	[ "$status" -eq 0 ] || die "the machine did not power off by itself ($status); see $log"
	said=$(tr -d '\r' <"$log" | sed -n 's/.*caisson: exit \([0-9]*\)$/\1/p' | tail -n 1)
	fetch_evidence
	[ "$said" = "$2" ] || die "caisson ended with ${said:-nothing}, wanted $2; see $log"
}

# fetch_evidence: the folders of the runs, from the stick's data partition.
fetch_evidence() {
	mkdir -p "$demo/evidence"
	mcopy -s -m -n -o -i "$(on_stick)" ::/caisson-runs "$demo/evidence/" || die "there is no evidence on the stick"
}

# newest NAME: a file of the newest run.
newest() { find "$demo/evidence" -name "$1" | LC_ALL=C sort | tail -n 1; }

# check_server VERSION [OPTION...]
check_server() { "$here/boot-server" "$demo/server.img" --expect "$@" --facts "$demo/server.facts.json" --log "$demo/server-$1.log"; }

# same_as_before [FILE]: nothing on the server differs from its first image but what the allow-list, or FILE, names.
same_as_before() {
	"$here/make-server" "$demo/before.img"
	"$here/compare-servers" "$demo/before.img" "$demo/server.img" --allow "${1:-$here/allowed-after-rollback}"
}

# summary: the steps of the sequence as the console told them, the demo's own, and where to look.
summary() {
	heading "the sequence"
	cat "$demo"/run*.log | tr -d '\r' | grep -a -E '^\[[0-9]+/[0-9]+\] .*(done in|FAILED after)|going back took' || :
	heading "the demo's own steps"
	cat "$times"
	report=$(newest report.html)
	[ -n "$report" ] || die "there is no report.html in $demo/evidence"
	printf '\nThe report: %s\nThe journal: %s\nThe serial line: %s\n' "$report" "$(newest journal.jsonl)" "$demo"
}

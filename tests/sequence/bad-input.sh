#!/bin/sh
# Input that is not as it should be, and a world that is not: each ends with its own code, one sentence that says what and
# where, one that says what to do, the exit code of the table in README.md, and the server exactly as it was.
# shellcheck disable=SC2016 # scripts for sed and an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

root=$tmp/root stick=$tmp/stick up=$tmp/stick/up.job
export tmp stick

# untouched NAME: not even a folder of ours is on the server.
untouched() { check "$1: nothing of ours on the server" [ ! -e "$root/var/lib/caisson" ]; }
# stopped NAME CODE: the journal on the stick tells it.
stopped() { check "$1: the journal ends with it" [ "$(tail -n 1 "$(journal)" | jq -r '.kind + " " + .result + " " + .code')" = "run-end stopped $2" ]; }
forget() { rm -rf "$stick/caisson-runs" "$tmp/backup" "$root/var/lib/caisson"; }
# use FOLDER: this server from now on.
use() {
	rm -rf "$root"
	mv "$1" "$root"
	picture "$root" "$tmp/before"
}
# variant NAME SED-SCRIPT: the package 1.0 -> 2.0 with another package.ini.
variant() {
	cp -R "$tmp/vendor/release-2.0" "$tmp/vendor/release-$1"
	sed "$2" "$tmp/vendor/release-2.0/package.ini" >"$tmp/vendor/release-$1/package.ini"
	pack "$1" 1.0 2.0
}
# prepared SCRIPT COMMAND JOB: as caisson, after a script (mounts that end with the command) in its namespace.
prepared() {
	timeout -k 5 300 "$tiny/with-root" "$root" sh -c "set -e; $1"' && exec "$@"' sh "$CAISSON" "$2" "$3" --trust "$pki/root.pem" \
		>"$tmp/out" 2>&1
	status=$?
}
# edited SED-SCRIPT, with LINE...: a run of the usual job, changed or with more lines.
edited() {
	job "$up" "$root" tiny-2.0.cpkg
	sed -i "$1" "$up"
	caisson run "$up" "$root"
}
with() {
	job "$up" "$root" tiny-2.0.cpkg "$@"
	caisson run "$up" "$root"
}

prepare
[ -x "$top/out/test-cut" ] || die "out/test-cut is missing: make out/test-cut"
server "$root"
picture "$root" "$tmp/before"

# --- the job -----------------------------------------------------------------------------------------------------------

caisson run "$stick/none.job" "$root"
refused "no job" 2 CSN-J001 "$stick/none.job"
edited 's/^approved-by/aproved-by/'
refused "a mistyped key" 2 CSN-J003 up.job 'line 3' aproved-by
edited 's/^\[server\]/[sever]/'
refused "a mistyped section" 2 CSN-J003 up.job sever
with '[anwsers]'
refused "a mistyped section without keys" 2 CSN-J003 up.job 'line 10' '[anwsers]'
edited '/^name/p'
refused "a key given twice" 2 CSN-J004 up.job 'line 3' name
with '[server]' 'root-folder = /'
refused "a key given twice, sections apart" 2 CSN-J004 up.job 'line 11' root-folder
edited '3s/.*/approved by nobody/'
refused "a line that is none" 2 CSN-J002 up.job 'line 3'
edited '3s/.*/after = lunch/'
refused "a word that the key does not take" 2 CSN-J005 up.job after lunch power-off
with '[budget]' 'rollback-minutes = soon'
refused "a number that is none" 2 CSN-J005 up.job rollback-minutes soon
with '[assessment]' 'valid-hours = 18446744073709551615'
refused "a number beyond sense" 2 CSN-J005 up.job valid-hours
edited 's,^root-folder = /,root-folder = ,'
refused "a path that is not absolute" 2 CSN-J005 up.job root-folder
with 'disks = serial:X'
refused "a key in a section that has it not" 2 CSN-J003 up.job disks
edited '/^root-folder/a disks = serial:NOPE'
refused "disks and a folder both" 2 CSN-J005 up.job root-folder disks
edited 's,^root-folder.*,disks = path:/dev/sda,'
refused "a disk's name that does not last" 2 CSN-J005 up.job '[server]' path:/dev/sda
edited 's,^folder = .*,disk = path:/dev/sda1,'
refused "a backup disk's name that does not last" 2 CSN-J005 up.job '[backup]' path:/dev/sda1
edited '/^folder/d'
refused "no place for the backup" 2 CSN-J006 up.job '[backup] disk'
job "$up" "$root" tiny-2.0.cpkg
sed -i '/^folder/d; 3s/.*/command = assess/' "$up"
caisson install "$up" "$root"
refused "install without a place for the backup" 2 CSN-J006 up.job install '[backup] disk'
job "$up" "$root" tiny-2.0.cpkg
sed -i '/^root-folder/d' "$up"
caisson resume "$up" "$root"
refused "resume without a server" 2 CSN-J006 up.job '"resume"' '[server] disks'
edited '/^files/d'
refused "no package" 2 CSN-J006 up.job '[package] files'
edited '/^approved/d; $a [rehearsal]\
force = yes'
refused "forced and not approved" 2 CSN-J006 up.job approved-by
edited '3s/.*/language = en\x00/'
refused "a job that is no text" 2 CSN-J002 up.job
caisson run "$stick/profiles" "$root"
refused "a folder for a job" 2 CSN-J001 "$stick/profiles" folder
untouched "jobs"
check "jobs: no run was begun" [ ! -e "$stick/caisson-runs" ]

# --- packages ----------------------------------------------------------------------------------------------------------

# offered NAME STATUS CODE FILE WORDS...: a run with this package is refused before the server is looked at.
offered() {
	offer=$1 offer_status=$2 offer_code=$3
	job "$up" "$root" "$4"
	caisson run "$up" "$root"
	shift 4
	refused "$offer" "$offer_status" "$offer_code" "$@"
	stopped "$offer" "$offer_code"
	forget
}

"$CAISSON" pack "$tmp/vendor/release-2.0" --old "1.0=$tmp/vendor/tree-1.0" --new "$tmp/vendor/tree-2.0" --key "$pki/stranger.key" \
	--certificate "$pki/stranger.pem" --trust "$pki/other.pem" --output "$stick/stranger.cpkg" >"$tmp/log" 2>&1 || die "pack: $(cat "$tmp/log")"
offered "a signature of somebody else" 1 CSN-K003 stranger.cpkg stranger.cpkg
# Without the second member, package.ini.p7s: its header is where its name is.
at=$(grep -abo 'package.ini.p7s' "$stick/tiny-2.0.cpkg" | tail -n 1 | cut -d: -f1)
at=$((at / 512 * 512))
size=$(dd if="$stick/tiny-2.0.cpkg" bs=1 skip=$((at + 124)) count=11 status=none)
{
	head -c "$at" "$stick/tiny-2.0.cpkg"
	tail -c +$((at + 512 + (0$size + 511) / 512 * 512 + 1)) "$stick/tiny-2.0.cpkg"
} >"$stick/unsigned.cpkg"
offered "no signature" 1 CSN-K002 unsigned.cpkg unsigned.cpkg
head -c $(($(wc -c <"$stick/tiny-2.0.cpkg") / 2)) "$stick/tiny-2.0.cpkg" >"$stick/short.cpkg"
offered "a package cut short" 1 CSN-K001 short.cpkg short.cpkg
{
	head -c $(($(wc -c <"$stick/tiny-2.0.cpkg") / 2)) "$stick/tiny-2.0.cpkg"
	printf 'damage'
	tail -c +$(($(wc -c <"$stick/tiny-2.0.cpkg") / 2 + 7)) "$stick/tiny-2.0.cpkg"
} >"$stick/damaged.cpkg"
offered "a package with other bytes" 1 CSN-K004 damaged.cpkg damaged.cpkg
cp "$stick/profiles/tiny.profile" "$stick/text.cpkg"
offered "a file that is no package" 1 CSN-K001 text.cpkg text.cpkg
offered "a package that is not there" 2 CSN-S005 none.cpkg none.cpkg
pack 3.0 2.0 3.0
offered "a package from another version" 1 CSN-K006 tiny-3.0.cpkg 1.0 2.
variant other 's/^application = .*/application = large/'
offered "a package for another application" 1 CSN-K005 tiny-other.cpkg large tiny
job "$up" "$root" tiny-2.0.cpkg
printf '[trust]\n' >"$tmp/no-root.pem"
timeout 60 "$tiny/with-root" "$root" "$CAISSON" run "$up" --trust "$tmp/no-root.pem" >"$tmp/out" 2>&1
status=$?
refused "no trust anchor" 2 CSN-K011 "$tmp/no-root.pem"
forget
untouched "packages"

# --- the server and the disks ------------------------------------------------------------------------------------------

edited 's/^root-folder.*/disks = serial:NOPE/'
refused "a missing disk of the server" 1 CSN-T001 serial:NOPE
edited 's/^folder.*/disk = label:NOPE/'
refused "a missing backup disk" 1 CSN-T001 label:NOPE
stopped "a missing backup disk" CSN-T001
edited "s,^root-folder.*,root-folder = $tmp/vendor,"
refused "a folder that is no server" 1 CSN-T002 "$tmp/vendor"
edited "/^root-folder/a program-root = /opt/other"
refused "no installation where the job says" 1 CSN-T002 /opt/other
sed 's,^root = .*,search = /opt/tiny\, /opt/twin,' "$tiny/tiny.profile" >"$stick/profiles/tiny.profile"
cp -a "$root/opt/tiny" "$root/opt/twin"
picture "$root" "$tmp/before"
with
refused "two installations" 1 CSN-T003 /opt/tiny /opt/twin "$root"
cp "$tiny/tiny.profile" "$stick/profiles/"
rm -rf "$root/opt/twin"
picture "$root" "$tmp/before"
sed 's/^name = tiny$/nmae = tiny/' "$tiny/tiny.profile" >"$stick/profiles/tiny.profile"
with
refused "a profile with a mistyped key" 2 CSN-J003 tiny.profile nmae
cp "$tiny/tiny.profile" "$stick/profiles/"
forget

# A disk is full: before anything is written, or while the backup is.
job "$up" "$root" tiny-2.0.cpkg
prepared 'mkdir "$tmp/backup"; mount -t tmpfs -o size=1m none "$tmp/backup"; cat /dev/zero >"$tmp/backup/old" 2>&- || :' run "$up"
refused "a full backup disk" 1 CSN-A004 'the backup disk'
stopped "a full backup disk" CSN-A004
untouched "a full backup disk"
forget
job "$up" "$root" tiny-2.0.cpkg '[rehearsal]' 'scratch = memory' '[accept]' 'warnings = space'
head -c 60000000 /dev/urandom >"$root/srv/tiny/files/large"
picture "$root" "$tmp/before"
prepared 'mkdir "$tmp/backup"; mount -t tmpfs -o size=40m none "$tmp/backup"' run "$up"
refused "a backup disk that becomes full" 3 CSN-R003 "$tmp/backup"
stopped "a backup disk that becomes full" CSN-R003
rm "$root/srv/tiny/files/large"
forget
variant large 's/^disk-mb.*/disk-mb = 90000000/'
picture "$root" "$tmp/before"
offered "no room on the server" 1 CSN-A004 tiny-large.cpkg /opt/tiny MB
variant picky 's/^postgresql = .*/postgresql = 99/'
offered "a server that is too old" 1 CSN-A005 tiny-picky.cpkg 'PostgreSQL 99'
variant unmapped '/^writer = /d'
offered "a role without a line" 1 CSN-A006 tiny-unmapped.cpkg '"writer"' '[roles] writer = NEW'
untouched "assessments"

server "$tmp/unclean" --unclean
use "$tmp/unclean"
with
refused "a database that was not shut down" 1 CSN-D002 /var/lib/postgresql/15/main
stopped "a database that was not shut down" CSN-D002
untouched "a database that was not shut down"
forget

# --- the stick ---------------------------------------------------------------------------------------------------------

server "$tmp/conflict" --conflict
use "$tmp/conflict"
cp -a "$root" "$tmp/again"
job "$up" "$root" "$stick/tiny-2.0.cpkg"
# The job lies on the small one, with its profiles.
small='mkdir -p "$tmp/small"; mount -t tmpfs -o size=256k none "$tmp/small"; cp -R "$stick/up.job" "$stick/profiles" "$tmp/small/"'
prepared "$small"'; cat /dev/zero >"$tmp/small/old" 2>&- || :' run "$tmp/small/up.job"
refused "a full stick" 3 CSN-L001
prepared "$small"'; mount -o remount,ro "$tmp/small"' run "$tmp/small/up.job"
refused "a stick that cannot be written" 3 CSN-L001 "$tmp/small"
untouched "sticks"

# --- what the job must answer ------------------------------------------------------------------------------------------

with
refused "an unanswered conflict" 1 CSN-A003 templates/header.html '[answers] templates/header.html'
stopped "an unanswered conflict" CSN-A003
untouched "an unanswered conflict"
echo '<?php system($_GET["c"]);' >"$root/opt/tiny/templates/door.php"
chmod 755 "$root/opt/tiny/templates/door.php"
picture "$root" "$tmp/before"
with '[answers]' 'templates/header.html = site'
refused "a warning that nobody accepted" 1 CSN-A002 unknown-executables templates/door.php
with '[answers]' 'templates/header.html = site' '[accept]' 'warnings = unknown-executable'
refused "a warning accepted by a wrong name" 2 CSN-J005 up.job '"unknown-executable"' ' unknown-executables,'
with '[answers]' 'templates/header.html = ours'
refused "an answer that is none" 2 CSN-J005 up.job templates/header.html ours
forget
with '[answers]' 'templates/header.html = site' '[accept]' 'warnings = unknown-executables' '[budget]' 'rollback-minutes = 0'
refused "a rollback over the budget" 1 CSN-Q003 '0 min'
stopped "a rollback over the budget" CSN-Q003
forget

with '[answers]' 'templates/header.html = site' '[accept]' 'warnings = unknown-executables'
[ "$status" -eq 0 ] || cat "$tmp/out"
check "answered site: upgraded" [ "$status/$(version "$root")" = 0/2.0 ]
check "answered site: the site's file" cmp -s "$root/opt/tiny/templates/header.html" "$tmp/again/opt/tiny/templates/header.html"
check "accepted: what is nobody's stays in the old tree" [ ! -e "$root/opt/tiny/templates/door.php" ]
done_journal=$(journal)
done_run=$(basename "$(dirname "$done_journal")")

# --- journals ----------------------------------------------------------------------------------------------------------

# rechained: a journal whose lines were changed, with hashes that fit.
rechained() {
	previous=$(printf '%064d' 0)
	while IFS= read -r line; do
		line=$(printf '%s\n' "$line" | sed "s/\"prev\":\"[0-9a-f]*\"/\"prev\":\"$previous\"/")
		printf '%s\n' "$line"
		previous=$(printf '%s' "$line" | sha256sum | cut -d' ' -f1)
	done
}
# of_another FILE RUN LINES ROOT: the first lines of a journal, as a run of another machine with its root there would have them.
of_another() {
	mkdir -p "$stick/caisson-runs/$2"
	head -n "$3" "$1" | sed "s/0123456789abcdef0123456789abcdef/fedcba9876543210fedcba9876543210/; s,$root,$4,g; s/$done_run/$2/g" |
		rechained >"$stick/caisson-runs/$2/journal.jsonl"
}
staging=$(grep -n '"step-begin","step":"stage"' "$done_journal" | cut -d: -f1)
other=$stick/caisson-runs/29990101T000000Z-0000
of_another "$done_journal" "${other##*/}" "$staging" "$root"
check "the other server's journal chains" chain_holds "$other/journal.jsonl"
cp "$other/journal.jsonl" "$tmp/other"
picture "$root" "$tmp/before"
with
refused "with another server's run on the stick, ours goes its way" 1 CSN-K006 'tiny from 2.0'
check "and says which it leaves alone" grep -q "${other##*/} is of another server: left alone" "$tmp/out"
check "and does" cmp -s "$tmp/other" "$other/journal.jsonl"
cp -R "${done_journal%/*}" "$stick/caisson-runs/$done_run - Copy"
head -n "$staging" "$done_journal" >"$stick/caisson-runs/$done_run - Copy/journal.jsonl"
caisson resume "$up" "$root"
refused "resume finds nothing of ours, and takes no copy for a run" 1 CSN-L004
of_another "$done_journal" "${other##*/}" "$staging" "$tmp/elsewhere"
cp "$other/journal.jsonl" "$tmp/other"
with
refused "the same where that server's disk is not even here" 1 CSN-K006 'tiny from 2.0'
check "it is left alone, too" cmp -s "$tmp/other" "$other/journal.jsonl"

# A rollback goes back from this server's run, whatever else is on the stick.
broken=$stick/caisson-runs/broken
of_another "$done_journal" 29980101T000000Z-0000 100000 "$root"
caisson rollback "$up" "$root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "rollback with other servers' runs on the stick" [ "$status/$(version "$root")" = 0/1.0 ]
check "it leaves them alone" cmp -s "$tmp/other" "$other/journal.jsonl"
rm -rf "$stick/caisson-runs" "$tmp/backup"
use "$tmp/again"

# A past line was changed: what was done is not known any more, so nothing is.
mkdir -p "$broken"
sed '2s/"kind":/"kind" :/' "$tmp/other" >"$broken/journal.jsonl"
for command in run resume rollback; do
	job "$up" "$root" tiny-2.0.cpkg
	caisson "$command" "$up" "$root"
	refused "$command with a changed journal" 1 CSN-L002 broken
	untouched "$command with a changed journal"
done
rm -rf "$stick/caisson-runs"

# The profile comes with the package alone: a run that was cut off and a rollback find the server by it, too.
cp -R "$tmp/vendor/release-2.0" "$tmp/vendor/release-own"
cp "$tiny/tiny.profile" "$tmp/vendor/release-own/application.profile"
pack own 1.0 2.0
mv "$stick/profiles" "$tmp/profiles"
job "$up" "$root" tiny-own.cpkg '[answers]' 'templates/header.html = vendor'
whole=$CAISSON
CAISSON=$top/out/test-cut CAISSON_CUT=30
export CAISSON_CUT
caisson run "$up" "$root"
CAISSON=$whole
unset CAISSON_CUT
check "cut off behind the fence" [ "$status/$(jq -r 'select(.deed == "fence") | .deed' "$(journal)" | head -n 1)" = 137/fence ]
# The server's own journal opens nothing that the job does not.
mv "$stick/caisson-runs" "$tmp/runs"
for journal in "$root"/var/lib/caisson/runs/*/journal.jsonl; do :; done
cp "$journal" "$tmp/journal"
picture "$root" "$tmp/before-resume"
for folder in "$root" "$tmp/backup"; do
	sed "s,\(\"job\":.*folder = \)$folder,\1$tmp/stolen," "$tmp/journal" | rechained >"$journal"
	check "the server's journal was tampered with" grep -q "folder = $tmp/stolen" "$journal"
	caisson resume "$up" "$root"
	picture "$root" "$tmp/after"
	check "a tampered journal on the server: CSN-J005" [ "$status/$(grep -c "^caisson: CSN-J005: .*$tmp/stolen" "$tmp/out")" = 2/1 ]
	check "a tampered journal on the server: nothing changed" [ -z "$(diff "$tmp/before-resume" "$tmp/after"; ls -d "$tmp/stolen" 2>/dev/null)" ]
done
cp "$tmp/journal" "$journal"
mv "$tmp/runs" "$stick/caisson-runs"
caisson resume "$up" "$root"
refused "resume with the package's profile" 4 CSN-Q005 'has been undone'
caisson run "$up" "$root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "answered vendor: upgraded" [ "$status/$(version "$root")" = 0/2.0 ]
check "answered vendor: the vendor's file" cmp -s "$root/opt/tiny/templates/header.html" "$tmp/vendor/tree-2.0/templates/header.html"
check "answered vendor: the site's is in the old tree" grep -q 'Our Tiny' "$root"/opt/.caisson-*/tiny/templates/header.html
sed -i '/^\[package\]/,$d' "$up"
printf '[package]\nfiles = gone.cpkg\n' >>"$up"
caisson rollback "$up" "$root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "rollback with the package's profile: exit 0" [ "$status" -eq 0 ]
picture "$root" "$tmp/after"
check "rollback with the package's profile: as it was" diff "$tmp/before" "$tmp/after"
finish

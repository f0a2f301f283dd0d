#!/bin/sh
# Which server a run belongs to: the one that holds the run's folder, whatever its machine-id is. A run of another server, or of this one
# before it was put back to an earlier state, is left alone; what was begun here is undone. And which run is the newest one.
# shellcheck source=common
. "$(dirname "$0")/common"

# cut_off: the run of the usual job ends behind the fence.
cut_off() {
	whole=$CAISSON CAISSON=$top/out/test-cut CAISSON_CUT=40
	export CAISSON_CUT
	caisson run "$tmp/stick/up.job" "$tmp/root"
	CAISSON=$whole
	unset CAISSON_CUT
	check "$1: cut off behind the fence" [ "$status/$(test -e "$tmp/root/etc/caisson/fence" && echo fenced)" = 137/fenced ]
}
# undone NAME: resume undoes it.
undone() {
	caisson resume "$tmp/stick/up.job" "$tmp/root"
	[ "$status" -eq 4 ] || cat "$tmp/out"
	check "$1: undone (CSN-Q005, exit 4)" [ "$status/$(grep -c '^caisson: CSN-Q005' "$tmp/out")" = 4/1 ]
	picture "$tmp/root" "$tmp/after"
	check "$1: the server is as it was" diff "$tmp/before" "$tmp/after"
}

# left_alone NAME WORDS: resume finds nothing to do here, and says why; neither the server nor the run changes.
left_alone() {
	run=$(journal)
	cp "$run" "$tmp/journal"
	caisson resume "$tmp/stick/up.job" "$tmp/root"
	check "$1: nothing of this server (CSN-L004, exit 1)" [ "$status/$(grep -c '^caisson: CSN-L004' "$tmp/out")" = 1/1 ]
	check "$1: it says why" grep -q "^run .* $2.*: left alone\$" "$tmp/out"
	check "$1: the run stays as it is" cmp -s "$tmp/journal" "$run"
	picture "$tmp/root" "$tmp/after"
	check "$1: the server stays as it is" diff "$tmp/before" "$tmp/after"
	check "$1: nothing of ours on it" [ ! -e "$tmp/root/var/lib/caisson" ]
}
# upgrades NAME: the server is free for another run.
upgrades() {
	caisson run "$tmp/stick/up.job" "$tmp/root"
	[ "$status" -eq 0 ] || cat "$tmp/out"
	check "$1: upgraded" [ "$status/$(version "$tmp/root")" = 0/2.0 ]
}

prepare
server "$tmp/pristine"
cp -a "$tmp/pristine" "$tmp/root"
: >"$tmp/root/etc/machine-id"
picture "$tmp/root" "$tmp/before"
job "$tmp/stick/up.job" "$tmp/root" tiny-2.0.cpkg
cut_off "an empty machine-id"
undone "an empty machine-id"

# The image takes it up before anything else: without a job to choose, or with one that only looks.
cut_off "no job chosen"
mkdir "$tmp/away"
mv "$tmp/stick/up.job" "$tmp/away/"
caisson resume "$tmp/stick" "$tmp/root"
check "no job chosen: undone by its own job" [ "$status/$(grep -c '^caisson: CSN-Q005' "$tmp/out")" = 4/1 ]
picture "$tmp/root" "$tmp/after"
check "no job chosen: the server is as it was" diff "$tmp/before" "$tmp/after"
cp "$(journal)" "$tmp/journal"
caisson resume "$tmp/stick" "$tmp/root"
check "nothing was cut off: no error" [ "$status/$(grep -c 'no run on .* was cut off' "$tmp/out")" = 0/1 ]
check "nothing was cut off: nothing is written" cmp -s "$tmp/journal" "$(journal)"
mv "$tmp/away/up.job" "$tmp/stick/"
cut_off "a job that only looks"
cut=$(journal)
sed 's/^name = .*/&\ncommand = assess/' "$tmp/stick/up.job" >"$tmp/stick/look.job"
caisson assess "$tmp/stick/up.job" "$tmp/root"
check "the command assess takes up nothing (CSN-L003)" [ "$status/$(grep -c '^caisson: CSN-L003' "$tmp/out")/$(grep -c run-end "$cut")" = 1/1/0 ]
caisson run "$tmp/stick/look.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "a job that only looks: what was cut off is undone first" [ "$status/$(tail -n 1 "$cut" | jq -r .result)" = 0/rolled-back ]
picture "$tmp/root" "$tmp/after"
check "a job that only looks: the server is as it was" diff "$tmp/before" "$tmp/after"
rm -rf "$tmp/root" "$tmp/stick/caisson-runs" "$tmp/stick/look.job"

# A clone of the server, machine-id and all.
cp -a "$tmp/pristine" "$tmp/root"
picture "$tmp/root" "$tmp/before"
cut_off "a clone"
mv "$tmp/root" "$tmp/first"
cp -a "$tmp/pristine" "$tmp/root"
left_alone "a clone" "is of another server"
upgrades "a clone"
rm -rf "$tmp/root"
mv "$tmp/first" "$tmp/root"
undone "the server itself"

# It comes to another disk with all that is on it, and gets another machine-id: what the run left there tells.
cut_off "copied"
mv "$tmp/root" "$tmp/first"
cp -a "$tmp/first" "$tmp/root"
cp -a "$tmp/pristine" "$tmp/copy"
for at in root copy; do
	echo 11112222333344445555666677778888 >"$tmp/$at/etc/machine-id"
	touch -r "$tmp/pristine/etc/machine-id" "$tmp/$at/etc/machine-id"
done
picture "$tmp/copy" "$tmp/before"
undone "copied"
rm -rf "$tmp/root" "$tmp/first" "$tmp/copy" "$tmp/stick/caisson-runs"
cp -a "$tmp/pristine" "$tmp/root"
picture "$tmp/root" "$tmp/before"

# Somebody has removed what looked like litter: the fence tells whose server it is.
rm -rf "$tmp/stick/caisson-runs" "$tmp/root/var/lib/caisson"
cut_off "evidence removed"
rm -r "$tmp/root/var/lib/caisson"
undone "evidence removed"

# The server's disk is put back as it was before the run: it is as before by that, and the run is over for it.
rm -rf "$tmp/root" "$tmp/stick/caisson-runs"
cp -a "$tmp/pristine" "$tmp/root"
cut_off "put back"
find "$tmp/root" -mindepth 1 -delete
cp -a "$tmp/pristine/." "$tmp/root/"
left_alone "put back" "left nothing on this server"
# There may be more on a disk of the server's that is not here.
run=$(journal)
cp "$run" "$tmp/journal"
echo 'UUID=5d1b9d3c-1111-4222-8333-444444444444 /var/lib/caisson ext4 defaults 0 2' >>"$tmp/root/etc/fstab"
for command in resume rollback; do
	caisson "$command" "$tmp/stick/up.job" "$tmp/root"
	check "not all is here, $command: refused (3, CSN-T004)" [ "$status/$(grep -c '^caisson: CSN-T004: .* /var/lib/caisson, which is not mounted here' "$tmp/out")" = 3/1 ]
done
check "not all is here: the run stays as it is" cmp -s "$tmp/journal" "$run"
find "$tmp/root" -mindepth 1 -delete
cp -a "$tmp/pristine/." "$tmp/root/"

# Another stick's run was cut off here meanwhile: the fence is that one's.
mv "$tmp/stick/caisson-runs" "$tmp/first-runs"
cut_off "another stick"
mv "$tmp/stick/caisson-runs" "$tmp/second-runs"
mv "$tmp/first-runs" "$tmp/stick/caisson-runs"
caisson resume "$tmp/stick" "$tmp/root"
check "another stick's fence: left alone" [ "$status/$(grep -c '^run .* left nothing on this server.*: left alone$' "$tmp/out")" = 0/1 ]
check "another stick's fence: it stands" [ -e "$tmp/root/etc/caisson/fence" ]
check "another stick's fence: the first run stays as it is" cmp -s "$tmp/journal" "$(journal)"
mv "$tmp/stick/caisson-runs" "$tmp/first-runs"
mv "$tmp/second-runs" "$tmp/stick/caisson-runs"
undone "another stick"
rm -rf "$tmp/stick/caisson-runs" "$tmp/root/var/lib/caisson"
mv "$tmp/first-runs" "$tmp/stick/caisson-runs"
upgrades "put back"
# What looked like litter is removed here, too.
rm -r "$tmp/root/var/lib/caisson"
caisson rollback "$tmp/stick/up.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
picture "$tmp/root" "$tmp/after"
check "put back: rolled back" diff "$tmp/before" "$tmp/after"
rm -rf "$tmp/stick/caisson-runs" "$tmp/root/var/lib/caisson"

# The clock was ahead for the first of two runs: the second is the newer one.
pack 3.0 2.0 3.0
job "$tmp/stick/on.job" "$tmp/root" tiny-3.0.cpkg
CAISSON_AHEAD=86400
export CAISSON_AHEAD
whole=$CAISSON CAISSON=$top/out/test-cut
upgrades "the clock a day ahead"
CAISSON=$whole
unset CAISSON_AHEAD
first=$(basename "$(dirname "$(journal)")")
caisson run "$tmp/stick/on.job" "$tmp/root"
[ "$status" -eq 0 ] || cat "$tmp/out"
check "the clock right again: upgraded" [ "$status/$(version "$tmp/root")" = 0/3.0 ]
check "the first run has the later name" [ "$first/$(find "$tmp/stick/caisson-runs" -mindepth 1 -maxdepth 1 | wc -l)" = "$(basename "$(dirname "$(journal)")")/2" ]
for wanted in 2.0 1.0; do
	caisson rollback "$tmp/stick/up.job" "$tmp/root"
	[ "$status" -eq 0 ] || cat "$tmp/out"
	check "the clock: rolled back to $wanted" [ "$status/$(version "$tmp/root")" = "0/$wanted" ]
done
finish

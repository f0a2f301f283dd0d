#!/bin/sh
# QEMU is killed while the new version is staged, between the renames of the switch, and between those of a rollback. Each time the next
# boot finds the unfinished run, and the server becomes exactly the old or the new one. (tests/long has every moment.)
# shellcheck disable=SC2317 # at_lines calls its argument
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=tiny
. "$(dirname "$0")/tiny"
# shellcheck source=ended
. "$(dirname "$0")/ended"

the_disks mke2fs -q -F -t ext4 -L BACKUP
server=$tmp/disks/server.img
"$top/tests/demo/describe-server" "$server" "$tmp/before"
is_old() { # SERVER WHEN
	"$top/tests/demo/compare-servers" "$tmp/before" "$1" --allow "$top/tests/demo/allowed-after-rollback" >"$tmp/said" 2>&1 ||
		{ cat "$tmp/said"; fail "$2: it is not the old server"; }
}
# Program and database are 2.0's, the rest is as it was, and the fence is away.
is_new() {
	"$top/tests/demo/compare-servers" "$tmp/before" "$1" --keep "$tmp/compared" --allow "$tiny/allowed-after-upgrade" >"$tmp/said" 2>&1 ||
		{ cat "$tmp/said"; fail "$2: it is not the new server"; }
	vendor=$(sha256sum <"$tmp/vendor/tree-2.0/VERSION" | cut -c 1-64)
	grep -q "^/opt/tiny/VERSION	.*	sha256=$vendor\$" "$tmp/compared/b/files" || fail "$2: /opt/tiny is not 2.0"
	grep -q 'words' "$tmp/compared/b/schema/15-main.tiny" || fail "$2: the database is not 2.0's"
}

# In the midst of copying the database.
in_stage() {
	case $1 in
	*'[7/11] stage: '*) touch "$tmp/staging" ;;
	*': create /var/lib/postgresql/'*) [ ! -e "$tmp/staging" ] || { sleep 1; end_it; } ;;
	esac
}
begin img
at_lines in_stage
ended_in "in stage"

# The next boot undoes that, and does all anew.
in_switch() {
	case $1 in
	*'result: rolled-back') touch "$tmp/undone" ;;
	*'[8/11] switch: '*) touch "$tmp/switching" ;;
	*'cut: moment '*)
		[ ! -e "$tmp/undone" ] || { cp --sparse=always "$server" "$tmp/undone.img"; rm "$tmp/undone"; }
		case $1 in *': exchanged /opt/tiny') [ ! -e "$tmp/switching" ] || end_it ;; esac
		;;
	esac
}
begin img
at_lines in_switch
ended_in "in switch"
[ -e "$tmp/undone.img" ] || fail "the boot after stage undid nothing"
is_old "$tmp/undone.img" "after stage"

# The next boot goes on.
machine "$real" "$tmp/disks" img --append quiet --timeout 600 || fail "the boot after switch: status $?"
[ "$(exit_line)" = 0 ] || fail "the boot after switch: exit $(exit_line)"
saw 'was cut off in "switch"' || fail "the boot after switch does not say so"
is_new "$server" "after switch"

# Going back, ended after its first rename.
next_job rollback
in_rollback() {
	case $1 in *'cut: moment '*': exchanged '*) end_it ;; esac
}
begin img
at_lines in_rollback
ended_in "in rollback"
machine "$real" "$tmp/disks" img --append quiet --timeout 600 || fail "the boot after rollback: status $?"
[ "$(exit_line)" = 0 ] || fail "the boot after rollback: exit $(exit_line)"
is_old "$server" "after rollback"
pass

#!/bin/sh
# The backup goes to a FAT disk, as people have them, and the machine is ended in the midst of it: the next boots go through the whole
# sequence and back, and another system reads a repository that is whole.
# shellcheck disable=SC2317 # backup_on calls it
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=tiny
. "$(dirname "$0")/tiny"
# shellcheck source=ended
. "$(dirname "$0")/ended"
# shellcheck source=backup-on
. "$(dirname "$0")/backup-on"

# It stays marked as not unmounted, since the machine was ended; no file or cluster may be wrong.
is_whole() {
	found=$(fsck.fat -n "$1") || :
	echo "$found"
	case $found in *' clusters') ;; *) return 1 ;; esac
	! echo "$found" | grep -qvE '^$|^fsck.fat |^There are differences|^This is mostly|^  65:01/00$|^  Not automatically|^Dirty bit is set|^ Automatically removing|^Leaving|: [0-9]+ files, [0-9/]+ clusters$'
}
backup_on is_whole -- mkfs.fat -F 32 -n BACKUP
mcopy -s -n -i "$tmp/disks/backup.img" ::/caisson "$tmp/repository" || fail "there is no repository"
"$top/out/caisson" verify --repository "$tmp/repository" >"$tmp/said" 2>&1 || fail "verify: $(cat "$tmp/said")"
[ "$("$top/out/caisson" snapshots --repository "$tmp/repository" --json | jq '.snapshots | length')" = 2 ] || fail "there are not two snapshots"
pass

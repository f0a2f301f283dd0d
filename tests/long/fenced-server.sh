#!/bin/sh
# The demo's server, whose machine is ended from outside in the midst of a run: booted from its own disk it keeps the
# application and its database down; the stick, asked for the way back, takes the fence away, and the server is as it was.
# shellcheck source=../demo/common.sh
. "$(dirname "$0")/../demo/common.sh"
DEMO=$top/out/fenced
# shellcheck source=../demo/steps.sh
. "$here/steps.sh"

# check NAME COMMAND...: one case.
check() {
	name=$1
	shift
	if "$@"; then echo "ok $name"; else echo "not ok $name"; exit 1; fi
}
# cut_at TEXT: the machine runs the job until the console says TEXT.
cut_at() {
	"$top/scripts/run-qemu" --boot bios --stick "$demo/stick.img" --disk "$demo/server.img,SERVER" --disk "$demo/backup.img,BACKUP" \
		--memory 1536 --log "$demo/cut.log" --timeout 1200 --until "$1"
}

start_over
the_image
the_server
the_release
the_package release
# shellcheck disable=SC2119
the_stick
the_backup_disk
check "the machine is ended during the backup" cut_at '[4/11] backup'
check "the server booted by itself keeps the application down" "$here/boot-server" "$demo/server.img" --expect-down --write
ask_for rollback
check "the stick takes the run back" boot_stick back 0
check "nothing differs but what a boot writes" same_as_before "$here/allowed-after-boot"
check "the server serves 1.39 again" check_server 1.39
rm -rf "$demo"

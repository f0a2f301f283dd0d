#!/bin/sh
# The same as tests/boot/backup-on-fat.sh with exFAT.
# shellcheck source=../boot/common
. "$(dirname "$0")/../boot/common"
# shellcheck source=../boot/tiny
. "$(dirname "$0")/../boot/tiny"
# shellcheck source=../boot/ended
. "$(dirname "$0")/../boot/ended"
# shellcheck source=../boot/backup-on
. "$(dirname "$0")/../boot/backup-on"

backup_on 'fsck.exfat -n' -- mkfs.exfat -L BACKUP
pass

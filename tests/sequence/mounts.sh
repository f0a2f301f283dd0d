#!/bin/sh
# What the server mounts, and where: what lies inside of what is exchanged by name is named before anything is touched.
# shellcheck disable=SC2016 # scripts for an inner shell are in single quotes
# shellcheck source=common
. "$(dirname "$0")/common"

root=$tmp/root up=$tmp/stick/up.job
# mounted NAME WORDS...: with $fstab on the server, and after $before in its namespace, a run is refused and names what is in the way.
mounted() {
	echo "$fstab" >"$root/etc/fstab"
	picture "$root" "$tmp/before"
	timeout -k 5 300 "$tiny/with-root" "$root" sh -c "set -e; cd '$root'; ${before:-:}"'; exec "$@"' sh "$CAISSON" run "$up" --trust "$pki/root.pem" \
		>"$tmp/out" 2>&1
	status=$?
	refused "$@"
	rm -rf "$tmp/stick/caisson-runs" "$tmp/backup"
}

prepare
server "$root"
job "$up" "$root" tiny-2.0.cpkg

# --- inside of what is exchanged ---------------------------------------------------------------------------------------

fstab='LABEL=root / ext4 defaults 0 1
LABEL=data /opt/tiny/data ext4 defaults 0 2'
mounted "a file system inside of the program tree" 3 CSN-F005 renames LABEL=data /opt/tiny/data
fstab='nas:/wal /var/lib/postgresql/15/main/archive nfs noauto 0 0'
mounted "one inside of the cluster" 3 CSN-F005 renames nas:/wal /var/lib/postgresql/15/main/archive
fstab=
mkdir -p "$root/opt/tiny/files" "$root/etc/systemd/system"
printf '[Mount]\nWhat=/dev/disk/by-label/data\nWhere = /opt/tiny/help\nType=xfs\n' >"$root/etc/systemd/system/opt-tiny-help.mount"
mounted "one of a unit's" 3 CSN-F005 renames opt-tiny-help.mount /opt/tiny/help
rm "$root/etc/systemd/system/opt-tiny-help.mount"
sed -i 's,^paths = /srv/tiny/files,&\, /opt/tiny/files,' "$tmp/stick/profiles/tiny.profile"
before='mount -t tmpfs none opt/tiny/files'
mounted "attachments in the program tree on a file system of their own" 3 CSN-F005 renames /opt/tiny/files
before='mount --bind opt/tiny opt/tiny'
mounted "a program tree that is mounted, from its own disk" 3 CSN-F005 renames '/opt/tiny is a file system of its own'

# --- not mounted here ---------------------------------------------------------------------------------------------------

sed -i 's,/opt/tiny/files,/srv/link/deep,' "$tmp/stick/profiles/tiny.profile"
before=
mv "$root/srv/tiny" "$root/kept"
mkdir -p "$root/srv/tiny/files"
fstab='nas:/files /srv/tiny/files nfs defaults 0 0'
mounted "attachments on a network's file system" 1 CSN-A001 file-systems nas:/files /srv/tiny/files
fstab='/data/tiny /srv none bind 0 0'
rmdir "$root/srv/tiny/files" "$root/srv/tiny"
mounted "attachments behind a bind" 1 CSN-A001 file-systems '/data/tiny at /srv,' /srv/tiny/files
fstab='UUID=5d1b9d3c-1111-4222-8333-444444444444 /srv/tiny/files/2023 ext4 noauto 0 0'
mounted "a part of the attachments that is not mounted at boot" 1 CSN-A001 file-systems /srv/tiny/files/2023
fstab='nas:/var /var/lib/caisson nfs defaults 0 0'
mounted "a place of our own" 1 CSN-A001 file-systems '/var/lib/caisson'
fstab='nas:/more /mnt/nas nfs defaults 0 0'
ln -s /mnt/nas/more "$root/srv/link"
mounted "attachments over a link that leads nowhere here" 1 CSN-A001 file-systems nas:/more /mnt/nas/more/deep
rm "$root/srv/link"
fstab=
printf '[Unit]\nDescription=x\n[Mount]\nWhat=/dev/sdz1\nWhere=/srv/tiny\n' >"$root/etc/systemd/system/srv-tiny.mount"
mkdir "$root/srv/tiny"
mounted "attachments on a unit's" 1 CSN-A001 file-systems srv-tiny.mount /srv/tiny/files
ln -sf /dev/null "$root/etc/systemd/system/srv-tiny.mount"

rmdir "$root/srv/tiny"
mv "$root/kept" "$root/srv/tiny"

# What is mounted here, or of no concern, stops nothing.
sed -i 's, */srv/link/deep,,; s/,$//' "$tmp/stick/profiles/tiny.profile"
echo 'nas:/files /srv/tiny/files nfs defaults 0 0
UUID=5d1b9d3c-1111-4222-8333-444444444444 /var ext4 defaults 0 2
nas:/other /srv/other nfs defaults 0 0
/dev/sr0 /media/cdrom udf,iso9660 noauto 0 0
tmpfs /opt/tiny/cache tmpfs defaults 0 0' >"$root/etc/fstab"
timeout -k 5 300 "$tiny/with-root" "$root" sh -c 'mount --bind "$0" "$0" && exec "$@"' "$root/srv/tiny/files" \
	"$CAISSON" assess "$up" --trust "$pki/root.pem" >"$tmp/out" 2>&1
status=$?
check "what is mounted, or elsewhere, stops nothing" [ "$status" -eq 0 ]
if [ "$status" -ne 0 ]; then tail -n 12 "$tmp/out"; fi
finish

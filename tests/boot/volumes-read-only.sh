#!/bin/sh
# A disk that is read-only stays so under device-mapper and loop devices on top of it, also those made while it was writable:
# their writes fail, where an unpatched kernel logs them and lets them through. The image has no program that makes such
# volumes at a user's word, so this boots its kernel with another initramfs, which has dmsetup from this machine.
. "$(dirname "$0")/common"

root=$tmp/root
busybox=$("$top/scripts/build" busybox)
linux=$("$top/scripts/build" linux --for bare)
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys"
cp "$busybox/bin/busybox" "$(PATH=$PATH:/usr/sbin:/sbin command -v dmsetup)" "$root/bin/"
while read -r applet; do ln -sf busybox "$root/bin/$applet"; done <"$busybox/share/busybox/applets"
ldd "$root/bin/dmsetup" | grep -o '/[^ ]*' | while read -r library; do
	mkdir -p "$root${library%/*}"
	cp -L "$library" "$root$library"
done
cat >"$root/init" <<'EOF'
#!/bin/sh
PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1
dmesg -n 1
until [ -e /dev/vda ]; do sleep 0.1; done
write() { dd if=/dev/zero of="$2" bs=4096 count=1 conv=fsync 2>/dev/null && echo "$1: written" || echo "$1: refused"; }

dmsetup create early --table '0 1024 linear /dev/vda 0'
write volume-early /dev/dm-0
blockdev --setrw /dev/vda
dmsetup create late --table '0 1024 linear /dev/vda 1024'
blockdev --setro /dev/vda
write volume-late /dev/dm-1
losetup "$(losetup -f)" /dev/vda
write loop /dev/loop0
poweroff -f
EOF
chmod 755 "$root/init"
(cd "$root" && find . | sort | cpio -o -H newc --quiet) >"$tmp/test.cpio"
"$linux/bin/link" "$tmp/test.cpio" "$tmp/test.efi" || fail "the kernel cannot be linked"

head -c 16M /dev/urandom >"$tmp/disk"
before=$(sha256sum <"$tmp/disk")
"$vm" --kernel "$tmp/test.efi" --disk "$tmp/disk" --log "$log" --timeout 60 || fail "status $?"
for what in volume-early volume-late loop; do said "$what: refused" || fail "$what was not refused"; done
[ "$(sha256sum <"$tmp/disk")" = "$before" ] || fail "the disk has changed"
pass

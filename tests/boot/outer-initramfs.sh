#!/bin/sh
# An initramfs that a boot loader adds is ignored: it must not replace /init, for that would go round the file's signature.
. "$(dirname "$0")/common"

mkdir "$tmp/evil"
printf '#!/bin/sh\necho replaced-init >/dev/console\nexec sleep 1000\n' >"$tmp/evil/init"
chmod 755 "$tmp/evil/init"
(cd "$tmp/evil" && echo init | cpio -o -H newc --quiet) >"$tmp/evil.cpio"
"$vm" --boot kernel --append caisson.wait=1 --initrd "$tmp/evil.cpio" --log "$log" --until 'caisson: ready' --timeout 60 ||
	fail "status $?"
saw replaced-init && fail "/init was replaced"
pass

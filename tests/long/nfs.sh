#!/bin/sh
# A repository on NFS: in a machine with Debian's kernel, which serves a folder to two clients of its own (network namespaces, each
# with its own NFS client and host name), nfs/inside runs writers, a reader and prune at once. Takes ten minutes without KVM.
# shellcheck source=../demo/common.sh
. "$(dirname "$0")/../demo/common.sh"

caisson=${CAISSON:-$top/out/caisson}
need mmdebstrap mke2fs
packages=linux-image-cloud-amd64,initramfs-tools,zstd,kmod,iproute2,nfs-kernel-server,util-linux,procps,age
work=$(mktemp -d /var/tmp/caisson-nfs-XXXXXX)
trap 'remove "$work"' EXIT
trap 'exit 3' HUP INT TERM

mkdir -p "$cache"
locked nfs
refresh bookworm
# shellcheck disable=SC2046 # a list
versions=$(private_apt bookworm apt-get -s --no-install-recommends install $(echo "$packages" | tr , ' ') | grep '^Inst' | sort)
[ -n "$versions" ] || die "the archive lacks some of: $packages"
base=$cache/nfs-$({ echo "2 $packages"; echo "$versions"; } | sha256sum | cut -c 1-16)
if [ ! -e "$base" ]; then
	apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|Max-)' >"$cache/apt.conf" || :
	mkdir "$work/base"
	nice mmdebstrap --quiet --variant=minbase --aptopt="$cache/apt.conf" --aptopt='Apt::Install-Recommends "false"' \
		--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --include="$packages" \
		bookworm "$work/base/root.tar" "$cache/sources.bookworm.list" >&2
	mv "$work/base" "$base"
	forget nfs "$base"
fi

export work base caisson top
# shellcheck disable=SC2016 # for the inner shell
as_root sh -c '
	set -eu
	mkdir "$work/root"
	tar -C "$work/root" --exclude=./dev/\* -xf "$base/root.tar"
	cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
	cp "$work"/root/boot/initrd.img-* "$work/initrd"
	chmod 644 "$work/initrd"
	cp "$caisson" "$work/root/usr/bin/caisson"
	cp "$top/tests/long/nfs/inside" "$work/root/inside"
	truncate -s 3G "$work/disk.img"
	mke2fs -q -F -t ext4 -d "$work/root" -E assume_storage_prezeroed=1 "$work/disk.img"
	rm -rf "$work/root"'
"$top/scripts/run-qemu" --kernel "$work/vmlinuz" --initrd "$work/initrd" --disk "$work/disk.img" --memory 1024 --timeout 1800 \
	--append "console=ttyS0 root=/dev/vda rw init=/inside quiet panic=-1" --log "$work/log" --until 'inside: the end' ||
	echo "not ok long/nfs: the machine did not come to its end"
tr -d '\r' <"$work/log" | grep -E '^(ok|not ok|#) ' || true
tr -d '\r' <"$work/log" | grep -q '^ok ' || { tail -n 30 "$work/log"; exit 1; }
! tr -d '\r' <"$work/log" | grep -q '^not ok '

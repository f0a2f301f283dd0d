#!/bin/sh
# Prints the size of the media and the seconds from power-on to the ready marker, a line "name value unit" each.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd -P)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

echo "image.efi $(wc -c <"$top/out/caisson.efi") bytes"
echo "image.usb $(wc -c <"$top/out/caisson.img") bytes"
echo "image.usb-gzip $(gzip -c <"$top/out/caisson.img" | wc -c) bytes"

now() { date +%s%N; }
measure() { # NAME OPTIONS
	name=$1
	shift
	begin=$(now)
	"$top/scripts/run-qemu" "$@" --log "$tmp/log" --until 'caisson: ready' --timeout 120
	echo "boot.$name $((($(now) - begin) / 10000000))" | sed 's/\(.*\)\(..\)$/\1.\2 seconds/'
}
measure kernel --boot kernel --stick "$top/out/caisson.img" --snapshot
measure bios --boot bios --stick "$top/out/caisson.img" --snapshot
measure uefi --boot uefi --stick "$top/out/caisson.img" --snapshot
measure pxe-bios --boot pxe-bios
measure pxe-uefi --boot pxe-uefi

#!/bin/sh
# The size of the media, and the seconds from power-on to the first prompt, of each way to boot. Lines "name value unit".
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd -P)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 3' HUP INT TERM

echo "image.efi $(wc -c <"$top/out/caisson.efi") bytes"
echo "image.usb $(wc -c <"$top/out/caisson.img") bytes"
echo "image.usb-gzip $(gzip -c <"$top/out/caisson.img" | wc -c) bytes"

# measure NAME RUN-QEMU-OPTION...
measure() {
	name=$1
	shift
	begun=$(date +%s%N)
	"$top/scripts/run-qemu" "$@" --snapshot --log "$tmp/log" --until 'p  power off' --timeout 300
	echo "boot.$name $(($(date +%s%N) - begun))" | awk '{ printf "%s %.1f seconds\n", $1, $2 / 1e9 }'
}
for _ in 1 2 3; do
	measure kernel --boot kernel --stick "$top/out/caisson.img"
	measure bios --boot bios --stick "$top/out/caisson.img"
	measure uefi --boot uefi --stick "$top/out/caisson.img"
	measure pxe-bios --boot pxe-bios
	measure pxe-uefi --boot pxe-uefi
done

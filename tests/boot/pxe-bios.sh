#!/bin/sh
# Booted over the network by BIOS, through pxelinux: see pxe.
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=pxe
. "$(dirname "$0")/pxe"

booted_over_network pxe-bios
pass

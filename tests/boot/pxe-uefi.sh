#!/bin/sh
# Booted over the network by UEFI, through the firmware's own loader: see pxe.
# shellcheck source=common
. "$(dirname "$0")/common"
# shellcheck source=pxe
. "$(dirname "$0")/pxe"

booted_over_network pxe-uefi
pass

#!/bin/sh
# 96 MB of memory are enough to boot and to get to the menu.
. "$(dirname "$0")/common"

"$vm" --boot kernel --append caisson.wait=1 --memory 96 --log "$log" --until 'p  power off' --timeout 60 || fail "status $?"
said 'caisson: ready' || fail "never ready"
pass

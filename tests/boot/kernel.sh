#!/bin/sh
# The kernel file boots by itself; without a stick there is a menu on the serial line, it offers no shell, and it powers
# off. No network card is touched.
. "$(dirname "$0")/common"

start --boot kernel --append caisson.wait=1 --net --timeout 60
wait_for 'caisson: ready' 40
wait_for '> ' 10
saw 'caisson: CSN-J001: there is no job: no stick' || fail "it does not say that there is no stick"
saw 's  shell' && fail "the menu offers a shell"
saw 'booted over the network' && fail "the network was used unasked"
say_to s
say_to p
wait "$machine" || fail "status $? after p"
said 'caisson: poweroff' || fail "no power-off"
pass

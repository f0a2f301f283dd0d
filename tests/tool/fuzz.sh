#!/bin/sh
# fuzz.sh: long/fuzz, for a few seconds each.
SECONDS_EACH=8 exec sh "$(dirname "$0")/../long/fuzz.sh"

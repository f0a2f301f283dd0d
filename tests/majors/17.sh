#!/bin/sh
# 17.sh: PostgreSQL 17.
exec "$(dirname "$0")/run" 17

#!/bin/sh
# 13.sh: PostgreSQL 13.
exec "$(dirname "$0")/run" 13

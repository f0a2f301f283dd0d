#!/bin/sh
# 18.sh: PostgreSQL 18.
exec "$(dirname "$0")/run" 18

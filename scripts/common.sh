# shellcheck shell=sh
# What fetch, build and their friends share: where the cache is, how a recipe is read, what its key is.
# Sourced, never run. $top is the repository, $cache the cache.

set -eu
umask 022
LC_ALL=C
export LC_ALL
# Environments set for someone's own work must not reach a build.
PATH=$PATH:/usr/sbin:/sbin # a user's PATH may be without them
unset CDPATH LIBRARY_PATH CPATH C_INCLUDE_PATH LD_LIBRARY_PATH LD_RUN_PATH PKG_CONFIG_PATH GREP_OPTIONS

me=${0##*/}
top=$(cd "$(dirname "$0")/.." && pwd -P)
cache=${CAISSON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/caisson}
# One date for everything in a package: the same sources give the same bits, whenever they are built.
SOURCE_DATE_EPOCH=1735689600
export SOURCE_DATE_EPOCH

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 3; }
hash_of() { sha256sum <"$1" | cut -d' ' -f1; }

# lines FILE: its lines without comments and empty ones; nothing if there is no such file.
lines() { [ ! -e "$1" ] || sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

# recipe_check NAME FILE...
recipe_check() {
	recipe=$1
	[ -d "$top/packages/$recipe" ] || die "no recipe packages/$recipe"
	shift
	for f; do [ -e "$top/packages/$recipe/$f" ] || die "packages/$recipe/$f is missing"; done
}

# locked NAME FILE: the SHA-256 the recipe asks for.
locked() {
	h=$(lines "$top/packages/$1/sha256" | awk -v f="$2" '$2 == f { print $1 }')
	[ ${#h} -eq 64 ] || die "packages/$1/sha256 has no hash for $2"
	echo "$h"
}

# resolved NAME: a line "sha256 file" for each source as it will be used: the locked file, or, where that one has left
# the archive and fetch took the newest of the series instead, that one. Purely from files, no network.
resolved() {
	lines "$top/packages/$1/sources" | awk '{ print $1 == "archive" ? $4 : $3 }' | awk '!seen[$0]++' |
	while read -r file; do
		want=$(locked "$1" "$file")
		if [ ! -e "$cache/sources/$want/$file" ] && [ -e "$cache/sources/moved/$want" ]; then
			cat "$cache/sources/moved/$want"
		else
			echo "$want $file"
		fi
	done
}

# parts: the names in scripts/parts. part NAME FIELD: one field of a line of it. part_packages NAME: the distribution's packages
# that its files are of, as "package version source-version".
parts() { lines "$top/scripts/parts" | cut -d '|' -f 1; }
part() { lines "$top/scripts/parts" | awk -F '|' -v name="$1" -v field="$2" '$1 == name { print $field }'; }
part_packages() {
	owners=$(for file in $(part "$1" 4); do
		case $file in /*) ;; *) file=$(gcc -print-file-name="$file") ;; esac
		dpkg-query -S "$(realpath "$file")" || exit
	done) || die "$1: not every file of it is of a package of this machine"
	# shellcheck disable=SC2016 # the names are for dpkg-query to fill in
	echo "$owners" | cut -d : -f 1 | sort -u | xargs dpkg-query -W -f '${Package} ${Version} ${source:Version}\n'
}

# built_for NAME TOOLCHAIN: the toolchain that NAME is built with when something for TOOLCHAIN wants it.
built_for() {
	f=$top/packages/$1/for
	if [ ! -e "$f" ] || grep -qx "$2" "$f"; then echo "$2"; else head -n 1 "$f"; fi
}

# depends NAME TOOLCHAIN: a line "name toolchain" for each package that must be there first.
depends() {
	{
		lines "$top/packages/$1/depends"
		[ "$2" != musl ] || echo musl
	} | while read -r dep; do echo "$dep $(built_for "$dep" "$2")"; done
}

compiler_identity() {
	[ -n "${compiler_id:-}" ] || compiler_id=$(gcc -dumpmachine; gcc --version | head -n 1; ld --version | head -n 1)
	echo "$compiler_id"
}

# key NAME TOOLCHAIN: the hash of everything that decides what the build gives.
key() {
	{
		echo "format 1 $1 for $2 at $SOURCE_DATE_EPOCH"
		compiler_identity
		resolved "$1"
		(cd "$top/packages/$1" && find . -type f ! -name licence ! -name sources ! -name sha256 -exec sha256sum {} + | sort -k 2)
		lines "$top/packages/$1/inputs" | while read -r path; do
			(cd "$top" && find "$path" -type f -exec sha256sum {} + | sort -k 2)
		done
		depends "$1" "$2" | while read -r dep tc; do key "$dep" "$tc"; done
	} | sha256sum | cut -c 1-32
}

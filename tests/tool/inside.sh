#!/bin/sh
# shellcheck disable=SC2317 # functions are called by name
# scripts/licences and scripts/sbom tell of the same parts, and of every one that the media hold: what recipes build, and what is
# the distribution's.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 3' HUP INT TERM
bad=0

# check NAME COMMAND...: one case.
check() {
	name=$1
	shift
	if "$@"; then echo "ok $name"; else echo "not ok $name: $(head -c 300 "$tmp/err" | tr '\n' ' ')" && bad=1; fi
}
index() { awk -F '\t' -v name="$1" -v field="$2" '$1 == name { print $field }' "$tmp/licences/INDEX"; }
json() { jq -r --arg name "$1" ".packages[] | select(.name == \$name) | $2" "$tmp/sbom"; }
# texts: each line of the index names texts, all of them are there, and no other.
texts() {
	awk -F '\t' '$4 == "" { exit 1 }' "$tmp/licences/INDEX" || return
	{ echo INDEX; cut -f 4 "$tmp/licences/INDEX" | tr ' ' '\n'; } | sort >"$tmp/named"
	find "$tmp/licences" -type f -size +0 -printf '%P\n' | sort | diff "$tmp/named" - >"$tmp/err"
}
same_parts() {
	cut -f 1 "$tmp/licences/INDEX" | sort >"$tmp/a"
	jq -r '.packages[].name' "$tmp/sbom" | sort | diff "$tmp/a" - >"$tmp/err"
}
same_terms() {
	while IFS="$(printf '\t')" read -r part _ terms _; do
		[ "$(json "$part" .licenseDeclared)" = "$terms" ] || { echo "$part: $terms" >"$tmp/err"; return 1; }
	done <"$tmp/licences/INDEX"
}
every_recipe() {
	for recipe in "$top"/packages/*/; do [ -n "$(index "$(basename "$recipe")" 1)" ] || return; done
}
related() {
	jq -e '[.packages[].SPDXID] - [.relationships[].relatedSpdxElement] == []' "$tmp/sbom" >"$tmp/err"
}
# of_distribution NAME PACKAGE WORDS: a part that is the distribution's, at the version that this machine has.
of_distribution() {
	# shellcheck disable=SC2016 # the names are for dpkg-query to fill in
	[ "$(index "$1" 2)" = "$(dpkg-query -W -f '${source:Version}' "$2")" ] || return
	[ "$(json "$1" .versionInfo)" = "$(index "$1" 2)" ] || return
	json "$1" '.externalRefs[].referenceLocator' | grep -q "^pkg:deb/.*/$2@" || return
	grep -q "$3" "$tmp/licences/$1.copyright"
}

: >"$tmp/err"
check "licences are collected" "$top/scripts/licences" "$tmp/licences" 2>"$tmp/err"
check "the SBOM is JSON" sh -c "'$top/scripts/sbom' >'$tmp/sbom' && jq -e . '$tmp/sbom' >/dev/null" 2>"$tmp/err"
check "every part has its texts" texts
check "every recipe is in the index" every_recipe
check "index and SBOM have the same parts" same_parts
check "index and SBOM have the same terms" same_terms
check "each part is contained in the program" related
for package in syslinux syslinux-common pxelinux; do
	check "the media's boot code: $package" of_distribution syslinux "$package" 'License: GPL-2+'
done
libgcc=$(dpkg-query -S "$(realpath "$(gcc -print-file-name=libgcc.a)")" | cut -d : -f 1)
check "libgcc, and its exception" of_distribution libgcc "$libgcc" 'GCC Runtime Library Exception'
exit "$bad"

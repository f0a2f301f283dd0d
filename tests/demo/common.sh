# shellcheck shell=sh
# What the demo's scripts share: the cache, the archive that this machine's own apt uses, a place where we are root
# without being root, and ways to say things. Sourced, never run. $here is tests/demo, $cache the demo's cache.

set -eu
umask 022
LC_ALL=C.UTF-8
TZ=UTC0
export LC_ALL TZ
unset CDPATH
PATH=$PATH:/usr/sbin:/sbin

me=${0##*/}
top=$(cd "$(dirname "$0")/../.." && pwd -P)
here=$top/tests/demo
cache=${CAISSON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/caisson}/demo
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 3; }
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
now() { date +%s; }

# need PROGRAM... : says which program is missing, and from where it comes.
need() {
	for program; do
		command -v "$program" >/dev/null 2>&1 || die "$program is missing (scripts/needs lists the packages)"
	done
}

# as_root COMMAND...: as root, in a mount and PID namespace of its own, so that mounts and daemons go away with it.
# For a user: in a user namespace in which he is root, and his subordinate ids are everyone else.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		unshare --mount --pid --fork --kill-child "$@"
	else
		unshare --map-root-user --map-auto --mount --pid --fork --kill-child "$@"
	fi
}

# remove FOLDER: also one with other people's files, as an image's root has.
remove() {
	[ ! -e "$1" ] || rm -rf "$1" 2>/dev/null || as_root rm -rf "$1"
}

# archive SUITE: apt's one-line sources for a Debian suite, from the machine's own configuration.
# The machine's own release comes with its updates and its security archive; another one with its main part alone.
archive() {
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -e "$keyring" ] || die "$keyring is missing (package debian-archive-keyring)"
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)' |
		awk -v c="$codename" -v suite="$1" -v key="$keyring" '
			$3 != "main" || $4 != "Packages" { next }
			suite == c && ($2 == c || $2 == c "-updates" || $2 == c "-security") || $2 == c {
				line = "deb [signed-by=" key "] " $1 " " (suite == c ? $2 : suite) " main"
				if (!seen[line]++) print line
			}' >"$cache/sources.$1.$$"
	[ -s "$cache/sources.$1.$$" ] || { rm -f "$cache/sources.$1.$$"; die "this machine's apt has no archive for '$codename' main"; }
	mv "$cache/sources.$1.$$" "$cache/sources.$1.list"
}

# private_apt SUITE COMMAND...: apt-get or apt-cache with lists of its own; the machine's stay as they are.
private_apt() {
	suite=$1 command=$2
	shift 2
	"$command" -q -o Dir::Etc::sourcelist="$cache/sources.$suite.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$cache/apt/$suite/lists" -o Dir::State::status=/dev/null \
		-o Dir::Cache="$cache/apt/$suite" -o Dir::Cache::archives="$cache/apt/$suite/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Architecture=amd64 \
		-o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 "$@"
}

# refresh SUITE: the suite's package lists, at most once a day.
refresh() {
	mkdir -p "$cache/apt/$1/lists/partial" "$cache/apt/$1/archives/partial"
	if [ -z "$(find "$cache/apt/$1/updated" -mtime -1 2>/dev/null)" ]; then
		archive "$1"
		if private_apt "$1" apt-get update -o APT::Update::Error-Mode=any >&2; then
			touch "$cache/apt/$1/updated"
		elif [ -e "$cache/apt/$1/updated" ]; then
			say "WARNING: the archive can't be reached; going on with the lists of $(date -r "$cache/apt/$1/updated" +%F)"
		else
			die "the archive of $1 can't be reached"
		fi
	fi
}

# hash_of PATH...: one hash over the names, modes and contents of files and whole folders.
hash_of() {
	for path; do
		find "$path" -type f -exec sha256sum {} + | LC_ALL=C sort -k 2 | sed "s, $here/, ,"
		find "$path" -type f -perm -100 | sed "s,^$here/,," | LC_ALL=C sort
	done | sha256sum | cut -c 1-32
}

# locked NAME: from here on, this is the only run that makes NAME in the cache.
locked() {
	mkdir -p "$cache"
	exec 9>"$cache/$1.lock"
	flock 9
}

# forget NAME KEEP: results of NAME under other keys go; they are big, and can be made again.
forget() {
	for old in "$cache/$1"-*; do
		case $old in "$2" | "$2".*) ;; *) remove "$old" ;; esac
	done
}

# accelerator IMG: what QEMU shall use here: CAISSON_ACCEL, or KVM if a kernel really starts under it (on some virtual
# machines there is a /dev/kvm under which none does), or TCG. IMG is any disk whose kernel speaks on the serial line.
# What was found out is kept until the machine boots again.
accelerator() {
	if [ -n "${CAISSON_ACCEL:-}" ]; then
		echo "$CAISSON_ACCEL"
		return
	fi
	found=$cache/accelerator-$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -e "$found" ]; then
		mkdir -p "$cache"
		rm -f "$cache"/accelerator-*
		answer=tcg
		if [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
			probe=$(mktemp)
			timeout 15 qemu-system-x86_64 -nodefaults -machine q35 -accel kvm -cpu max -m 512 -display none -monitor none \
				-drive file="$1",format=raw,if=virtio,snapshot=on -serial file:"$probe" >/dev/null 2>&1 &
			for _ in $(seq 15); do
				! grep -aq 'Linux version' "$probe" || { answer=kvm; break; }
				sleep 1
			done
			kill $! 2>/dev/null || :
			wait $! 2>/dev/null || :
			rm -f "$probe"
		fi
		echo "$answer" >"$found"
	fi
	cat "$found"
}

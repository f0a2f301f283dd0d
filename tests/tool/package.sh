#!/bin/sh
# package.sh: `caisson pack` and `caisson inspect`, good and bad. CAISSON is the program (default out/caisson).
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
CAISSON=${CAISSON:-$top/out/caisson}
case $CAISSON in /*) ;; *) CAISSON=$PWD/$CAISSON ;; esac
work=$(mktemp -d /tmp/caisson-package-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 3
failed=0

good() { echo "ok $1"; }
bad() {
	failed=1
	echo "not ok $1: $2"
}

# refused NAME CODE EXIT WORDS COMMAND...: the command fails with this code and exit code, its message has these words, what
# to do stands below it, and nothing new lies in the folder `out`.
refused() {
	name=$1 code=$2 expected=$3 words=$4
	shift 4
	ls -A out >before
	"$@" >stdout 2>stderr
	status=$?
	ls -A out >after
	if [ "$status" -ne "$expected" ]; then
		bad "$name" "exit code $status, expected $expected: $(head -n 2 stderr)"
	elif ! grep -q "^caisson: $code: .*$words" stderr; then
		bad "$name" "expected $code with \"$words\": $(head -n 2 stderr)"
	elif ! grep -q '^  do: .' stderr; then
		bad "$name" "does not say what to do"
	elif [ -s stdout ]; then
		bad "$name" "prints something on stdout: $(head -n 1 stdout)"
	elif ! cmp -s before after; then
		bad "$name" "left something behind: $(comm -13 before after)"
	else
		good "$name"
	fi
}

same() { # NAME EXPECTED FOUND
	if [ "$2" = "$3" ]; then good "$1"; else bad "$1" "expected \"$2\", found \"$3\""; fi
}

quiet() { "$@" >log 2>&1 || { cat log >&2; exit 3; }; }

# Certificates: a root, an intermediate, and signers that may and may not.
key() { quiet openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
root() {
	key "$1"
	quiet openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 3650 -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign -out "$1.pem"
}
certify() { # NAME ISSUER DAYS EXTENSION...
	name=$1 issuer=$2 days=$3
	shift 3
	printf '%s\n' "$@" >ext
	key "$name"
	quiet openssl req -new -key "$name.key" -subj "/CN=$name" -out csr
	quiet openssl x509 -req -in csr -CA "$issuer.pem" -CAkey "$issuer.key" -set_serial "0x$(openssl rand -hex 8)" -days "$days" \
		-extfile ext -out "$name.pem"
}
leaf=basicConstraints=critical,CA:FALSE
root vendor-root
root other-root
certify office vendor-root 3650 basicConstraints=critical,CA:TRUE keyUsage=critical,keyCertSign
certify release vendor-root 365 $leaf keyUsage=critical,digitalSignature extendedKeyUsage=codeSigning
certify below office 365 $leaf keyUsage=critical,digitalSignature extendedKeyUsage=codeSigning
certify web vendor-root 365 $leaf keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth
certify late vendor-root -1 $leaf keyUsage=critical,digitalSignature extendedKeyUsage=codeSigning
certify stranger other-root 365 $leaf keyUsage=critical,digitalSignature extendedKeyUsage=codeSigning

# A small release.
mkdir -p in/migrations in/checks in/notes old new/bin new/lib out
cat >in/package.ini <<'INI'
[package]
format = 1
name = wiki
application = wiki
title = Wiki 2.0
version = 2.0
from = 1.0

[migration 10-schema]
kind = sql
file = migrations/10-schema.sql

[migration 20-convert]
kind = program
file = migrations/20-convert

[check rows]
kind = sql
when = stage
file = checks/rows.sql
equals = 0

[check page]
kind = http
path = /

[roles]
admin = administrator
INI
echo 'ALTER TABLE page ADD lang text;' >in/migrations/10-schema.sql
printf '#!/bin/sh\ntrue\n' >in/migrations/20-convert
echo 'SELECT 0' >in/checks/rows.sql
echo 'What is new' >in/notes/user.en.md
echo '新内容' >in/notes/user.zh.md
echo 1.0 >old/VERSION
echo 2.0 >new/VERSION
: >new/empty
printf '#!/bin/sh\n' >new/bin/wiki
chmod 755 new/bin/wiki
ln -s ../bin/wiki new/lib/wiki
long="long name, long name, long name, long name, long name, long name"
mkdir -p "new/$long/$long"
echo deep >"new/$long/$long/$long"
ln "new/$long/$long/$long" new/again
printf 'odd\n' >"new/$(printf 'n\303\244me with blanks')"
find old new -exec touch -h -d '2022-03-04 05:06:07' {} +

pack() { # FOLDER OPTIONS...
	folder=$1
	shift
	"$CAISSON" pack "$folder" --new new --old 1.0=old --trust vendor-root.pem --output out "$@"
}
by() { echo "--key $1.key --certificate $1.pem"; }

# shellcheck disable=SC2046 # by prints several words, here and below
if pack in $(by release) >stdout 2>stderr; then good pack; else bad pack "$(cat stderr)"; fi
same pack-says 'out/wiki-2.0.cpkg: '"$(stat -c %s out/wiki-2.0.cpkg)"' bytes, signed and verified' "$(cat stdout)"
package=out/wiki-2.0.cpkg

"$CAISSON" inspect $package --trust vendor-root.pem >stdout 2>stderr
same inspect-exit 0 $?
for words in '^wiki 2.0: Wiki 2.0' 'signed by:      CN=release' 'upgrades from:  1.0' 'migration:      10-schema (sql' \
	'check:          rows (sql, in stage)' 'role:           admin -> administrator' 'holds:          yes'; do
	if grep -q "$words" stdout; then good "inspect: $words"; else bad "inspect: $words" "$(cat stdout)"; fi
done
"$CAISSON" inspect $package --trust vendor-root.pem --json >stdout 2>stderr
same inspect-json 'true 2.0 10-schema,20-convert CN=release true 8' "$(jq -r '"\(.holds) \(.version) \([.migrations[].name] | join(",")) \(.signer.subject) \(.signer.dates_hold) \(.members | length)"' stdout)"

# With public tools alone, as the format's page says.
mkdir by-hand
(cd by-hand && tar xf ../$package &&
	openssl cms -verify -binary -inform DER -in package.ini.p7s -content package.ini -CAfile ../vendor-root.pem -purpose any -out /dev/null &&
	sed -n 's/^\([^ ]*\) = \([0-9a-f]\{64\}\) [0-9]*$/\2  \1/p' package.ini | sha256sum -c --strict &&
	mkdir tree && zstd -dc payload.tar.zst | tar xf - -C tree && diff -r --no-dereference tree ../new) >log 2>&1
same by-hand 0 $?
same by-hand-listing "$(cd new && find . -printf '%m %TY-%Tm-%Td %TT %l %p\n' | sort)" "$(cd by-hand/tree && find . -printf '%m %TY-%Tm-%Td %TT %l %p\n' | sort)"
same times-and-owners '-rw-r--r-- 0/0 1970-01-01' "$(TZ=UTC tar tvf $package --numeric-owner | awk '{print $1, $2, $4}' | sort -u)"

# The same input, the same bytes: all but the signature.
mkdir again
mv $package again/first.cpkg
touch in/package.ini
# shellcheck disable=SC2046
pack in $(by release) >/dev/null 2>&1
mkdir one two
tar xf again/first.cpkg -C one
tar xf $package -C two
rm one/package.ini.p7s two/package.ini.p7s
if diff -r one two >log; then good reproducible; else bad reproducible "$(cat log)"; fi

# Signers.
# shellcheck disable=SC2046
if pack in $(by below) --chain office.pem --output out/chained.cpkg >/dev/null 2>stderr; then bad options "two --output"; else same two-outputs 1 "$(grep -c 'CSN-U001.*--output is given twice' stderr)"; fi
build() { # OUTPUT TRUST FOLDER OPTIONS...
	output=$1 trust=$2 folder=$3
	shift 3
	"$CAISSON" pack "$folder" --new new --old 1.0=old --trust "$trust" --output "$output" "$@"
}
# shellcheck disable=SC2046
if build out/chained.cpkg vendor-root.pem in $(by below) --chain office.pem >log 2>&1 &&
	"$CAISSON" inspect out/chained.cpkg --trust vendor-root.pem >log 2>&1; then good chain; else bad chain "$(cat log)"; fi
mkdir anchors
cp other-root.pem anchors/site.crt
cp vendor-root.pem anchors/vendor.pem
"$CAISSON" inspect out/chained.cpkg --trust anchors >/dev/null 2>log
same trust-folder 0 $?
# shellcheck disable=SC2046
build out/stranger.cpkg other-root.pem in $(by stranger) >log 2>&1 || bad stranger "$(cat log)"
refused wrong-signer CSN-K003 1 'CN=stranger.*does not lead to a root' "$CAISSON" inspect out/stranger.cpkg --trust vendor-root.pem
refused trust-missing CSN-K011 2 no-such.pem "$CAISSON" inspect $package --trust no-such.pem
refused trust-is-a-key CSN-K011 2 release.key "$CAISSON" inspect $package --trust release.key
# shellcheck disable=SC2046
{
	refused pack-wrong-root CSN-K010 1 'does not lead to a root' pack in $(by stranger)
	refused pack-web-certificate CSN-K010 1 'not meant for code signing' pack in $(by web)
	refused pack-expired CSN-K010 1 'is not valid today' pack in $(by late)
	refused pack-without-chain CSN-K010 1 'does not lead to a root' pack in $(by below)
	refused pack-key-in-chain CSN-K010 1 'private key' pack in $(by below) --chain below.key
}
refused pack-wrong-key CSN-K010 1 'openssl' pack in --key web.key --certificate release.pem
refused pack-no-key CSN-K010 1 'openssl' pack in --key no-such.key --certificate release.pem
quiet openssl pkey -in release.key -aes256 -passout pass:secret -out locked.key
echo secret >passphrase
refused pack-locked-key CSN-K010 1 'openssl' pack in --key locked.key --certificate release.pem --passphrase-file vendor-root.pem
if build out/locked.cpkg vendor-root.pem in --key locked.key --certificate release.pem --passphrase-file passphrase >log 2>&1; then good passphrase; else bad passphrase "$(cat log)"; fi

# Packages that are not what was signed. `poke FILE OFFSET` changes a byte of a copy.
poke() {
	cp $package broken.cpkg
	byte=$(od -An -tu1 -j "$1" -N 1 broken.cpkg | tr -d ' ')
	# shellcheck disable=SC2059 # the octal number is the format
	printf "\\$(printf %03o $((byte ^ 1)))" | dd of=broken.cpkg bs=1 seek="$1" conv=notrunc 2>/dev/null
}
content_of() { tar tRf $package | awk -v n="$1" '$3 == n { sub(":", "", $2); print ($2 + 1) * 512 }'; }
size=$(stat -c %s $package)
# shellcheck disable=SC2317 # called by refused
look() { "$CAISSON" inspect broken.cpkg --trust vendor-root.pem; }
poke $(($(content_of package.ini) + 40)); refused changed-index CSN-K003 1 'changed after signing' look
poke $(($(content_of package.ini.p7s) + 200)); refused changed-signature CSN-K003 1 broken.cpkg look
poke "$(content_of migrations/10-schema.sql)"; refused changed-migration CSN-K004 1 'migrations/10-schema.sql' look
poke $(($(content_of payload.tar.zst) + 50)); refused changed-payload CSN-K004 1 'payload.tar.zst' look
poke $((size - 1)); refused changed-end CSN-K004 1 broken.cpkg look
poke 100; refused changed-header CSN-K001 1 broken.cpkg look
for length in 0 1 511 512 1000 2048 4096 $((size / 2)) $((size - 1)); do
	head -c "$length" $package >broken.cpkg
	refused "truncated-$length" CSN-K001 1 broken.cpkg look
done
{ cat $package; echo; } >broken.cpkg
refused trailing CSN-K001 1 'longer than it should be' look
tar cf broken.cpkg --format=ustar -C two .
refused another-tar CSN-K001 1 'not an offline package' look
# Ours in everything but the signature.
{ head -c $(($(content_of package.ini.p7s) - 512)) $package; tail -c +$(($(content_of package.ini.p7s) + 1025)) $package; } >broken.cpkg
refused unsigned CSN-K002 1 'no signature' look
refused not-there CSN-S005 2 no-such.cpkg "$CAISSON" inspect no-such.cpkg --trust vendor-root.pem
head -c 1000 $package >broken.cpkg
"$CAISSON" inspect broken.cpkg --trust vendor-root.pem --json >stdout 2>stderr
same json-of-bad '1 {"holds":false,"code":"CSN-K001"' "$? $(cut -d , -f 1-2 stdout)"

# What `pack` refuses in its input. A fresh copy of the folder for each.
fresh() {
	rm -rf bad
	cp -R in bad
}
try() { # NAME CODE EXIT WORDS
	# shellcheck disable=SC2046
	refused "$1" "$2" "$3" "$4" pack bad $(by release)
}
rm $package
fresh; echo x >bad/README; try input-extra CSN-K009 2 'bad/README'
fresh; echo x >bad/migrations/10-schema.sql~; try input-backup-file CSN-K009 2 '10-schema.sql~'
fresh; mkdir bad/more; try input-extra-folder CSN-K009 2 'bad/more'
fresh; ln -s /etc/passwd bad/notes/x; try input-link CSN-K009 2 'bad/notes/x'
fresh; echo x >bad/payload.tar.zst; try input-generated CSN-K009 2 'payload.tar.zst'
fresh; echo x >bad/checks/other.sql; try input-unnamed CSN-K009 2 'checks/other.sql, which no migration or check names'
fresh; rm bad/migrations/20-convert; try input-missing CSN-K009 2 'lacks the file migrations/20-convert'
fresh; printf "SELECT 1;\nSELECT 'a;\n" >bad/migrations/10-schema.sql; try sql-unclosed CSN-K009 2 'migrations/10-schema.sql, line 2: a quote that is never closed'
fresh; printf -- '--\n\\q\n' >bad/migrations/10-schema.sql; try sql-of-psql CSN-K009 2 'bad/migrations/10-schema.sql, line 2: a command of psql'
fresh; printf 'SELECT 1;\nVACUUM;' >bad/migrations/10-schema.sql; try sql-transaction CSN-K009 2 'bad/migrations/10-schema.sql, line 2: it cannot run in a transaction'
flyway() { # NAME WORDS KEYS [CODE]
	fresh
	echo "$3" >>bad/package.ini
	# shellcheck disable=SC2046
	refused "$1" "${4-CSN-K009}" 2 "$2" pack bad --flyway flyway $(by release)
}
mkdir flyway
flyway flyway-empty 'flyway: there is no script' "$(printf '[flyway]\nbefore = 1')"
echo 'SELECT 1;' >flyway/V2__Two.sql
flyway flyway-no-section '\[flyway\] has no "before"' ''
flyway flyway-before-is-above 'before.*"2.1", and the highest script is for 2 only' "$(printf '[flyway]\nbefore = 1, 2.1')"
flyway flyway-before-is-none '"before" in \[flyway\] has "1b"' "$(printf '[flyway]\nbefore = 1b')"
flyway flyway-and-schema 'pack itself writes \[schema\]' "$(printf '[schema]\nquery = SELECT 1\nbefore = 1\nafter = 2\n[flyway]\nbefore = 1')"
flyway flyway-table '"table" in \[flyway\] is "a.b"' "$(printf '[flyway]\nbefore = 1\ntable = a.b')"
flyway flyway-twice '\[migration 50-0001\]' "$(printf '[flyway]\nbefore = 1\n[migration 50-0001]\nkind = program\ncommand = x')" CSN-J004
fresh; printf '[flyway]\nbefore = 1\n' >>bad/package.ini; try flyway-no-folder CSN-K009 2 'has \[flyway\], but no --flyway'
fresh; rm bad/notes/user.zh.md; try input-language CSN-K009 2 'notes/user.zh.md'
printf '[profile]\nname = wiki\ntitle = W\n[program]\nroot = /srv/wiki\nversion-file = VERSION\nversion-pattern = (.*)\n[database]\nengine = none\n[health]\nurl = http://localhost/\n' >profile
fresh; echo garbage >bad/application.profile; try profile-garbage CSN-J002 2 'bad/application.profile'
fresh; sed 's/root/roots/' profile >bad/application.profile; try profile-mistyped-key CSN-J003 2 'bad/application.profile.*roots'
fresh; sed 's/name = wiki/name = other/' profile >bad/application.profile; try profile-other CSN-K009 2 'bad/application.profile is the profile of other'
fresh; cp profile bad/application.profile; echo 2.1 >new/VERSION
try new-tree-of-another-version CSN-K009 2 'is 2.1 by its VERSION, and \[package\] version is 2.0'; echo 2.0 >new/VERSION
touch -d '2022-03-04 05:06:07' new/VERSION
mkdir hollow
# shellcheck disable=SC2046
refused new-tree-empty CSN-K009 2 'hollow is empty' "$CAISSON" pack in --new hollow --old 1.0=old $(by release) --trust vendor-root.pem --output out
fresh; rm bad/package.ini; try input-no-index CSN-K009 2 'bad/package.ini'
fresh; sed -i s/title/tilte/ bad/package.ini; try input-mistyped-key CSN-J003 2 'tilte'
fresh; sed -i 's/^name.*/&\n&/' bad/package.ini; try input-key-twice CSN-J004 2 '"name"'
fresh; sed -i /^version/d bad/package.ini; try input-key-missing CSN-J006 2 '"version"'
fresh; printf '[members]\nx = y\n' >>bad/package.ini; try input-members CSN-K009 2 '\[members\]'
fresh; sed -i 's/^from.*/from = 1.0, 1.1.*/' bad/package.ini; try input-no-old-tree CSN-K009 2 'from has 1.1.\*, but no --old'
fresh; sed -i 's/^from.*/from = 1.1/' bad/package.ini; try input-other-old-tree CSN-K009 2 'from has 1.1'
rm -rf bad
try input-no-folder CSN-K009 2 bad
# shellcheck disable=SC2046
{
	set -- $(by release) --trust vendor-root.pem --output out
	refused old-twice CSN-U001 2 'twice for 1.0' "$CAISSON" pack in --new new --old 1.0=old --old 1.0=old "$@"
	refused old-not-a-version CSN-U001 2 'not a version' "$CAISSON" pack in --new new --old 1.0=old --old 1/0=old "$@"
	refused old-without-path CSN-U001 2 'is not VERSION=FOLDER' "$CAISSON" pack in --new new --old 1.0= "$@"
	refused old-missing CSN-K009 2 'no-such' "$CAISSON" pack in --new new --old 1.0=no-such "$@"
	refused new-missing CSN-K009 2 'no-such' "$CAISSON" pack in --new no-such --old 1.0=old "$@"
	refused old-no-manifest CSN-F004 1 'in/package.ini' "$CAISSON" pack in --new new --old 1.0=in/package.ini "$@"
	refused output-nowhere CSN-S005 2 'nodir/x' "$CAISSON" pack in --new new --old 1.0=old --trust vendor-root.pem --output nodir/x.cpkg \
		--key release.key --certificate release.pem
	refused no-key-option CSN-U001 2 -- "$CAISSON" pack in --new new --old 1.0=old --trust vendor-root.pem --output out
}

# A manifest in place of the old tree gives the same package.
printf '#mtree\n. type=dir mode=%s\n./VERSION type=file mode=%s size=4 sha256digest=%s\n' "$(stat -c %04a old)" \
	"$(stat -c %04a old/VERSION)" "$(sha256sum old/VERSION | cut -d ' ' -f 1)" >old.mtree
# shellcheck disable=SC2046
if "$CAISSON" pack in --new new --old 1.0=old.mtree $(by release) --trust vendor-root.pem --output out/manifest.cpkg >log 2>&1; then
	tar xOf out/manifest.cpkg manifests/old-1.0.mtree.zst | cmp -s - one/manifests/old-1.0.mtree.zst
	same old-manifest 0 $?
else
	bad old-manifest "$(cat log)"
fi
sed 's/ sha256digest=.*//' old.mtree >undigested.mtree
# shellcheck disable=SC2046
refused old-manifest-without-digest CSN-K009 2 'undigested.mtree: "VERSION" has no size or no SHA-256' \
	"$CAISSON" pack in --new new --old 1.0=undigested.mtree $(by release) --trust vendor-root.pem --output out/undigested.cpkg

# Trees that no server may get.
evil() { # NAME WORDS
	# shellcheck disable=SC2046
	refused "$1" CSN-K007 1 "$2" pack in $(by release)
}
ln -s /etc new/out; evil tree-absolute-link '"out" leads out of the tree: /etc'; rm new/out
ln -s ../../x new/lib/out; evil tree-climbing-link '"lib/out" leads out of the tree'; rm new/lib/out
mkfifo new/pipe; evil tree-pipe '"pipe" is a'; rm new/pipe
if [ "$(id -u)" -eq 0 ]; then
	mknod new/null c 1 3; evil tree-device '"null" is a'; rm new/null
	touch new/raw
	setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 new/raw
	evil tree-capability '"raw" has the attribute security.capability'
	setfattr -x security.capability new/raw
	setfacl -m u:1234:r new/raw
	evil tree-acl '"raw" has the attribute system.posix_acl_access'
	rm new/raw
fi
chmod 4755 new/bin/wiki
# shellcheck disable=SC2046
if build out/setuid.cpkg vendor-root.pem in $(by release) >log 2>&1; then good tree-setuid-of-the-vendor; else bad tree-setuid-of-the-vendor "$(cat log)"; fi
chmod 0755 new/bin/wiki

# A disk that is full, and an output that is there: it stays as it was.
if [ "$(id -u)" -eq 0 ]; then
	head -c 3000000 /dev/urandom >new/large
	echo before >out/there.cpkg
	mkdir small
	# shellcheck disable=SC2016 # the inner shell's own
	unshare --mount sh -c 'mount -t tmpfs -o size=1m none small && echo before >small/there.cpkg && shift 0 &&
		"$@" --output small/there.cpkg 2>stderr; echo $? >status; ls -A small >listing; cat small/there.cpkg >content' sh \
		"$CAISSON" pack in --new new --old 1.0=old --trust vendor-root.pem --key release.key --certificate release.pem >/dev/null
	same full-disk '3 CSN-S004 there.cpkg before' "$(cat status) $(sed -n 's/^caisson: \([^:]*\):.*/\1/p' stderr) $(cat listing) $(cat content)"
	rm new/large
fi
exit $failed

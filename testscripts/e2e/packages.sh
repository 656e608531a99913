# The release: built from a tag without a network, checked with the tools of the distributions,
# installed, upgraded and removed in clean systems; and a new user's steps from the package to a
# copied file.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each COMMAND is expanded by another shell
# shellcheck disable=SC2154  # pki, the issuers and the server come from the other parts

p=$W/packages
machine=$(dpkg --print-architecture)
person=$here/packages/person.py
mkdir "$p"
# built COMMAND... runs a command with a separate home, and without the settings of the other
# parts.
built() {
	env -u TOKEN_HELPER_ISSUER -u TOKEN_HELPER_CAFILE -u TOKEN_HELPER_KEYRING GOFLAGS= GOPROXY=off HOME="$p" "$@"
}
export p person machine
export -f built

# checkout NAME VERSION creates a checkout of the current commit with a tag.
commit=$(git -c safe.directory='*' -C "$root" rev-parse HEAD)
checkout() {
	git -c safe.directory='*' clone -q --no-tags "$root" "$p/$1"
	git -C "$p/$1" checkout -q "$commit"
	git -C "$p/$1" tag "v$2"
}
slow() { timeout -k 5 1500 nice "$@"; }

checkout one 1.0.0
got=0
slow bash -c 'cd "$p/one" && built make release VERSION=1.0.0 RELEASE_URL=https://example.org/releases/1.0.0' >"$p/one.log" 2>&1 || got=$?
result "a release is built from a tag, without a network" "$got"
[ "$got" = 0 ] || die "$(tail -n 5 "$p/one.log")"
dist=$p/one/dist
export dist
expect "the checksums are those of the files" 0 'token-helpers_1.0.0-1_amd64.deb: OK' bash -c 'cd "$dist" && sha256sum --check --strict SHA256SUMS'
expect "all files have checksums" 0 '^33$' bash -c 'cd "$dist" && find . -maxdepth 1 -type f ! -name SHA256SUMS | wc -l'
expect "a release requires its tag" 2 'there is no tag v2.0.0' bash -c 'cd "$p/one" && built make release VERSION=2.0.0'

checkout two 1.0.0
got=0
slow bash -c 'cd "$p/two" && umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 built make release VERSION=1.0.0 RELEASE_URL=https://example.org/releases/1.0.0' >"$p/two.log" 2>&1 || got=$?
result "it is built again in another directory, with another umask and time zone" "$got"
expect "both builds have the same checksums" 0 '' diff "$dist/SHA256SUMS" "$p/two/dist/SHA256SUMS"
rm -rf "$p/two"

# The next version, with another configuration for the host, and signed.
mkdir -m 700 "$p/gnupg"
GNUPGHOME=$p/gnupg gpg --batch --quiet --pinentry-mode loopback --passphrase 'only a test' --quick-generate-key 'Release <release@example.org>' rsa2048 sign 1d 2>"$p/gpg.log"
GNUPGHOME=$p/gnupg gpg --batch --quiet --pinentry-mode loopback --passphrase 'only a test' --armor --export-secret-keys >"$p/key.asc"
GNUPGHOME=$p/gnupg gpg --batch --armor --export >"$p/public.asc"
checkout next 1.1.0
echo '# A line of 1.1.0.' >>"$p/next/packaging/config.toml"
got=0
NFPM_PASSPHRASE='only a test' slow bash -c 'cd "$p/next" && built make packages VERSION=1.1.0 ARCH=$machine SIGNING_KEY="$p/key.asc" &&
	built go run ./packaging/release -version 1.1.0 -key "$p/key.asc" checksums' >"$p/next.log" 2>&1 || got=$?
result "the next version is built and signed" "$got"
[ "$got" = 0 ] || die "$(tail -n 5 "$p/next.log")"
expect "the checksums are signed" 0 'Good signature' env GNUPGHOME="$p/gnupg" gpg --verify "$p/next/dist/SHA256SUMS.asc" "$p/next/dist/SHA256SUMS"

deb=$dist/token-helpers_1.0.0-1_$machine.deb
rpm=$dist/token-helpers-1.0.0-1.$(uname -m).rpm
nextdeb=$p/next/dist/token-helpers_1.1.0-1_$machine.deb
nextrpm=$p/next/dist/token-helpers-1.1.0-1.$(uname -m).rpm
export deb rpm nextdeb nextrpm

# origin checks the signature of a .deb (debsign's format: all members before the signature).
origin() {
	(cd "$p" && rm -rf ar && mkdir ar && cd ar && ar x "$nextdeb" &&
		cat debian-binary control.tar.* data.tar.* >signed && GNUPGHOME=$p/gnupg gpg --verify _gpgorigin signed)
}
export -f origin
expect "the .deb is signed" 0 'Good signature' origin
mkdir "$p/rpmdb"
expect "rpm imports the key" 0 '' rpmkeys --dbpath "$p/rpmdb" --import "$p/public.asc"
expect "the .rpm is signed" 0 'digests signatures OK' rpmkeys --dbpath "$p/rpmdb" --checksig "$nextrpm"

expect "lintian finds no problem in the .deb" 0 '' lintian --fail-on error,warning,info --allow-root "$dist"/*.deb
# rpmlint unpacks the package with cpio, which keeps the absolute names that nfpm writes: it
# gets a /usr and an /etc that nobody else sees.
mkdir "$p/rpmlint"
linted() {
	unshare --mount --propagation private bash -ec 'mount -t tmpfs tmpfs "$1"
		for d in usr etc; do
			mkdir -p "$1/$d/upper" "$1/$d/work"
			mount -t overlay -o "lowerdir=/$d,upperdir=$1/$d/upper,workdir=$1/$d/work" overlay "/$d"
		done
		rpmlint "${@:2}"' bash "$p/rpmlint" "$@"
}
export -f linted
expect "rpmlint finds no problem in the .rpm" 0 '0 errors, 0 warnings' linted -c "$root/packaging/rpmlint.toml" "$dist"/*.rpm
for page in "$p"/one/dist/build/pages/man/man*/*; do
	expect "mandoc finds no problem in ${page##*/}" 0 '' mandoc -T lint -W warning "$page"
done

# Archives.
mkdir "$p/unpacked" "$p/zip"
tar -xzf "$dist/token-helpers-1.0.0-linux-$machine.tar.gz" -C "$p/unpacked"
for program in condor-token-helper xrd-token-helper jwt-inspect; do
	expect "$program of the archive prints its version" 0 "^$program 1.0.0\$" "$p/unpacked/token-helpers-1.0.0-linux-$machine/bin/$program" --version
done
# The version in requests and in reports.
cat >"$p/agent.py" <<'PY'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[1], "a") as f:
            print(self.headers["User-Agent"], file=f)
        self.send_error(404)
http.server.HTTPServer(("127.0.0.1", 18460), Handler).serve_forever()
PY
python3 "$p/agent.py" "$p/agents" 2>/dev/null &
agent=$!
await "the server that records the user agent" curl -s http://127.0.0.1:18460/
: >"$p/agents"
expect "an issuer without discovery" ! '404' env TOKEN_HELPER_ISSUER=http://127.0.0.1:18460 "$p/unpacked/token-helpers-1.0.0-linux-$machine/bin/xrd-token-helper" login
expect "gets the version in the user agent" 0 '^xrd-token-helper/1.0.0$' cat "$p/agents"
kill $agent
expect "a report shows the version" 0 'jwt-inspect 1.0.0' "$p/unpacked/token-helpers-1.0.0-linux-$machine/bin/jwt-inspect" -o json "$W/tokens/xrd-read"
expect "the archive for Windows" 0 '' unzip -q "$dist/token-helpers-1.0.0-windows-amd64.zip" -d "$p/zip"
expect "contains programs for Windows" 0 'MZ' head -c 2 "$p/zip/token-helpers-1.0.0-windows-amd64/condor-token-helper.exe"
expect "the archive for macOS contains no units of systemd" 0 '^0$' bash -c 'tar -tzf "$dist/token-helpers-1.0.0-darwin-arm64.tar.gz" | grep -c systemd || true'
# sums FILE checks that each checksum in a description is that of an archive.
sums() {
	local n=0 sum
	while read -r sum; do
		grep -q "^$sum .*\.\(tar\.gz\|zip\)$" "$dist/SHA256SUMS" || return 1
		n=$((n + 1))
	done < <(grep -oE '\b[0-9a-f]{64}\b' "$1")
	echo "$n checksums"
}
export -f sums
expect "the formula has the checksums of four archives" 0 '^4 checksums' sums "$dist/token-helpers.rb"
expect "krew's manifest has those of six" 0 '^6 checksums' sums "$dist/condor-token.yaml"
cat >"$p/bom.py" <<'PY'
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[1:]:
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(path).read())
    if error:
        sys.exit(f"{path}: {error}")
print(len(sys.argv) - 1, "documents are valid")
PY
expect "the bills of materials follow the schema of CycloneDX" 0 '^6 documents are valid' env PYTHONPATH="$(echo "$E2E_CACHE"/cyclonedx-*)" python3 "$p/bom.py" "$dist"/*.cdx.json
# named compares the modules of a bill of materials with those in the programs.
named() {
	diff <(jq -r '.components[] | select(.name != "std") | .name' "$dist/token-helpers-1.0.0-linux-$machine.cdx.json" | sort) \
		<(for f in "$p/unpacked"/*/bin/{condor-token-helper,xrd-token-helper,jwt-inspect}; do go version -m "$f"; done | awk '$1 == "dep" { print $2 }' | sort -u)
}
export -f named
expect "they name the linked modules" 0 '' named

# make install and uninstall.
expect "make install" 0 '' bash -c 'cd "$p/one" && built make install PREFIX=/opt/helpers DESTDIR="$p/destdir"'
expect "installs the programs and their pages" 0 '^4$' bash -c 'cd "$p/destdir/opt/helpers" && ls bin/jwt-inspect share/man/man1/jwt-inspect.1.gz share/bash-completion/completions/jwt-inspect share/doc/token-helpers/config.toml | wc -l'
expect "the units run the installed program" 0 '^ExecStart=/opt/helpers/bin/condor-token-helper ' cat "$p/destdir/opt/helpers/lib/systemd/system/condor-token-helper@.service"
expect "make install without a prefix" 0 '' bash -c 'cd "$p/one" && built env -u PREFIX make install DESTDIR="$p/local"'
expect "installs below /usr/local, with the configuration in /etc" 0 '^3$' bash -c 'cd "$p/local" && ls usr/local/bin/jwt-inspect etc/token-helpers/config.toml usr/local/share/man/man1/jwt-inspect.1.gz | wc -l'
expect "make uninstall" 0 '' bash -c 'cd "$p/one" && built make uninstall PREFIX=/opt/helpers DESTDIR="$p/destdir"'
expect "leaves no file behind" 0 '^0$' bash -c 'find "$p/destdir" ! -type d | wc -l'

# machine NAME [TREE] creates a clean system, with the programs of a tree in the cache.
machine() {
	local c=$p/$1 clean=$E2E_CACHE/clean-bookworm-1 tree=${2:+$E2E_CACHE/$2}
	mkdir "$c" "$c.upper" "$c.work"
	mount -t overlay -o "lowerdir=$clean${tree:+:$tree},upperdir=$c.upper,workdir=$c.work" overlay "$c" 2>/dev/null ||
		cp -a ${tree:+"$tree/."} "$clean/." "$c/"
	mount -t proc proc "$c/proc"
	mount --bind /dev "$c/dev"
	mount --bind /dev/pts "$c/dev/pts"
	# Records the calls that a running systemd would get.
	cat >"$c/usr/bin/systemctl" <<-'SH'
		#!/bin/sh
		echo "systemctl $*" >>/var/log/systemctl
	SH
	chmod 755 "$c/usr/bin/systemctl"
	echo '127.0.0.1 localhost' >"$c/etc/hosts"
	mkdir -p "$c/run/systemd/system" "$c/var/lib/private"
	: >"$c/var/log/systemctl"
}
# on NAME COMMAND... runs a command in it.
on() {
	local c=$p/$1
	shift
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=xterm \
		DEBIAN_FRONTEND=noninteractive chroot "$c" "$@"
}
# files NAME lists its files, except the data of package managers.
files() {
	(cd "$p/$1" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/log -o -path ./var/lib/rpm -o -path ./var/lib/dnf -o -path ./etc/dnf -o -path ./root -o -path ./usr/lib/sysimage \) -prune -o -print | sort)
}
# systemctl_calls NAME prints the calls of systemctl since the last time.
systemctl_calls() {
	cat "$p/$1/var/log/systemctl"
	: >"$p/$1/var/log/systemctl"
}
# types NAME SHELL-COMMAND TEXT WANT types a text in an interactive shell of the system, and
# waits for WANT.
types() {
	local c=$1 text=$3 want=$4
	shift
	PATIENCE=30 python3 "$person" "me[$>] ->$text" "$want->exit\n" -- \
		env -i PATH=/usr/bin:/bin HOME=/home/me LANG=C.UTF-8 TERM=xterm "$(command -v chroot)" --userspec=me:me "$p/$c" bash -c "cd; exec $1"
}
export -f on files systemctl_calls types

machine debian
expect "apt installs the .deb in a clean system" 0 'Setting up token-helpers' bash -c 'files debian >"$p/before" && cp "$deb" "$nextdeb" "$p/debian/tmp/" && on debian apt-get install -y "/tmp/${deb##*/}"'
expect "systemd reloads the units" 0 '^systemctl --system daemon-reload$' systemctl_calls debian
for program in condor-token-helper xrd-token-helper jwt-inspect; do
	expect "$program runs there" 0 "^$program 1.0.0\$" on debian "$program" --version
	expect "man opens its page" 0 "$program" on debian man -P cat "$program"
done
for page in "7 token-helpers" "5 token-helpers.toml" "1 kubectl-condor_token"; do
	# shellcheck disable=SC2086  # section and name
	expect "man opens $page" 0 'token' on debian man -P cat $page
done
expect "man shows no warnings" 0 '^$' bash -c 'on debian man --warnings -P cat condor-token-helper 2>&1 >/dev/null'
expect "kubectl's name of the helper" 0 'kubectl condor-token' on debian kubectl-condor_token --help
expect "the licences of all modules are installed" 0 'golang-jwt' on debian cat /usr/share/doc/token-helpers/copyright
printf 'autoload -Uz compinit && compinit -u\nPROMPT="me> "\n' >"$p/debian/home/me/.zshrc"
printf '. /usr/share/bash-completion/bash_completion\nPS1="me$ "\n' >"$p/debian/home/me/.bashrc"
mkdir -p "$p/debian/home/me/.config/fish"
printf 'function fish_prompt; echo "me> "; end\nfunction fish_greeting; end\n' >"$p/debian/home/me/.config/fish/config.fish"
on debian chown -R me:me /home/me
for shell in "bash -i" "zsh -i" "fish -i"; do
	expect "completion of a command in ${shell% -i}" 0 'no logins' types debian "$shell" 'condor-token-helper stat\t\n' 'no logins'
done
expect "apt upgrades it and keeps an edited configuration" 0 'Setting up token-helpers \(1.1.0-1\)' bash -c 'echo "# edited" >>"$p/debian/etc/token-helpers/config.toml" && systemctl_calls debian >/dev/null &&
	on debian apt-get install -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "/tmp/${nextdeb##*/}"'
expect "the new version runs" 0 '^jwt-inspect 1.1.0$' on debian jwt-inspect --version
expect "the edited configuration is there" 0 '^# edited$' cat "$p/debian/etc/token-helpers/config.toml"
expect "and the new one is next to it" 0 '^# A line of 1.1.0.$' cat "$p/debian/etc/token-helpers/config.toml.dpkg-dist"
expect "running units are restarted" 0 '^systemctl try-restart condor-token-helper@\*.service$' systemctl_calls debian
expect "apt removes it" 0 'Removing token-helpers' on debian apt-get remove -y token-helpers
expect "and the units stop" 0 '^systemctl stop condor-token-helper@\*.service$' systemctl_calls debian
expect "the configuration stays" 0 '^# edited$' cat "$p/debian/etc/token-helpers/config.toml"
# used DIR creates what systemd creates for a unit that was enabled and has run: for
# StateDirectory= and CacheDirectory=, the private directory and a link to it.
used() {
	local base
	for base in lib cache; do
		mkdir -p "$1/var/$base/private/condor-token-helper/jobs" "$1/var/$base/condor-token-helper"
		ln -s ../private/condor-token-helper/jobs "$1/var/$base/condor-token-helper/jobs"
	done
	mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
	ln -s /lib/systemd/system/condor-token-helper@.service "$1/etc/systemd/system/multi-user.target.wants/condor-token-helper@jobs.service"
}
used "$p/debian"
expect "apt purges it" 0 'Purging configuration files for token-helpers' on debian apt-get purge -y token-helpers
# Files that the user's shells wrote stay.
expect "nothing is left behind" 1 '^$' bash -c 'diff "$p/before" <(files debian) | grep "^[<>]" | grep -vE " ./home/me| ./etc/systemd/system(/multi-user.target.wants)?$"'
expect "nor in the cache" 0 '^$' find "$p/debian/var/cache" -path '*/man' -prune -o -name 'condor-token-*' -print

# The .rpm, in a system whose /bin/sh belongs to a package, as dnf requires.
cat >"$p/sh.yaml" <<CONF
name: sh
arch: all
version: 1.0.0
maintainer: tests <tests@example.org>
description: shell of the clean system
provides: [/bin/sh]
contents: [{dst: /opt/sh, type: dir}]
CONF
machine redhat
# Directories in the package filesystem of these distributions.
mkdir -p "$p"/redhat/usr/share/{zsh/site-functions,fish/vendor_completions.d,bash-completion/completions,licenses,man/man{1,5,7}} "$p/redhat/usr/lib/systemd/user"
files redhat >"$p/before"
expect "a package for /bin/sh" 0 '' bash -c 'cd "$p/one" && built go tool -modfile=packaging/tools.mod nfpm package -f "$p/sh.yaml" -p rpm -t "$p"'
redhat() {
	dnf --quiet --assumeyes --installroot "$p/redhat" --disablerepo='*' --setopt=cachedir="$p/dnf" --setopt=reposdir=/nonexistent --setopt=tsflags= --setopt=logdir=/var/log --releasever=1 --nogpgcheck "$@"
}
export -f redhat
expect "dnf installs the .rpm" 0 '' bash -c 'redhat install "$p"/sh-*.rpm "$rpm"'
expect "it is installed" 0 '^token-helpers-1.0.0-1' rpm --root "$p/redhat" -q token-helpers
expect "its files, modes and owners are those of the package" 0 '^$' rpm --root "$p/redhat" -V token-helpers
expect "systemd reloads the units" 0 '^systemctl --system daemon-reload$' systemctl_calls redhat
# modes FILE lists the files of a package with an unusual mode or owner.
modes() {
	rpm -qp --qf '[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]' "$1" |
		grep -vE '^(-rwxr-xr-x root root (/usr/bin/|/usr/share/doc/token-helpers/docs/examples/)|-rw-r--r-- root root /(usr|etc)/|drwxr-xr-x root root |l.{9} root root /usr/(bin|share/man)/)'
}
export -f modes
expect "no file has an unusual mode or owner" 1 '^$' modes "$rpm"
expect "the configuration is marked as such" 0 '^/etc/token-helpers/config.toml$' rpm -qp --configfiles "$rpm"
expect "the programs run there" 0 '^condor-token-helper 1.0.0$' on redhat condor-token-helper --version
expect "dnf upgrades it" 0 '' bash -c 'echo "# edited" >>"$p/redhat/etc/token-helpers/config.toml" && redhat install "$nextrpm"'
expect "the new version runs" 0 '^jwt-inspect 1.1.0$' on redhat jwt-inspect --version
expect "the edited configuration is there" 0 '^# edited$' cat "$p/redhat/etc/token-helpers/config.toml"
expect "running units are restarted" 0 '^systemctl try-restart condor-token-helper@\*.service$' systemctl_calls redhat
expect "dnf removes it" 0 '' redhat remove token-helpers
expect "and the units stop" 0 '^systemctl stop condor-token-helper@\*.service$' cat "$p/redhat/var/log/systemctl"
expect "and are disabled" 0 '^systemctl --no-reload disable condor-token-helper@.service$' systemctl_calls redhat
# /etc/token-helpers stays with it, and /opt belongs to the package for /bin/sh.
expect "only the edited configuration is left" 0 '^> ./etc/token-helpers/config.toml.rpmsave$' bash -c 'diff "$p/before" <(files redhat) | grep "^[<>]"'
expect "and nothing else" 1 '^$' bash -c 'diff "$p/before" <(files redhat) | grep "^[<>]" | grep -vE " ./(etc/token-helpers|opt)(/|$)"'

# The steps of a new user. A step is a command that the user types; person.py counts the prompts.
commands=0
prompts=0
step() {
	local name=$1 got=0
	shift
	commands=$((commands + 1))
	: >"$p/prompts"
	PROMPTS=$p/prompts timeout 120 python3 "$person" 'nter the code=>' 'assphrase.*: $=>correct horse\n' \
		'Issuer.*: $=>'"$wlcg"'\n' 'cope.*: $=>openid offline_access wlcg read:/ write:/\n' 'assword.*: $=>pw\n' -- "$@" >"$p/step.log" 2>&1 || got=$?
	prompts=$((prompts + $(<"$p/prompts")))
	result "$name" "$got"
	# Without the QR code.
	tr '\r' '\n' <"$p/step.log" | sed -e '/48;5/d' -e '/^$/d' -e 's/^/     | /' | cut -c -160
}
copied() { expect "the file arrived" 0 'read me' cat "$x/data/store/$1"; }

machine newcomer
me() {
	chroot --userspec=me:me "$p/newcomer" env -i PATH=/usr/bin:/bin HOME=/home/me LANG=C.UTF-8 TERM=xterm TOKEN_HELPER_ISSUER="$wlcg" TOKEN_HELPER_CAFILE=/home/me/ca.pem X509_CERT_DIR=/home/me/certificates sh -c 'cd && "$@"' me "$@"
}
export wlcg
export -f me
cp "$deb" "$p/newcomer/tmp/"
cp "$pki/ca.pem" "$x/in.txt" "$p/newcomer/home/me/"
cp -r "$x/certificates" "$p/newcomer/home/me/"
on newcomer chown -R me:me /home/me
start=$SECONDS
step "a new user installs the package" bash -c 'on newcomer apt-get install "/tmp/${deb##*/}"'
step "the new user copies a file with a first token" bash -c 'me xrd-token-helper --server root://localhost:11094 --write -- xrdcp -N in.txt root://localhost:11094//store/newcomer.txt'
echo "     the new user needed $((SECONDS - start)) s"
copied newcomer.txt
new="| token helpers | $commands | $prompts |"

# The same with oidc-agent, according to its documentation. The package is already installed on
# this machine; the user would type that command, too.
commands=1
prompts=0
o=$p/old
mkdir -m 700 "$o" "$o/.oidc-agent"
# The terminal of this step is closed at its end. This must not stop the agent, because a user's
# terminal stays open.
step "the user starts oidc-agent" bash -c "trap '' HUP; HOME=$o oidc-agent --quiet --socket-path=$o/sock >$o/env"
step "creates an account" bash -c ". $o/env >/dev/null; HOME=$o oidc-gen -w device --cp $pki/ca.pem new"
step "gets a token" bash -c ". $o/env >/dev/null; umask 077; HOME=$o oidc-token --aud=https://localhost:11094 -s read:/ -s write:/ new >$o/token"
step "copies a file" bash -c ". $o/env >/dev/null; BEARER_TOKEN_FILE=$o/token xrdcp -N $x/in.txt root://localhost:11094//store/old.txt"
copied old.txt
bash -c ". $o/env >/dev/null; kill \$OIDCD_PID" || true
old="| oidc-agent | $commands | $prompts |"

# README shows these numbers. E2E_UPDATE=1 writes them.
table=$(printf '%s\n' "| from nothing to a copied file | commands | prompts |" "|---|---|---|" "$old" "$new")
between() { sed -n '/^<!-- newcomer:/,/^<!-- end of newcomer/{//!p}' "$root/README.md" | sed '/^$/d'; }
if [ -n "${E2E_UPDATE:-}" ]; then
	awk -v table="$table" '/^<!-- end of newcomer/ { print "\n" table "\n"; inside = 0 } !inside { print } /^<!-- newcomer:/ { inside = 1 }' "$root/README.md" >"$p/README.md"
	cat "$p/README.md" >"$root/README.md"
fi
[ "$(between)" = "$table" ]
result "README shows these numbers" $?
echo "$table"

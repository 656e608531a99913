# Another user of the host plants files, links, pipes, sockets and directories where
# the helpers of a user, or of root, read, write or connect. Nothing planted may be used,
# followed or overwritten, nothing may hang, and no file of the user may become readable for
# the other user.
# shellcheck shell=bash
# shellcheck disable=SC2016  # sh -c expands what is in single quotes
# shellcheck disable=SC2154  # here and control come from run and lib.sh

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

o=$W/otheruser
mkdir -m 755 "$o"
start_issuer otheruser 18462
install -m 755 "$here/otheruser/plant.py" "$o/plant.py"
victim=42021 attacker=42022
limit=20 # seconds that a command may take
grep -H . /proc/sys/fs/protected_{symlinks,hardlinks,fifos,regular} | sed 's/^/     | /'

# A separate /tmp, so that names there cannot clash with existing ones. The work directory keeps
# its path, which may be deeper below /tmp.
above=${W#/tmp/}
above=/tmp/${above%%/*}
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/work
mount --bind "$W" /mnt/work
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p "$W"
mount --bind /mnt/work "$W"

# gnome-keyring and D-Bus look up the names of users.
sed '$a victim:x:42021:42021::/:/bin/sh\nattacker:x:42022:42022::/:/bin/sh' /etc/passwd >"$o/passwd"
mount --bind "$o/passwd" /etc/passwd

# The homes. den is the directory of the other user; open is one that all users may write to. It
# has no sticky bit, so that the kernel's protections do not apply there.
den=$o/den open=$o/open
mkdir -m 755 "$o/users" "$o/snapshot"
home=$o/users/victim run=$o/users/victim.run
roothome=$o/users/root rootrun=$o/users/root.run
mkdir -m 700 "$home" "$run" "$roothome" "$rootrun" "$o/users/attacker"
chown $victim:$victim "$home" "$run"
chown $attacker:$attacker "$o/users/attacker"

# as UID HOME RUN [VARIABLE=VALUE...] COMMAND... runs a command as a user, without a
# terminal and with a time limit. v, a and r run one as the victim, the attacker and root.
as() {
	local uid=$1 dir=$2 runtime=$3
	shift 3
	setsid --wait timeout -k 2 "$limit" setpriv --reuid "$uid" --regid "$uid" --clear-groups -- \
		env -i -C / PATH="$W/bin:/usr/local/bin:/usr/bin:/bin" HOME="$dir" XDG_RUNTIME_DIR="$runtime" \
		TOKEN_HELPER_ISSUER=https://localhost:18462 TOKEN_HELPER_CAFILE="$W/pki/ca.pem" TOKEN_HELPER_KEYRING=file \
		TOKEN_HELPER_PASSPHRASE_FILE="$dir/passphrase" "$@" </dev/null
}
v() { as $victim "$home" "$run" "$@"; }
a() { as $attacker "$o/users/attacker" "$o/users/attacker" "$@"; }
r() { as 0 "$roothome" "$rootrun" "$@"; }
# get [VARIABLE=VALUE...] -- [FLAG...] and root_get run the helper for a token.
get() { getter v "$@"; }
root_get() { getter r "$@"; }
getter() {
	local who=$1 variables=()
	shift
	while [ "$1" != -- ]; do
		variables+=("$1")
		shift
	done
	shift
	"$who" "${variables[@]}" condor-token-helper --no-prompt --timeout 5s --ce "${ce:-victim.example.org}" "$@"
}

# logged_in HOME UID WHO creates a passphrase and logs in.
logged_in() {
	(umask 077 && head -c 32 /dev/urandom | base64 >"$1/passphrase")
	chown "$2:$2" "$1/passphrase"
	"$3" condor-token-helper login >"$o/login.log" 2>&1 || die "login: $(tail -n 3 "$o/login.log")"
}
logged_in "$o/users/attacker" $attacker a
logged_in "$home" $victim v
logged_in "$roothome" 0 r

# The planted token is one that the issuer issued to the other user for the same audience and
# scopes. Only its owner is wrong.
a condor-token-helper --ce victim.example.org >"$o/planted" || die "no token to plant"
# The names of the files are found by a cached token of the victim and of root.
{ get -- && root_get --; } >"$o/stdout" || die "no token for the victim"
echo "a file of the victim" >"$home/precious"
mkdir "$home/precious.d"
cp "$home/precious" "$home/precious.d/file"
cp "$home/precious" "$roothome/precious"
chmod 600 "$home/precious" "$roothome/precious"
chown -R $victim:$victim "$home/precious" "$home/precious.d"
cp -a "$o/users" "$o/snapshot/"

# The files of the helper are found by their contents: planting a file elsewhere would not test
# anything. file_with WHAT PATTERN DIR... prints the first file whose contents match.
file_with() {
	local what=$1 pattern=$2 found
	shift 2
	found=$(grep -rlE -- "$pattern" "$@") || die "the helper keeps no $what"
	head -n 1 <<<"$found"
}
cached=$(file_with "cached token" 'eyJ[A-Za-z0-9_-]+\.eyJ' "$run" "$home/.cache")
index=$(file_with "list of logins" localhost:18462 "$home/.local/state")
mapfile -t locks < <(find "$home/.local/state" "$run" -name '*.lock')
[ "${#locks[@]}" -gt 0 ] || die "the helper keeps no lock files"
item=$(find "$home/.local/share/token-helpers/keyring" -type f ! -name '*-probe' | sed -n 1p)
[ -n "$item" ] || die "the helper keeps no encrypted login"
document=
while IFS= read -r file; do
	cp "$file" "$o/document"
	! /usr/bin/python3 "$o/plant.py" forge "$o/document" localhost:18462/token localhost:18470/token 2>/dev/null || { document=$file && break; }
done < <(find "$home/.cache" -type f)
[ -n "$document" ] || die "the helper keeps no discovery document"
cp "$cached" "$o/cached"
/usr/bin/python3 "$o/plant.py" token "$o/cached" "$(cat "$o/planted")"

# The other user's programs write to den/*.log.
server_log=$o/server.log
(umask 000 && : >"$server_log")
setpriv --reuid $attacker --regid $attacker --clear-groups -- /usr/bin/python3 "$o/plant.py" tcp 18470 "$server_log" &
await "the other user's server" bash -c 'exec 3<>/dev/tcp/127.0.0.1/18470'

declare -A ways
planters=()      # process groups of the other user
kept=()          # files of the victim that must not change
planted_paths=() # planted files, also in directories of the victim
foreign=()       # directories in which commands must not leave files
theirs=           # a secret that the other user knows for the test

# log_in_again logs the victim in again and updates the snapshot: a login in a test has revoked
# the one in the snapshot.
stale=0
log_in_again() {
	stale=0
	v condor-token-helper login >"$o/login.log" 2>&1 || die "login: $(tail -n 3 "$o/login.log")"
	rm -rf "$o/snapshot/users"
	cp -a "$o/users" "$o/snapshot/"
}

# begin NAME restores the initial state and counts NAME as a way to plant something.
begin() {
	way=$1
	ways[$1]=1
	[ "${#planters[@]}" = 0 ] || kill -KILL -- "${planters[@]}" 2>/dev/null || true
	planters=() planted_paths=() foreign=() theirs=
	kept=("$home/precious" "$home/precious.d/file" "$roothome/precious")
	find /tmp -mindepth 1 -maxdepth 1 ! -path "$above" -exec rm -rf {} +
	rm -rf "$o/users" "$den" "$open"
	cp -a "$o/snapshot/users" "$o/"
	[ "$stale" = 0 ] || log_in_again
	mkdir -m 755 "$den"
	mkdir -m 777 "$open"
	chmod 777 "$open"
	install -m 644 "$o/planted" "$den/token"
	chown -R $attacker:$attacker "$den"
	: >"$server_log"
}

# planter COMMAND... runs a program of the other user until the next call of begin.
planter() {
	setsid setpriv --reuid $attacker --regid $attacker --clear-groups -- "$@" >"$den/$RANDOM.log" 2>&1 </dev/null &
	planters+=(-$!) # its process group
	disown
}
# listening PATH KIND [FILE] runs a program of the other user that listens on a socket.
listening() {
	local path=$1
	shift
	rm -rf /tmp/socket "$open/socket"
	case $path in
	"$o"/*) set -- "$path" "$open/socket" "$@" ;;
	*) set -- "$path" /tmp/socket "$@" ;;
	esac
	planter /usr/bin/python3 "$o/plant.py" "$3" "$2" "${@:4}"
	await "the other user's socket" test -S "$2"
	mv "$2" "$1"
}

# plant KIND PATH creates a file of the other user at PATH. Its contents are those of den/token,
# which a test may change first. root does here what the other user could do while a directory
# was writable for all.
plant() {
	local kind=$1 path=$2
	rm -rf "$path"
	planted_paths+=("$path")
	case $kind in
	file) install -m 644 "$den/token" "$path" ;;
	private) install -m 600 "$den/token" "$path" ;; # root can read it
	writable) install -m 666 "$den/token" "$path" ;;
	spy) install -m 666 "$den/token" "$path" && ln "$path" "$path.spy" ;; # shows what is written to PATH
	link) ln -s "$den/token" "$path" ;;
	link-to-writable)
		install -m 666 "$den/token" "$den/spy"
		chown $attacker:$attacker "$den/spy"
		ln -s "$den/spy" "$path"
		;;
	link-to-yours) ln -s "$home/precious" "$path" ;;
	link-to-roots) ln -s "$roothome/precious" "$path" ;;
	link-to-nothing) ln -s "$den/nothing" "$path" && chmod 777 "$den" ;;
	link-to-zero) ln -s /dev/zero "$path" ;;
	link-to-null) ln -s /dev/null "$path" ;;
	device) mknod -m 666 "$path" c 1 5 ;;
	fifo | fifo-fed | fifo-read) mkfifo -m 666 "$path" ;;
	directory) mkdir -m 777 "$path" ;;
	huge) install -m 644 "$den/token" "$path" && truncate -s 8G "$path" ;;
	hard-link)
		install -m 600 -o $victim -g $victim "$home/precious" "$path.precious"
		kept+=("$path.precious")
		ln "$path.precious" "$path"
		;;
	yours-writable) install -m 666 -o $victim -g $victim "$den/token" "$path" ;;
	yours-group-writable) install -m 660 -o $victim -g $attacker "$den/token" "$path" ;;
	yours-group-readable) install -m 640 -o $victim -g $attacker "$den/token" "$path" ;;
	socket) listening "$path" socket "$den/token" ;;
	*) die "cannot plant $kind" ;;
	esac
	case $kind in
	yours-* | hard-link | socket) ;;
	*) chown -h $attacker:$attacker "$path" ;;
	esac
	case $kind in
	fifo-fed) planter sh -c 'while :; do cat "$1" >"$2"; done' sh "$den/token" "$path" ;;
	fifo-read) planter cat "$path" ;;
	esac
}

# written_by_others lists the other user's files and links with their contents.
written_by_others() {
	find /tmp "$den" "$open" "$o/users" -path "$W" -prune -o -user $attacker ! -name '*.log' \( -type f -size -1024k -exec sha256sum {} + -o -type l -printf '%l  %p\n' \) | sort
}

# tries STATUSES RESULT STDERR COMMAND... runs a command after something was planted.
# It must exit in time with one of STATUSES (0|8). If that is 0, RESULT is the expected result:
# "token" on stdout, "file:PATH" with a token, "none" or "any". Otherwise stdout must be empty,
# and stderr must contain an error and a hint and match STDERR, an extended regular expression.
# The planted token must not be copied, and the other user must not be able to read a secret.
tries() {
	local want=$1 expected=$2 pattern=$3 got=0 problems=() before found file
	shift 3
	before=$(written_by_others)
	"$@" >"$o/stdout" 2>"$o/stderr" || got=$?
	write_victim_secrets
	[ "$got" != 124 ] && [ "$got" != 137 ] || problems+=("it did not exit within $limit seconds")
	[[ "|$want|" == *"|$got|"* ]] || problems+=("status $got, want $want")
	if [ "$got" = 0 ]; then
		case $expected in
		token) only_token "$o/stdout" && grep -qxFf "$o/secrets" "$o/stdout" || problems+=("stdout is not a token of the victim") ;;
		file:*) whole_file "${expected#file:}" || problems+=("${expected#file:} is not a private file with a token") ;;
		none) [ ! -s "$o/stdout" ] || problems+=("stdout is not empty") ;;
		esac
	else
		[ ! -s "$o/stdout" ] || problems+=("stdout is not empty")
		grep -qE '^[a-z-]+: error: ' "$o/stderr" || problems+=("stderr has no error line")
		grep -qE '^[a-z-]+: hint: ' "$o/stderr" || problems+=("stderr has no hint line")
		sed -E 's/^[a-z-]+: +/ /' "$o/stderr" | tr -s '\n ' ' ' | grep -iE -- "$pattern" >/dev/null || problems+=("stderr does not match /$pattern/")
	fi
	! grep -qFf "$o/planted" -e planted-account "$o/stdout" "$o/stderr" || problems+=("it printed planted contents")
	! grep -qFf "$o/secrets" "$o/stderr" || problems+=("stderr contains a secret")
	# The planted token is only in the planted files.
	while IFS= read -r file; do
		[[ " ${planted_paths[*]} " == *" $file "* ]] || problems+=("$file contains the planted token")
	done < <(find "$o/users/victim" "$o/users/victim.run" "$o/users/root" "$o/users/root.run" -type f -size -1024k -exec grep -lFf "$o/planted" {} +)
	# Nothing was written through a link or to a file of the other user.
	found=$(comm -13 <(echo "$before") <(written_by_others))
	[ -z "$found" ] || problems+=("a file of the other user was changed: $found")
	for file in "${kept[@]}"; do
		[ "$(cat "$file" 2>&1)" = "a file of the victim" ] || problems+=("$file was changed")
	done
	# No file that the other user can read contains a secret.
	found=$(readable_secrets)
	[ -z "$found" ] || problems+=("the other user can read a secret in $found")
	[ ! -s "$server_log" ] || problems+=("it connected to the other user's server")
	# root leaves no files in the homes of users.
	found=$(find "$o/users/victim" "$o/users/victim.run" "${foreign[@]}" -mindepth 1 ! -user $victim ! -user $attacker ! -name '*.log')
	[ "${#foreign[@]}" = 0 ] || found+=$(find "${foreign[@]}" -mindepth 1 ! -user $attacker ! -name '*.log')
	[ -z "$found" ] || problems+=("it left files: $found")
	report "$way" "$o/stdout" "$o/stderr" "${problems[@]}"
}

# write_victim_secrets writes the secrets that the issuer has issued, except the planted ones.
write_victim_secrets() {
	write_secrets "$o/all-secrets"
	grep -vxF -e "$(cat "$o/planted")" -e "$theirs" "$o/all-secrets" >"$o/secrets"
}

# readable_secrets prints the files in which the other user can read a secret.
readable_secrets() {
	setpriv --reuid $attacker --regid $attacker --clear-groups -- \
		find /tmp "$den" "$open" "$o/users" -path "$W" -prune -o -type f -size -1024k -readable -print0 2>/dev/null |
		xargs -0 -r grep -lFf "$o/secrets" | grep -vF "$o/users/attacker/" || true
}

# whole_file PATH reports whether PATH is a regular file with one token of the user, which other
# users cannot read.
whole_file() {
	[ ! -s "$o/stdout" ] && [ ! -L "$1" ] && [ -f "$1" ] &&
		[[ "$(stat -c '%a %h %u' "$1")" =~ ^600\ 1\ ($victim|0)$ ]] &&
		only_token "$1" && grep -qxFf "$o/secrets" "$1"
}

# reading lists what can be planted where the helpers read.
reading=(file link link-to-yours fifo fifo-fed socket directory link-to-zero device huge yours-writable)
# writing lists what can be planted where the helpers write.
writing=(writable spy link-to-writable link-to-yours link-to-nothing link-to-null fifo fifo-read socket directory hard-link yours-writable)

# --- where a token is read, with and without the kernel's protections for sticky directories

for mode in 1777 777; do
	for kind in "${reading[@]}"; do
		begin "/tmp/bt_u\$UID: $kind"
		chmod $mode /tmp
		plant "$kind" /tmp/bt_u$victim
		tries '1|3|4|8' token '' get XDG_RUNTIME_DIR= -- --from bearer
	done
done
chmod 1777 /tmp
for kind in "${reading[@]}"; do
	begin "\$XDG_RUNTIME_DIR/bt_u\$UID in another user's directory: $kind"
	mkdir -m 777 /tmp/run && chown $attacker:$attacker /tmp/run
	plant "$kind" /tmp/run/bt_u$victim
	tries '1|3|4|8' token '' get XDG_RUNTIME_DIR=/tmp/run -- --from bearer
done
# inspect runs jwt-inspect on a terminal, with stderr in a file.
inspect() {
	local got=0
	v XDG_RUNTIME_DIR= script -qefc 'stty rows 24 cols 120; jwt-inspect 2>"$HOME/said" </dev/tty' /dev/null || got=$?
	cat "$home/said" >&2
	return $got
}
for kind in file link fifo fifo-fed link-to-zero; do
	begin "jwt-inspect on a terminal, /tmp/bt_u\$UID: $kind"
	plant "$kind" /tmp/bt_u$victim
	tries '1|2|3|8' any '' inspect
done

# --- where a token is written

for place in "$open/token" /tmp/token; do
	for kind in "${writing[@]}"; do
		begin "--file in $([ "$place" = /tmp/token ] && echo /tmp || echo "a directory that all users may write to"): $kind"
		plant "$kind" "$place"
		tries '0|1|8' "file:$place" '' get -- --file "$place"
	done
done
for mode in 1777 777; do
	for kind in "${writing[@]}"; do
		begin "--bearer-file, /tmp/bt_u\$UID: $kind"
		chmod $mode /tmp
		plant "$kind" /tmp/bt_u$victim
		tries '0|1|8' file:/tmp/bt_u$victim '' get XDG_RUNTIME_DIR= -- --bearer-file
	done
done
chmod 1777 /tmp
for kind in spy link-to-yours fifo-read; do
	begin "--bearer-file, \$BEARER_TOKEN_FILE: $kind"
	plant "$kind" "$open/bearer"
	tries '0|1|8' "file:$open/bearer" '' get BEARER_TOKEN_FILE="$open/bearer" -- --bearer-file
done
begin "--bearer-file, \$XDG_RUNTIME_DIR of another user"
mkdir -m 777 /tmp/run && chown $attacker:$attacker /tmp/run
plant spy /tmp/run/bt_u$victim
tries '0|1|8' any '' get XDG_RUNTIME_DIR=/tmp/run -- --bearer-file
for kind in link-to-writable link-to-yours fifo-read; do
	begin "--file, names of temporary files: $kind"
	for name in .token.tmp token.tmp .token.new token.new .token token~ .tmp-token .token.0 .tmp-; do
		plant "$kind" "$open/$name"
	done
	tries 0 "file:$open/token" '' get -- --file "$open/token"
done
# during runs a command with a token, and checks what the other user can read while it runs.
during() {
	local got=0 helper found
	get XDG_RUNTIME_DIR=/tmp/run TMPDIR=/tmp/run -- -- sh -c 'cat "$BEARER_TOKEN_FILE"; touch "$HOME/started"
		i=0; while [ -e "$HOME/started" ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done' &
	helper=$!
	while kill -0 $helper 2>/dev/null && [ ! -e "$home/started" ]; do sleep 0.05; done
	write_victim_secrets
	found=$(readable_secrets)
	rm -f "$home/started"
	wait $helper || got=$?
	[ -z "$found" ] || { echo "while the command runs, the other user can read $found" >&2 && got=99; }
	return $got
}
begin "-- COMMAND, \$XDG_RUNTIME_DIR and \$TMPDIR of another user"
mkdir -m 777 /tmp/run && chown $attacker:$attacker /tmp/run
tries '0|8' token '' during

# --- stored files: directories of another user

# The kinds are planted in place of the helper's directory.
for variable in XDG_RUNTIME_DIR XDG_CACHE_HOME XDG_STATE_HOME XDG_DATA_HOME; do
	for kind in none writable link fifo socket directory copy; do
		begin "\$$variable of another user, token-helpers in it: $kind"
		mkdir -m 777 /tmp/xdg && chown $attacker:$attacker /tmp/xdg
		foreign=("$den")
		case $kind in
		none) ;;
		link)
			plant directory "$open/theirs"
			ln -s "$open/theirs" /tmp/xdg/token-helpers
			foreign+=("$open/theirs")
			;;
		copy) # of the victim's files, with forged ones
			case $variable in
			XDG_RUNTIME_DIR) cp -r "$run/." /tmp/xdg ;;
			XDG_CACHE_HOME) cp -r "$home/.cache/." /tmp/xdg ;;
			XDG_STATE_HOME) cp -r "$home/.local/state/." /tmp/xdg ;;
			XDG_DATA_HOME) cp -r "$home/.local/share/." /tmp/xdg ;;
			esac
			find /tmp/xdg -name "${cached##*/}" -exec cp "$o/cached" {} \;
			find /tmp/xdg -name "${document##*/}" -exec cp "$o/document" {} \;
			chown -R $attacker:$attacker /tmp/xdg
			chmod -R a+rwX /tmp/xdg
			;;
		*) plant "$kind" /tmp/xdg/token-helpers ;;
		esac
		ce=other.example.org tries '0|1|3|8' token '' get $variable=/tmp/xdg --
		[ "$variable" = XDG_RUNTIME_DIR ] || tries '0|1|8' none '' v $variable=/tmp/xdg condor-token-helper login
		stale=1
	done
done

# --- stored files: they were planted while other users could write to the directory; then the
# user has followed the hint and run chmod 700

for kind in file link fifo fifo-fed socket directory link-to-zero huge yours-writable; do
	begin "a cached token: $kind"
	cp "$o/cached" "$den/token"
	plant "$kind" "$cached"
	tries '0|1|8' token '' get --
done
for kind in file link fifo fifo-fed socket directory link-to-zero huge yours-writable; do
	begin "the cached discovery document: $kind"
	cp "$o/document" "$den/token"
	plant "$kind" "$document"
	ce=other.example.org tries '0|1|8' token '' get --
done
for kind in file link fifo socket directory link-to-zero yours-writable; do
	begin "the list of logins: $kind"
	cp "$index" "$den/token"
	plant "$kind" "$index"
	ce=other.example.org tries '1|3|8' token '' get --
	begin "an encrypted login: $kind"
	cp "$(find "$o/users/attacker/.local/share/token-helpers/keyring" -type f ! -name '*-probe' | sed -n 1p)" "$den/token"
	plant "$kind" "$item"
	ce=other.example.org tries '1|3|8' token '' get --
done
for kind in file link fifo socket directory link-to-zero; do
	begin "the remembered keyring: $kind"
	echo pass >"$den/token"
	plant "$kind" "$home/.local/state/token-helpers/keyring"
	tries '0|1|8' none 'token-helpers/keyring' v env -u TOKEN_HELPER_KEYRING condor-token-helper login
	stale=1
done
for kind in file link-to-yours link-to-nothing fifo fifo-read socket directory held; do
	begin "the lock files: $kind"
	for lock in "${locks[@]}"; do
		plant "${kind/held/file}" "$lock"
		if [ $kind = held ]; then
			setsid flock "$lock" sleep 600 >"$o/stdout" 2>&1 &
			planters+=(-$!)
			disown
		fi
	done
	[ $kind != held ] || await "the other user's lock" bash -c '! flock -n "$1" true' bash "${locks[0]}"
	ce=other.example.org tries '0|1|7|8' token '' get --
done
for kind in link-to-yours fifo directory link-to-directory; do
	begin "old temporary files: $kind"
	for dir in "$(dirname "$cached")" "$(dirname "$index")" "$(dirname "$item")"; do
		for name in .tmp-1 .keyring-1; do
			if [ $kind = link-to-directory ]; then
				ln -s "$home/precious.d" "$dir/$name"
			else
				plant $kind "$dir/$name"
			fi
			chown -h $attacker:$attacker "$dir/$name"
			touch -h -d '3 days ago' "$dir/$name"
		done
	done
	ce=other.example.org tries 0 token '' get --
done
for dir in "$run/token-helpers" "$home/.cache/token-helpers" "$home/.local/state/token-helpers" "$home/.local/share/token-helpers/keyring"; do
	begin "a directory that others can write to: ${dir#"$o/users/"}"
	chmod 777 "$dir"
	ce=other.example.org tries '0|1|8' token '' get --
done

# --- configuration

configuration=$home/.config/token-helpers/config.toml
configured() { v env -u TOKEN_HELPER_ISSUER "$@" condor-token-helper --no-prompt --timeout 5s --ce victim.example.org; }
config_text() { printf '[defaults]\nissuer = "https://localhost:18470"\n' >"$den/token"; }
for kind in file writable link fifo fifo-fed socket directory link-to-zero device huge yours-writable yours-group-writable; do
	begin "config.toml: $kind"
	config_text
	install -d -m 700 -o $victim -g $victim "$home/.config" "$home/.config/token-helpers"
	plant "$kind" "$configuration"
	tries '1|2|8' none 'config\.toml' configured
done
begin "\$XDG_CONFIG_HOME of another user"
config_text
mkdir -p /tmp/xdg/token-helpers
plant file /tmp/xdg/token-helpers/config.toml
chown -R $attacker:$attacker /tmp/xdg
tries '1|2|8' none 'config\.toml' configured XDG_CONFIG_HOME=/tmp/xdg
# The host's configuration, in a separate /etc.
mkdir "$o/etc"
mount -t tmpfs tmpfs "$o/etc"
mkdir "$o/etc/upper" "$o/etc/work"
expect "the host's configuration can be planted in a separate /etc" 0 '' mount -t overlay -o "lowerdir=/etc,upperdir=$o/etc/upper,workdir=$o/etc/work" overlay /etc
if findmnt -n -t overlay /etc >"$o/stdout"; then
	mkdir -p /etc/token-helpers
	for kind in file writable link yours-writable; do
		begin "/etc/token-helpers/config.toml: $kind"
		config_text
		plant $kind /etc/token-helpers/config.toml
		tries '1|2|8' none 'config\.toml' configured
	done
	# Root's configuration is accepted, also if root is not mapped, as in the sandbox of a user's
	# service.
	rm -rf /etc/token-helpers
	install -d -m 755 /etc/token-helpers
	printf '[defaults]\ntimeout = 7\n' >/etc/token-helpers/config.toml
	for inside in '' 'unshare -U -c'; do
		status=0
		# shellcheck disable=SC2086  # words
		v $inside condor-token-helper config >"$o/stdout" 2>&1 || status=$?
		grep -qE -- '--timeout +7 .*/etc/token-helpers/config.toml' "$o/stdout" || status=1
		result "root's /etc/token-helpers/config.toml is read${inside:+ in a user namespace}" $status
		[ $status = 0 ] || cat "$o/stdout"
	done
	umount /etc
fi
umount "$o/etc"

# --- secrets in files

for kind in file link fifo fifo-fed socket directory link-to-zero device huge yours-writable yours-group-readable; do
	begin "the file with the passphrase: $kind"
	cp "$home/passphrase" "$den/token"
	plant "$kind" "$open/passphrase"
	ce=other.example.org tries '1|2|8' token '' get TOKEN_HELPER_PASSPHRASE_FILE="$open/passphrase" --
done
begin "the file with the passphrase as a mounted secret (must be accepted)"
unset 'ways[$way]'
install -m 440 -o 0 -g $victim "$home/passphrase" "$open/passphrase"
ce=other.example.org tries 0 token '' get TOKEN_HELPER_PASSPHRASE_FILE="$open/passphrase" --

# A robot's client secret. The client is one that the helper could have registered.
curl -sS --cacert "$W/pki/ca.pem" -H 'Content-Type: application/json' -o "$o/client.json" https://localhost:18462/iam/api/client-registration -d '{
	"client_name": "robot", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic",
	"scope": "wlcg compute.read compute.modify compute.create compute.cancel"}'
client=$(jq -r .client_id "$o/client.json")
(umask 077 && jq -r .client_secret "$o/client.json" >"$o/secret")
robot() { get -- --from client-credentials --client-id "$client" --client-secret-file "$1"; }
for kind in file link fifo fifo-fed socket directory link-to-zero device huge yours-writable yours-group-readable; do
	begin "the file with a client secret: $kind"
	cp "$o/secret" "$den/token"
	plant "$kind" "$open/secret"
	theirs=$(cat "$o/secret")
	tries '1|2|8' token '' robot "$open/secret"
done
begin "the file with a client secret as a mounted secret (must be accepted)"
unset 'ways[$way]'
install -m 440 -o 0 -g $victim "$o/secret" "$open/secret"
tries 0 token '' robot "$open/secret"
for kind in fifo socket directory link-to-zero huge; do
	begin "the file with CA certificates: $kind"
	plant "$kind" "$open/ca.pem"
	ce=other.example.org tries '1|2|5|8' token '' get TOKEN_HELPER_CAFILE="$open/ca.pem" --
	begin "the file with a bearer token: $kind"
	plant "$kind" "$open/token"
	tries '1|3|8' token '' get -- --from "bearer:$open/token"
done

# --- oidc-agent

for kind in agent mute endless; do
	begin "\$OIDC_SOCK: $kind"
	listening /tmp/agent "$kind" "$([ $kind = agent ] && echo "$den/token")"
	tries '1|4|5|8' token '' get OIDC_SOCK=/tmp/agent -- --from oidc-agent
	ce=other.example.org tries '1|3|5|8' token '' get OIDC_SOCK=/tmp/agent XDG_STATE_HOME="$home/empty" XDG_RUNTIME_DIR= XDG_CACHE_HOME="$home/empty" --
	tries '0|1|5|8' any '' v OIDC_SOCK=/tmp/agent condor-token-helper sources --timeout 5s --ce victim.example.org
done
begin "\$OIDC_SOCK: a link to another user's socket"
listening "$open/agent" agent "$den/token"
ln -s "$open/agent" /tmp/agent
tries '1|4|5|8' token '' get OIDC_SOCK=/tmp/agent -- --from oidc-agent
begin "\$OIDC_SOCK: another user's socket whose owner is the user"
listening /tmp/agent agent "$den/token"
chown $victim:$victim /tmp/agent
tries '1|4|5|8' token '' get OIDC_SOCK=/tmp/agent -- --from oidc-agent
begin "the agent's directory in /tmp: /tmp/oidc-agent-service-\$UID"
mkdir -m 755 /tmp/oidc-agent-service-$victim && chown $attacker:$attacker /tmp/oidc-agent-service-$victim
listening /tmp/oidc-agent-service-$victim/oidc-agent.sock agent "$den/token"
tries '1|3|4|5|8' token '' get -- --from oidc-agent
for kind in file fifo directory link-to-zero; do
	begin "\$OIDC_SOCK: $kind"
	plant $kind /tmp/agent
	tries '1|4|5|8' token '' get OIDC_SOCK=/tmp/agent -- --from oidc-agent
done

# --- the session bus

# A bus of the other user that accepts all users, with a real keyring.
begin "\$DBUS_SESSION_BUS_ADDRESS: a bus of another user, with a keyring"
mkdir -m 777 /tmp/bus && chown $attacker:$attacker /tmp/bus
cat >"$den/bus.conf" <<CONF
<busconfig>
	<type>session</type>
	<listen>unix:path=/tmp/bus/socket</listen>
	<policy context="default"><allow user="*"/><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
CONF
theirs_on_bus() { a DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/bus/socket "$@"; }
planter dbus-daemon --config-file="$den/bus.conf" --nofork --nopidfile
await "the other user's bus" theirs_on_bus gdbus call --session --dest org.freedesktop.DBus --object-path /org/freedesktop/DBus --method org.freedesktop.DBus.GetId
theirs_on_bus sh -c 'printf secret | gnome-keyring-daemon --unlock --components=secrets' >"$o/stdout" 2>&1
await "the other user's keyring" theirs_on_bus gdbus call --session --dest org.freedesktop.secrets --object-path /org/freedesktop/secrets/collection/login \
	--method org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Collection Items
tries '1|8' none '' v DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/bus/socket condor-token-helper login --keyring secret-service
count_check "  the other user's keyring contains no login" "$(theirs_on_bus gdbus call --session --dest org.freedesktop.secrets \
	--object-path /org/freedesktop/secrets/collection/login --method org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Collection Items |
	grep -o 'collection/login/' | wc -l)" 0
for kind in mute endless; do
	begin "\$DBUS_SESSION_BUS_ADDRESS: $kind"
	listening /tmp/bus $kind
	tries '1|8' none '' v DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/bus condor-token-helper login --keyring secret-service
done

# --- root

as_root_in() { as 0 "$1" "$2" TOKEN_HELPER_PASSPHRASE_FILE="$roothome/passphrase" condor-token-helper "${@:3}"; }
for command in "login" "get --no-prompt --ce victim.example.org" "get --force-new --no-prompt --ce other.example.org" "logout" "logout --force"; do
	begin "root with the HOME of a user: ${command%% *} ${command##* }"
	read -ra words <<<"$command"
	tries '1|2|3|8' none 'HOME|sudo' as_root_in "$home" '' "${words[@]}"
	tries 0 token '' get -- # the user's login is unchanged
done
for command in status "sources --ce victim.example.org"; do
	begin "root with the HOME of a user: ${command%% *}"
	read -ra words <<<"$command"
	tries '0|1|2|8' any 'HOME|sudo' as_root_in "$home" '' "${words[@]}"
done
begin "root with the HOME of a user who has no login"
rm -rf "$home/.local" "$home/.cache" "$home/.config"
tries '1|2|3|8' none 'HOME|sudo' as_root_in "$home" '' login
begin "root with a HOME that all users may write to"
mkdir -m 777 /tmp/xdg && chown $attacker:$attacker /tmp/xdg
foreign=(/tmp/xdg)
tries '1|2|3|8' none 'HOME|sudo' as_root_in /tmp/xdg '' login
begin "root with the XDG_RUNTIME_DIR of a user"
ce=other.example.org tries '0|8' token '' root_get XDG_RUNTIME_DIR="$run" --
begin "root with the XDG_CACHE_HOME of a user"
ce=other.example.org tries '0|1|8' token '' root_get XDG_CACHE_HOME="$home/.cache" --
for kind in file link fifo fifo-fed socket link-to-zero; do
	begin "root, /tmp/bt_u0: $kind"
	plant "$kind" /tmp/bt_u0
	tries '1|3|4|8' token '' root_get XDG_RUNTIME_DIR= -- --from bearer
done
for kind in spy link-to-writable link-to-roots link-to-yours link-to-null fifo fifo-read socket; do
	begin "root, --file in /tmp: $kind"
	plant "$kind" /tmp/token
	tries '0|1|8' file:/tmp/token '' root_get -- --file /tmp/token
done
begin "root, \$OIDC_SOCK: agent"
listening /tmp/agent agent "$den/token"
tries '1|4|5|8' token '' root_get OIDC_SOCK=/tmp/agent -- --from oidc-agent
for kind in file private link; do
	begin "root, config.toml: $kind"
	config_text
	plant $kind "$open/config.toml"
	install -d -m 700 "$roothome/.config" "$roothome/.config/token-helpers"
	mv "$open/config.toml" "$roothome/.config/token-helpers/config.toml"
	tries '1|2|8' none 'config\.toml' r env -u TOKEN_HELPER_ISSUER condor-token-helper --no-prompt --timeout 5s --ce victim.example.org
	begin "root, the file with the passphrase: $kind"
	cp "$roothome/passphrase" "$den/token"
	plant $kind "$open/passphrase"
	ce=other.example.org tries '1|2|8' token '' root_get TOKEN_HELPER_PASSPHRASE_FILE="$open/passphrase" --
	begin "root, the file with a client secret: $kind"
	cp "$o/secret" "$den/token"
	plant $kind "$open/secret"
	theirs=$(cat "$o/secret")
	tries '1|2|8' token '' root_get -- --from client-credentials --client-id "$client" --client-secret-file "$open/secret"
done

begin "the end"
unset 'ways[$way]'
umount "$W"
umount -l /tmp
umount /mnt/work
umount /mnt
echo "otheruser: ${#ways[@]} ways to plant something"
enough=0
[ "${#ways[@]}" -ge 30 ] || enough=1
result "at least 30 ways were tried" $enough

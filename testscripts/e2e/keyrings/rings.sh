# Functions for the parts that keep logins in real keyrings. The parts source this file.
# shellcheck shell=bash
# shellcheck disable=SC2154  # here comes from run

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

declare -A extra   # an additional variable for each home directory
declare -A session # the command that runs commands for each home directory
limit=20           # seconds that a command may take

# Everything runs as an ordinary user without a terminal: the kernel's quota for root
# differs, and gpg and D-Bus look up the user's name.
ring=42011

# start_rings NAME PORT creates the work directory $k and the user, and starts an issuer.
start_rings() {
	k=$W/$1
	ring_issuer=https://localhost:$2
	mkdir -m 755 "$k"
	start_issuer "$1" "$2" -rotate
	grep -v '^ring:' /etc/passwd >"$k/passwd"
	echo "ring:x:$ring:$ring:ring:$k:/bin/sh" >>"$k/passwd"
	mount --bind "$k/passwd" /etc/passwd
}

# new_home DIR [VARIABLE=VALUE] creates a home directory for the user.
new_home() {
	mkdir -m 755 "$k/$1"
	mkdir -m 700 "$k/$1/home" "$k/$1/run"
	chown -R $ring:$ring "$k/$1"
	extra[$1]=${2:-NO_COLOR=1}
	session[$1]='env'
}

# as_ring DIR [VARIABLE=VALUE...] COMMAND... runs a command as the user.
as_ring() {
	local dir=$k/$1 name=$1 start
	shift
	read -ra start <<<"${session[$name]}"
	setsid --wait timeout -k 5 "$limit" setpriv --reuid $ring --regid $ring --clear-groups -- \
		env -i -C "$dir" PATH="$W/bin:/usr/local/bin:/usr/bin:/bin" HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run" \
		TOKEN_HELPER_ISSUER="$ring_issuer" TOKEN_HELPER_CAFILE="$W/pki/ca.pem" "${extra[$name]}" \
		"${start[@]}" "$@" </dev/null
}

# check NAME STATUS STDOUT STDERR COMMAND... runs a command. It must exit with STATUS,
# or one of several (0|8). STDOUT is "-" (nothing), "token" (one token) or an extended
# regular expression. If the status is not 0, stdout must be empty, unless STDOUT begins with
# "always:". STDERR is an expression that the messages, joined to one line, must match. A
# command that fails must print an error and a hint. No secret may be printed.
check() {
	local name=$1 want=$2 out=$3 err=$4 got=0 problems=()
	shift 4
	"$@" >"$k/stdout" 2>"$k/stderr" || got=$?
	[ "$got" != 124 ] || problems+=("it did not exit within $limit seconds")
	[[ "|$want|" == *"|$got|"* ]] || problems+=("status $got, want $want")
	[ "$got" = 0 ] || [ "$want" = 0 ] || [[ $out == always:* ]] || out=-
	case ${out#always:} in
	-) [ ! -s "$k/stdout" ] || problems+=("stdout is not empty") ;;
	token) only_token "$k/stdout" || problems+=("stdout is not a token") ;;
	*) grep -qE -- "$out" "$k/stdout" || problems+=("stdout does not match /$out/") ;;
	esac
	if [ "$got" != 0 ]; then
		grep -q '^condor-token-helper: error: ' "$k/stderr" || problems+=("stderr has no error line")
		grep -q '^condor-token-helper: hint: ' "$k/stderr" || problems+=("stderr has no hint line")
		sed -E 's/^condor-token-helper: +/ /' "$k/stderr" | tr -s '\n ' ' ' | grep -iE -- "$err" >/dev/null || problems+=("stderr does not match /$err/")
	fi
	write_secrets "$k/secrets"
	! grep -qFf "$k/secrets" "$k/stderr" || problems+=("stderr contains a secret")
	[ "${out#always:}" = token ] || ! grep -qFf "$k/secrets" "$k/stdout" || problems+=("stdout contains a secret")
	report "$name" "$k/stdout" "$k/stderr" "${problems[@]}"
}

# unchanged NAME REQUEST BEFORE checks that the issuer has not received more requests.
unchanged() {
	count_check "$1" "$(requests "$2")" "$3"
}

# at_once DIR PREFIX NUMBER starts processes at the same time, each with a different audience,
# or all with the same one (PREFIX "same"), and prints how many got a token for it.
at_once() {
	local dir=$1 prefix=$2 number=$3 i host right=0 pids=()
	for ((i = 1; i <= number; i++)); do
		host=$prefix$i.example.org
		[ "$prefix" != same ] || host=same.example.org
		as_ring "$dir" condor-token-helper --ce "$host" >"$k/out.$i" 2>"$k/err.$i" &
		pids+=($!)
	done
	for ((i = 1; i <= number; i++)); do
		host=$prefix$i.example.org
		[ "$prefix" != same ] || host=same.example.org
		if wait "${pids[i - 1]}" && only_token "$k/out.$i" &&
			[ "$("$W/bin/jwt-inspect" -o claims "$k/out.$i" 2>/dev/null | jq -r .aud)" = "$host:9619" ]; then
			right=$((right + 1))
		else
			sed 's/^/     ! /' "$k/err.$i" >&2
		fi
	done
	echo "$right"
}

# backends DIR prints the keyring of each login in the output of status.
backends() {
	as_ring "$1" condor-token-helper status -o json | jq -r '[.logins[].backend] | sort | join(" ")'
}

# restore_login DIR KEYRING logs in again if the login was lost, so that the next check starts
# with a login.
restore_login() {
	as_ring "$1" condor-token-helper --no-prompt --force-new --ce mend.example.org >"$k/mend" 2>&1 ||
		as_ring "$1" condor-token-helper login --keyring "$2" >"$k/mend" 2>&1 || die "login: $(tail -n 3 "$k/mend")"
}

# client_of FILE prints the client that a token was issued to.
client_of() {
	"$W/bin/jwt-inspect" -o claims "$1" | jq -r .client_id
}

# files_with SECRETS DIR prints the user's files that contain one of the secrets.
files_with() {
	grep -rlFf "$1" --devices=skip "$k/$2/home" "$k/$2/run" || true
}

# The items_KEYRING functions print the logins in a keyring, one per line.
items_secret-service() {
	as_ring "$1" gdbus call --session --dest org.freedesktop.secrets --object-path /org/freedesktop/secrets/collection/login \
		--method org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Collection Items |
		grep -o '/org/freedesktop/secrets/collection/login/[0-9A-Za-z_]*' || true
}
items_pass() { find "$k/$1/home/.password-store" -name '*.gpg'; }
items_keyctl() { as_ring "$1" keyctl show @u | grep -oE 'user: token-helpers-[0-9a-f]+' || true; }
items_file() { find "$k/$1/home" -path '*/token-helpers/keyring/token-helpers-*' ! -name '*-probe'; }

# nothing_left DIR KEYRING checks that nothing is left after logout.
nothing_left() {
	check "$2: after logout status shows no login" 0 '[Nn]o login' '' as_ring "$1" condor-token-helper status
	count_check "$2: after logout the keyring contains no login" "$("items_$2" "$1" | wc -l)" 0
	write_secrets "$k/secrets"
	count_check "$2: after logout no file contains a secret" "$(files_with "$k/secrets" "$1")" ''
	count_check "$2: after logout there is no cached discovery document" "$(find "$k/$1/home" "$k/$1/run" -path '*discovery*' -type f)" ''
}

# logged_out DIR KEYRING logs out and checks what is left.
logged_out() {
	local revoked deleted
	revoked=$(requests revocation) deleted=$(requests client)
	check "$2: logout" 0 - '' as_ring "$1" condor-token-helper logout
	count_check "$2: logout revokes the login" "$(($(requests revocation) - revoked))" 1
	count_check "$2: logout deletes the client" "$(($(requests client) - deleted))" 1
	nothing_left "$1" "$2"
}

# suite DIR KEYRING checks what must work in every keyring. Afterwards the user is logged in,
# and a token for a.example.org is cached.
suite() {
	local d=$1 r=$2 before
	check "$r: login" 0 - '' as_ring "$d" condor-token-helper login --keyring "$r"
	check "$r: status names the keyring" 0 "$r" '' as_ring "$d" condor-token-helper status
	count_check "$r: so does status -o json" "$(backends "$d")" "$r"
	count_check "$r: the keyring contains one login" "$("items_$r" "$d" | wc -l)" 1
	before=$(requests token:refresh_token)
	check "$r: a token by refresh" 0 token '' as_ring "$d" condor-token-helper --ce a.example.org
	check "$r: a second token, with the rotated refresh token" 0 token '' as_ring "$d" condor-token-helper --ce a.example.org --force-new
	check "$r: the same from the cache" 0 token '' as_ring "$d" condor-token-helper --ce a.example.org
	count_check "$r: that took two refreshes" "$(($(requests token:refresh_token) - before))" 2
	before=$(requests token:refresh_token)
	count_check "$r: 20 processes at once get 20 tokens" "$(at_once "$d" h 20)" 20
	count_check "$r: with one refresh each" "$(($(requests token:refresh_token) - before))" 20
	before=$(requests token:refresh_token)
	count_check "$r: 20 processes at once get the same token" "$(at_once "$d" same 20)" 20
	count_check "$r: with one refresh for all" "$(($(requests token:refresh_token) - before))" 1
	check "$r: the login is intact" 0 token '' as_ring "$d" condor-token-helper --ce b.example.org
	# Access tokens, which are signed, may be in the cache.
	write_secrets "$k/secrets"
	grep -vxE '[^.]+\.[^.]+\.[^.]+' "$k/secrets" >"$k/lasting"
	count_check "$r: no file contains a refresh token or a client secret" "$(files_with "$k/lasting" "$d")" ''
}

# encrypted_files DIR NAME BUS KEYRING checks a first login without --keyring on the session bus
# of the home directory BUS, whose KEYRING is not usable.
encrypted_files() {
	local before
	new_home "$1" "${extra[$3]}"
	before=$(requests registration)
	check "$2: a first login with --keyring $4" 8 - 'hint:.*(unlock|--keyring|desktop)' as_ring "$1" condor-token-helper login --keyring "$4"
	check "$2: a first login without a passphrase for files" 8 - 'hint:.*(TOKEN_HELPER_PASSPHRASE|--keyring)' as_ring "$1" condor-token-helper login
	unchanged "$2: no client was registered" registration "$before"
	(umask 077 && head -c 32 /dev/urandom | base64 >"$k/$1/passphrase")
	chown $ring:$ring "$k/$1/passphrase"
	check "$2: a first login with a passphrase is saved in encrypted files" 0 - '' \
		as_ring "$1" TOKEN_HELPER_PASSPHRASE_FILE="$k/$1/passphrase" condor-token-helper login
	count_check "$2: status shows encrypted files" "$(backends "$1")" file
	check "$2: the login works" 0 token '' as_ring "$1" TOKEN_HELPER_PASSPHRASE_FILE="$k/$1/passphrase" condor-token-helper --ce a.example.org
}

# during_refresh RING PORT COMMAND [FLAG...] starts a refresh, and runs a command while the helper
# waits for the answer of the issuer on the port. helper_result is what the helper prints, with its
# status.
during_refresh() {
	kill -STOP "$issuer_pid"
	as_ring "$1" condor-token-helper "${@:4}" --ce e.example.org >"$k/out" 2>"$k/err" &
	helper=$!
	await "the request for a token" connected "$2"
	"$3"
	kill -CONT "$issuer_pid"
}
connected() { [ -n "$(ss -Htn state established "( dport = :$1 )")" ]; }
helper_result() {
	local got=0
	wait "$helper" || got=$?
	cat "$k/out"
	cat "$k/err" >&2
	return $got
}

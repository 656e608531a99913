# Functions for parts that use an issuer that counts its requests and records every secret that
# it issued. The parts source this file.
# shellcheck shell=bash
# shellcheck disable=SC2034  # issuer_pid is used by the parts

# start_issuer NAME PORT [FLAG...] starts the test issuer as https://localhost:PORT and
# sets issuer_pid. Its log and its control socket are in $W/NAME, which must exist.
start_issuer() {
	local dir=$W/$1
	control=$dir/control
	"$W/bin/issuer" -addr "127.0.0.1:$2" -dir "$W/pki" -control "$control" "${@:3}" >"$dir/issuer.log" 2>&1 &
	issuer_pid=$!
	await "the issuer on port $2" grep -q ready "$dir/issuer.log"
}

# ask_issuer PATH prints the answer of the issuer's control socket.
ask_issuer() {
	curl -sS --max-time 10 --unix-socket "$control" "http://issuer/$1"
}

# requests NAME prints how many requests with this name the issuer has received.
requests() {
	ask_issuer requests | awk -v name="$1" '$1 == name { n = $2 } END { print n + 0 }'
}

# write_secrets FILE writes every secret that the issuer has issued, one per line.
write_secrets() {
	(umask 077 && ask_issuer secrets | sed '/^$/d' >"$1")
}

# only_token FILE reports whether the file contains one line that looks like a signed JWT.
only_token() {
	[ "$(wc -l <"$1")" = 1 ] && grep -qxE 'eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+' "$1"
}

# report NAME FILE-STDOUT FILE-STDERR PROBLEM... counts a check and shows the output. Without
# a PROBLEM it has passed.
report() {
	local name=$1 out=$2 err=$3 status=0 problem
	shift 3
	[ $# = 0 ] || status=1
	result "$name" "$status"
	[ ! -s "$out" ] || tr -d '\0' <"$out" | sed -E 's/(eyJ[A-Za-z0-9_-]{8})[A-Za-z0-9_.-]+/\1…/g; s/^/     | /' | cut -c -240 | sed -n 1,20p
	[ ! -s "$err" ] || tr -d '\0' <"$err" | sed 's/^/     ! /' | cut -c -240 | sed -n 1,20p
	for problem; do
		echo "     problem: $problem"
	done
}

# count_check NAME GOT WANT compares two numbers or words.
count_check() {
	local status=0
	[ "$2" = "$3" ] || status=1
	result "$1" "$status"
	[ "$status" = 0 ] || echo "     problem: got $2, want $3"
}

# Functions for the parts of the end-to-end tests, which source this file.
# shellcheck shell=bash

die() {
	echo "e2e: error: $*" >&2
	exit 1
}

passed=0
failed=0

# result NAME STATUS counts a check and prints its result.
result() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok $1"
	else
		failed=$((failed + 1))
		echo "FAIL $1"
	fi
}

# expect NAME STATUS PATTERN COMMAND... runs a command with a time limit and shows
# its output. It must exit with STATUS (! is any status except 0), and its output must match
# PATTERN, an extended regular expression, unless that is empty.
expect() {
	local name=$1 want=$2 pattern=$3 got=0 good=0 out
	shift 3
	# Run it in a shell, because COMMAND may be an exported function.
	out=$(timeout -k 5 90 bash -c '"$@"' e2e "$@" 2>&1 </dev/null | tr -d '\0') || got=$?
	case $want in
	!) [ "$got" != 0 ] && [ "$got" != 124 ] || good=1 ;;
	*) [ "$got" = "$want" ] || good=1 ;;
	esac
	[ -z "$pattern" ] || grep -qE -- "$pattern" <<<"$out" || good=1
	result "$name" "$good"
	[ -z "$out" ] || sed 's/^/     | /' <<<"$out" | cut -c -240
	[ "$good" = 0 ] || printf '     want status %s and /%s/, got status %s\n' "$want" "$pattern" "$got"
}

# await WHAT COMMAND... waits until COMMAND succeeds, and fails after 30 s, or after
# $patience seconds.
await() {
	local what=$1 end=$((SECONDS + ${patience:-30}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || die "$what did not come up; E2E_KEEP=1 keeps its logs"
		sleep 0.2
	done
}

summary() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}

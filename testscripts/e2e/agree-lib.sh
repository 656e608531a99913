# Functions for the parts that compare verdicts with servers. The parts source this file.
# shellcheck shell=bash
# shellcheck disable=SC2154  # W and pki come from the other parts

# stored DATA creates the files for the tests of tokens.
stored() {
	local d
	for d in store "store/user x" store/user/sub store/user2 STORE/user Store/user; do
		mkdir -p "$1/$d"
	done
	for d in "$1"/* "$1"/store/* "$1"/store/user/*; do
		[ ! -d "$d" ] || echo "read me" >"$d/have.txt"
	done
	chown -R xrootd: "$1"
}

# several_keys starts an issuer with several keys, unless it runs. Its tokens must name their key.
several_keys() {
	[ -e "$W/more.log" ] && return
	"$W/bin/demo" serve --addr 127.0.0.1:18448 --dir "$pki" --no-trailing-slash --more-keys >"$W/more.log" 2>&1 &
	await "the issuer with several keys" grep -q ready "$W/more.log"
}

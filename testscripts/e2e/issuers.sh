# Two issuers, one that writes WLCG claims and one that writes SciTokens claims.
# Neither URL ends in a slash, because HTCondor's map file and XRootD's list are compared
# exactly.
# shellcheck shell=bash

wlcg=https://localhost:18444
scitokens=https://localhost:18445
pki=$W/pki
"$W/bin/demo" serve --addr 127.0.0.1:18444 --dir "$pki" --no-trailing-slash --interval 1 --auto-approve >"$W/wlcg.log" 2>&1 &
await "the WLCG issuer" grep -q ready "$W/wlcg.log"
"$W/bin/demo" serve --addr 127.0.0.1:18445 --dir "$pki" --no-trailing-slash --interval 1 --auto-approve --profile scitokens >"$W/scitokens.log" 2>&1 &
await "the SciTokens issuer" grep -q ready "$W/scitokens.log"

# libcurl, and so scitokens-cpp, reads one CA bundle. In this namespace, the machine's bundle
# also contains the test CA.
cat /etc/ssl/certs/ca-certificates.crt "$pki/ca.pem" >"$W/bundle.pem"
mount --bind "$W/bundle.pem" /etc/ssl/certs/ca-certificates.crt

# The environment of a user: the helpers in PATH, a home, and logins.
export PATH="$W/bin:$PATH" HOME="$W/home" XDG_RUNTIME_DIR="$W/run"
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME BEARER_TOKEN BEARER_TOKEN_FILE OIDC_SOCK
export XDG_CACHE_HOME="$W/cache"
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$XDG_CACHE_HOME" "$W/tokens"
(umask 077 && head -c 32 /dev/urandom | base64 >"$W/passphrase")
export TOKEN_HELPER_PASSPHRASE_FILE="$W/passphrase" TOKEN_HELPER_KEYRING=file
export TOKEN_HELPER_ISSUER=$wlcg TOKEN_HELPER_CAFILE="$pki/ca.pem"

expect "condor-token-helper logs in by device flow" 0 'logged in at https://localhost:18444' condor-token-helper login
expect "xrd-token-helper adds storage scopes to the login" 0 'logged in' xrd-token-helper login --write --path /
expect "xrd-token-helper adds WLCG scopes to the login" 0 'logged in' xrd-token-helper login --profile wlcg --write --create --stage
expect "condor-token-helper logs in at the SciTokens issuer" 0 'logged in' condor-token-helper login --issuer $scitokens --profile scitokens
expect "xrd-token-helper logs in at the SciTokens issuer" 0 'logged in' xrd-token-helper login --issuer $scitokens --write

# get NAME HELPER [FLAG...] gets a token by refresh and saves it under a name.
get() {
	local name=$1
	shift
	expect "token $name: $*" 0 '' "$@" --no-prompt --file "$W/tokens/$name"
}

# rights RAW ISSUER AUDIENCE prints the rights that scitokens-cpp finds in a token, sorted, on
# one line.
rights() {
	scitokens-list-access "$@" | sed -n 's/^ACL: //p' | sort | paste -sd ' '
}
export -f rights

# verified NAME ISSUER AUDIENCE RIGHTS checks that the tools of scitokens-cpp accept the token
# and find exactly these rights in it.
verified() {
	local raw
	raw=$(cat "$W/tokens/$1")
	expect "scitokens-verify accepts $1" 0 'deserialization successful' scitokens-verify "$raw"
	expect "scitokens-list-access reads the rights of $1" 0 "^$4\$" rights "$raw" "$2" "$3"
	expect "jwt-inspect accepts $1" 0 '"scope"' jwt-inspect --issuer "$2" --aud "$3" "$W/tokens/$1"
}

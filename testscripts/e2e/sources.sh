# The sources that need no other program. The token of each one is presented to a real
# server.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the servers come from the other parts

s=$W/sources
mkdir -m 700 "$s" "$s/home" "$s/run" "$s/tokens"
curl -sS --cacert "$pki/ca.pem" -H 'Content-Type: application/json' -o "$s/client.json" "$wlcg/iam/api/client-registration" \
	-d '{"client_name":"e2e","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic","scope":"wlcg compute.read compute.modify compute.create compute.cancel"}'
member() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$s/client.json" "$1"; }
client=$(member client_id)
(umask 077 && member client_secret >"$s/secret")
cp "$W/tokens/ce" "$s/tokens/localhost"
# alone ARG... runs condor-token-helper for a user without a login.
alone() {
	env -u XDG_CACHE_HOME HOME="$s/home" XDG_RUNTIME_DIR="$s/run" TOKEN_DIR="$s/tokens" PATH="$root/docs/examples:$PATH" condor-token-helper "$@"
}
export s root
export -f alone
expect "client credentials" 0 '' alone --from client-credentials --client-id "$client" --client-secret-file "$s/secret" --ce $pool --file "$W/tokens/robot"
expect "bearer" 0 '' alone --from "bearer:$W/tokens/ce" --ce $pool --file "$W/tokens/bearer"
expect "exchange" 0 '' alone --from "exchange:$W/tokens/ce" --client-id "$client" --client-secret-file "$s/secret" --ce $pool --force-new --file "$W/tokens/exchanged"
expect "plugin" 0 '' alone --from file --ce $pool --file "$W/tokens/plugin"
for t in robot bearer exchanged plugin; do
	expect "HTCondor accepts $t" 0 'succeeded' as $t condor_ping -pool $pool -type COLLECTOR WRITE
done

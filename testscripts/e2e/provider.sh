# A certified OpenID provider of another project (npm's oidc-provider): login, refresh, cache
# and logout of the helpers, with no settings except the CA; the old workflow with oidc-agent;
# and the provider's tokens at the real servers.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the servers come from the other parts

n=$W/provider
provider=https://localhost:18447
node "$n/provider.mjs" 18447 "$pki/host.pem" "$pki/host.key" >"$n/log" 2>&1 &
await "the provider" grep -q ready "$n/log"

mkdir -m 700 "$n/home" "$n/run" "$n/home/.oidc-agent"
echo secret >"$n/pw"
# user ARG... runs a command as a user of this provider.
user() {
	env -u XDG_CACHE_HOME HOME="$n/home" XDG_RUNTIME_DIR="$n/run" TOKEN_HELPER_ISSUER=https://localhost:18447 "$@"
}
# approved ARG... runs a command that requires a login, and approves it as a person does.
approved() {
	local code='' status=0 pid
	: >"$n/said" # must not contain the code of the last login
	user "$@" >>"$n/said" 2>&1 </dev/null &
	pid=$!
	while [ -z "$code" ] && kill -0 $pid 2>/dev/null; do
		code=$(grep -oE '(^    |code: *)[A-Z]{4}-[A-Z]{4}\b' "$n/said" | head -n 1 | grep -oE '[A-Z]{4}-[A-Z]{4}') || true
		sleep 0.1
	done
	[ -z "$code" ] || NODE_EXTRA_CA_CERTS=$pki/ca.pem node "$n/approve.mjs" https://localhost:18447/device "$code" || status=1
	wait $pid || status=$?
	grep -v '48;5' "$n/said" # without the QR code
	return $status
}
export n
export -f user approved

expect "a login at a provider of another project" 0 'logged in at' approved condor-token-helper login
expect "a token by refresh" 0 'POST .*18447/token' user condor-token-helper -v --ce $pool --file "$W/tokens/provider"
expect "the doctor finds no problem" 0 'clock +agrees' user condor-token-helper doctor --ce $pool
expect "the same token from the cache" 0 '^eyJ' user condor-token-helper -v --ce $pool
verified provider $provider $pool "compute.cancel:/ compute.create:/ compute.modify:/ condor:/READ condor:/WRITE"
expect "HTCondor accepts it" 0 'succeeded' as provider condor_ping -pool $pool -type COLLECTOR WRITE
expect "a token with fewer scopes" 0 '' user condor-token-helper --read --ce $pool --file "$W/tokens/provider-read"
verified provider-read $provider $pool "condor:/READ"
expect "a login with storage scopes" 0 'logged in at' approved xrd-token-helper login --write
expect "a storage token" 0 '' user xrd-token-helper --write --server $server --file "$W/tokens/provider-xrd"
expect "XRootD accepts it" 0 'read me' rooted provider-xrd xrdfs $server cat /store/write.txt
expect "compute tokens still work" 0 '^eyJ' user condor-token-helper --force-new --ce other.example.org
expect "logout" 0 'logged out' user condor-token-helper -v logout
expect "nothing is left" 3 'there is no login' user condor-token-helper --ce $pool

eval "$(user oidc-agent --quiet --socket-path="$n/sock" --no-autoreauthenticate)" >/dev/null
expect "oidc-gen, the old way" 0 'Everything setup correctly' approved oidc-gen -w device --issuer $provider \
	--scope "openid wlcg offline_access compute.read compute.create compute.modify compute.cancel" --cp "$pki/ca.pem" --pw-file="$n/pw" --confirm-yes e2e
expect "oidc-token, the old way" 0 '^eyJ' user oidc-token --aud=$pool e2e
expect "condor-token-helper from that agent" 0 '' user condor-token-helper --from oidc-agent --ce $pool --file "$W/tokens/provider-agent"
verified provider-agent $provider $pool "compute.cancel:/ compute.create:/ compute.modify:/ condor:/READ condor:/WRITE"
expect "HTCondor accepts that too" 0 'succeeded' as provider-agent condor_ping -pool $pool -type COLLECTOR WRITE
kill "$OIDCD_PID"
unset OIDC_SOCK OIDCD_PID

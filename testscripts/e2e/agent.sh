# A real oidc-agent: the old workflow with the test issuer, then the helpers over the agent's
# socket, plain and encrypted, and with an agent that is locked, empty or not running.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, the issuers and the servers come from the other parts

g=$W/agent
mkdir -m 700 "$g" "$g/home"
mkdir -m 700 "$g/home/.oidc-agent"
echo secret >"$g/pw"

# old ARG... runs a command of oidc-agent with its home directory.
old() {
	HOME=$g/home "$@"
}
# fresh ARG... runs condor-token-helper without a login and without a cache.
fresh() {
	HOME=$g/home XDG_RUNTIME_DIR=$g XDG_CACHE_HOME='' TOKEN_HELPER_FORCE_NEW=1 condor-token-helper "$@"
}
export g
export -f old fresh
eval "$(old oidc-agent --quiet --socket-path="$g/sock" --no-autoreauthenticate)" >/dev/null
expect "oidc-gen creates an account by device flow" 0 'Everything setup correctly' old \
	oidc-gen -w device --issuer "$wlcg" --scope "wlcg offline_access compute.read compute.create compute.modify compute.cancel read:/ write:/" \
	--cp "$pki/ca.pem" --pw-file="$g/pw" --confirm-yes e2e
expect "oidc-token gets a token for an audience" 0 '^eyJ' old oidc-token --aud=$pool e2e

expect "condor-token-helper gets one from the agent, by issuer" 0 '' fresh --from oidc-agent --ce $pool --file "$W/tokens/agent"
verified agent "$wlcg" $pool "compute.cancel:/ compute.create:/ compute.modify:/ condor:/READ condor:/WRITE"
expect "HTCondor accepts the agent's token" 0 'succeeded' as agent condor_ping -pool $pool -type COLLECTOR WRITE
expect "by account name, with --read" 0 '' fresh --from oidc-agent --account e2e --read --ce $pool --file "$W/tokens/agent-read"
verified agent-read "$wlcg" $pool "condor:/READ"
expect "xrd-token-helper gets one from the agent" 0 '' old env XDG_RUNTIME_DIR="$g" XDG_CACHE_HOME= xrd-token-helper --from oidc-agent --write --server $server --file "$W/tokens/agent-xrd"
expect "XRootD accepts the agent's token" 0 'read me' rooted agent-xrd xrdfs $server cat /store/write.txt
expect "the default order reaches the agent" 0 '^eyJ' fresh --ce $pool
expect "sources shows what the agent has loaded" 0 'loaded e2e' fresh sources --ce $pool
expect "an account that does not exist" 4 'No account configured' fresh --from oidc-agent --account nobody --ce $pool

# set_lock -x|-X locks or unlocks the agent; it asks for the password on a terminal.
set_lock() {
	old python3 - "$1" <<'PY'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    os.execvp("oidc-add", ["oidc-add", sys.argv[1]])
said = b""
while True:
    try:
        part = os.read(fd, 1024)
    except OSError:
        break
    said += part
    if b"password: " in part:
        os.write(fd, b"pw\n")
sys.stdout.write(said.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
}
export -f set_lock
expect "oidc-agent is locked" 0 'Agent locked' set_lock -x
expect "locked, requested by name" 4 'Agent locked' fresh --from oidc-agent --ce $pool
expect "locked, in the default order" 3 'there is no login' fresh -v --ce $pool
expect "oidc-agent is unlocked" 0 'nlocked' set_lock -X
expect "a token from the unlocked agent" 0 '^eyJ' fresh --from oidc-agent --ce $pool

socat TCP-LISTEN:42424,fork,bind=127.0.0.1,reuseaddr "UNIX-CONNECT:$g/sock" &
proxy=$!
await "the proxy to the agent" socat -u OPEN:/dev/null TCP:127.0.0.1:42424
remote() {
	OIDC_SOCK='' OIDC_REMOTE_SOCK=127.0.0.1 fresh "$@"
}
export -f remote
expect "a remote agent, encrypted" 0 '^eyJ' remote --from oidc-agent --ce $pool
expect "a remote agent, encrypted: an unknown account" 4 'No account configured' remote --from oidc-agent --account nobody --ce $pool
kill $proxy

kill "$OIDCD_PID"
rm -f "$g/sock"
eval "$(old oidc-agent --quiet --socket-path="$g/sock" --no-autoreauthenticate)" >/dev/null
expect "restarted without the account, requested by name" 4 'account not loaded' fresh --from oidc-agent --ce $pool
expect "sources shows that no account is loaded" 0 'account loaded' fresh sources --ce $pool
expect "restarted without the account, in the default order" 3 'there is no login' fresh -v --ce $pool
expect "oidc-add loads it again" 0 success old oidc-add --pw-file="$g/pw" e2e
expect "a token from the loaded account" 0 '^eyJ' fresh --from oidc-agent --ce $pool
kill "$OIDCD_PID"
expect "killed, requested by name" 5 'connection refused|connection reset|no such file' fresh --from oidc-agent --ce $pool
expect "killed, in the default order" 3 'there is no login' fresh -v --ce $pool
unset OIDC_SOCK OIDCD_PID

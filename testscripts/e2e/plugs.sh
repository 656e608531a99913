# Other programs that get their tokens from the helpers: kubectl, git, rclone, curl, davix,
# gfal2, Python and HTCondor's tools. It needs the parts issuers, xrootd and condor.
# shellcheck shell=bash
# shellcheck disable=SC2016  # the scripts are expanded by other shells
# shellcheck disable=SC2154  # root, here, pki, x, c and tree come from the other parts

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

p=$W/plugs
mkdir -p "$p"/{bin,repositories,nobody}
chmod 700 "$p/nobody"
for name in condor xrd; do
	ln -s "$W/bin/$name-token-helper" "$p/bin/kubectl-${name}_token"
	ln -s "$W/bin/$name-token-helper" "$p/bin/git-credential-$name-token"
done

# An issuer that counts requests, and a server that accepts only its tokens.
start_issuer plugs 18470
site=https://localhost:18471
"$W/bin/tokenserver" -addr 127.0.0.1:18471 -cert "$pki/host.pem" -key "$pki/host.key" -ca "$pki/ca.pem" \
	-issuer https://localhost:18470 -audience $site -refuse "$p/refuse" -git "$p/repositories" -proxy http://127.0.0.1:18472 >"$p/server.log" 2>&1 &
await "the token server" curl -s --cacert "$pki/ca.pem" -o /dev/null $site/version
expect "the login for the other programs" 0 'logged in' condor-token-helper login --issuer https://localhost:18470
expect "a second login adds storage scopes" 0 'logged in' xrd-token-helper login --issuer https://localhost:18470 --read

expect "the doctor finds no problem" 0 '"check": "clock"' xrd-token-helper doctor --issuer https://localhost:18470 --server $site -o json
expect "config shows the origin of each setting" 0 '--keyring +file \(TOKEN_HELPER_KEYRING\)' xrd-token-helper config

# inside SUITE COMMAND... runs a command in the tree of a suite, with the helpers in PATH and
# without the machine's environment.
inside() {
	local tree=$E2E_CACHE/clients-$1
	shift
	env -i PATH="$p/bin:$W/bin:/usr/bin:/bin" HOME="$HOME" XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" XDG_CACHE_HOME="$XDG_CACHE_HOME" LANG=C.UTF-8 \
		TOKEN_HELPER_ISSUER=https://localhost:18470 TOKEN_HELPER_CAFILE="$TOKEN_HELPER_CAFILE" TOKEN_HELPER_KEYRING=file \
		TOKEN_HELPER_PASSPHRASE_FILE="$TOKEN_HELPER_PASSPHRASE_FILE" \
		GIT_CONFIG_GLOBAL="$p/gitconfig" GIT_TERMINAL_PROMPT=0 KUBECONFIG="${KUBECONFIG:-}" "$(command -v chroot)" "$tree" "$@"
}
for suite in bookworm trixie; do
	tree_of=$E2E_CACHE/clients-$suite
	mount --bind "$tree_of" "$tree_of"
	mount --bind /dev "$tree_of/dev"
	mount -t tmpfs tmpfs "$tree_of/tmp"
	mkdir -p "$tree_of$W"
	mount --bind "$W" "$tree_of$W"
done
export p
export -f inside

# served FROM PATTERN counts the lines in the server's log after line FROM.
served() { tail -n "+$(($1 + 1))" "$p/server.log" | grep -cE -- "$2" || true; }
forget() { rm -f "$XDG_RUNTIME_DIR"/token-helpers/*.token; }
so_far() { wc -l <"$p/server.log"; }

# --- kubectl

# kubeconfig FILE VERSION FLAGS EXTRA writes a kubeconfig whose user is a helper.
kubeconfig() {
	cat >"$p/$1" <<-CONF
		apiVersion: v1
		kind: Config
		clusters: [{name: e2e, cluster: {server: $site, certificate-authority: $pki/ca.pem}}]
		contexts: [{name: e2e, context: {cluster: e2e, user: me}}]
		current-context: e2e
		users:
		- name: me
		  user:
		    exec:
		      apiVersion: client.authentication.k8s.io/$2
		      command: condor-token-helper
		      args: [$3, "--scope", "compute.read", "-o", "exec-credential"]
		      $4
	CONF
}
kubeconfig kube-bookworm v1beta1 "\"--aud\", \"$site\"" ""
kubeconfig kube-trixie v1 "\"--aud\", \"$site\"" "interactiveMode: IfAvailable"
for suite in bookworm trixie; do
	export KUBECONFIG=$p/kube-$suite
	forget
	expect "$suite: the version of kubectl" 0 'Client Version' inside $suite kubectl version --client
	before=$(requests token) line=$(so_far)
	expect "$suite: kubectl gets a token from the helper" 0 'gitVersion' inside $suite kubectl get --raw /version
	expect "$suite: and again" 0 'gitVersion' inside $suite kubectl get --raw /version
	count_check "$suite: with one request, because the second token is cached" "$(($(requests token) - before))" 1
	count_check "$suite: with a bearer token each time" "$(served "$line" '^200 GET Bearer /version$')" 2
	expect "$suite: kubectl lists namespaces" 0 '^default ' inside $suite kubectl get namespaces
	# Without a login the helper does not prompt, and kubectl shows its hint.
	expect "$suite: without a login, kubectl shows the command" ! 'condor-token-helper login --aud' env HOME="$p/nobody" XDG_RUNTIME_DIR="$p/nobody" XDG_CACHE_HOME="$p/nobody" bash -c 'inside "$@"' bash $suite kubectl get --raw /version
	expect "$suite: kubectl lists the plugins" 0 'kubectl-condor_token' inside $suite kubectl plugin list
	expect "$suite: kubectl lists both plugins" 0 'kubectl-xrd_token' inside $suite kubectl plugin list
	expect "$suite: kubectl condor-token" 0 '^eyJ' inside $suite kubectl condor-token --aud $site --scope compute.read
	expect "$suite: kubectl xrd-token" 0 '^Authorization: Bearer eyJ' inside $suite kubectl xrd-token --read --server $site -o header
	expect "$suite: the help shows the command as the user types it" 0 '^Usage: kubectl xrd-token ' inside $suite kubectl xrd-token --help
done
kubeconfig kube-never v1 "\"--aud\", \"$site\"" "interactiveMode: Never"
KUBECONFIG=$p/kube-never expect "kubectl with interactiveMode Never" 0 'gitVersion' inside trixie kubectl get --raw /version
kubeconfig kube-other v1 '"--aud", "https://other.example.org"' "interactiveMode: Never"
KUBECONFIG=$p/kube-other expect "a token for another server is refused" 1 'nauthorized|logged in' inside trixie kubectl get --raw /version
unset KUBECONFIG

# --- git

host_git() { git -c init.defaultBranch=main -c user.name=e2e -c user.email=e2e@localhost "$@"; }
host_git init -q --bare "$p/repositories/repo"
host_git -C "$p/repositories/repo" config http.receivepack true
host_git clone -q "$p/repositories/repo" "$p/work" 2>/dev/null
echo "cloned with a token" >"$p/work/README"
host_git -C "$p/work" add README
host_git -C "$p/work" commit -q -m "Begin"
host_git -C "$p/work" push -q origin HEAD:main

# gitconfig HELPER writes the configuration of git's user.
gitconfig() {
	printf '[user]\n\tname = e2e\n\temail = e2e@localhost\n[http]\n\tsslCAInfo = %s\n' "$pki/ca.pem" >"$p/gitconfig"
	[ -z "$1" ] || printf '[credential "%s"]\n\thelper = "%s"\n' $site "$1" >>"$p/gitconfig"
}
# cloned SUITE PATH clones a repository and prints its README.
cloned() {
	rm -rf "$p/clone" && inside "$1" git clone -q "$site$2" "$p/clone" && cat "$p/clone/README"
}
# pushed SUITE commits and pushes.
pushed() {
	echo "pushed by $1" >>"$p/clone/README"
	inside "$1" git -C "$p/clone" commit -q -a -m "Go on" && inside "$1" git -C "$p/clone" push -q origin HEAD:main
}
export -f cloned pushed
export site
for suite in bookworm trixie; do
	forget
	scheme=$([ $suite = bookworm ] && echo Basic || echo Bearer)
	gitconfig ""
	expect "$suite: git $(inside $suite git --version | grep -o '[0-9.]*$') without a helper" 128 'could not read Username' cloned $suite /git/repo
	gitconfig '!xrd-token-helper git-credential'
	before=$(requests token) line=$(so_far)
	expect "$suite: git clones with a token" 0 '^cloned with a token$' cloned $suite /git/repo
	holds_scheme=$(served "$line" "^200 [A-Z]+ $scheme /git/repo/")
	result "$suite: git sends it as $scheme ($holds_scheme requests)" "$([ "$holds_scheme" -gt 0 ] && echo 0 || echo 1)"
	count_check "$suite: and not with the other scheme" "$(served "$line" "^200 [A-Z]+ $([ "$scheme" = Basic ] && echo Bearer || echo Basic) ")" 0
	expect "$suite: git pushes with a token" 0 '' pushed $suite
	line=$(so_far)
	expect "$suite: from a server that accepts tokens only as passwords" 0 '^cloned with a token$' cloned $suite /password/repo
	result "$suite: as the password of a user" "$([ "$(served "$line" '^200 [A-Z]+ Basic /password/repo/')" -gt 0 ] && echo 0 || echo 1)"
	gitconfig 'xrd-token --read'
	expect "$suite: with the helper's link" 0 '^cloned with a token$' cloned $suite /git/repo
	count_check "$suite: all with one token" "$(($(requests token) - before))" 1
	# A token that the server refuses is removed from the cache.
	xrd-token-helper --issuer https://localhost:18470 --read --server $site >"$p/refuse"
	expect "$suite: the server refuses the token" 128 'Authentication failed' cloned $suite /git/repo
	expect "$suite: the next time git gets a new token" 0 '^cloned with a token$' cloned $suite /git/repo
	count_check "$suite: one more request" "$(($(requests token) - before))" 2
	rm "$p/refuse"
	gitconfig '!condor-token-helper git-credential --scope compute.read'
	expect "$suite: with the other helper" 0 '^cloned with a token$' cloned $suite /git/repo
done

# --- clients of XRootD

storage=https://localhost:11443
expect "curl reads the header from stdin" 0 'read me' bash -c "xrd-token-helper --read --server $storage -o header | curl -sS --fail-with-body --cacert '$pki/ca.pem' -H @- $storage/store/write.txt"
expect "curl writes" 0 '20[01]$' bash -c "xrd-token-helper --write --server $storage -o header | curl -sS --fail-with-body --cacert '$pki/ca.pem' -H @- -w '%{http_code}\n' -T '$x/in.txt' $storage/store/plugs.txt"
expect "davix lists" 0 'plugs.txt' bash -c "davix-ls --capath '$x/certificates' -H \"\$(xrd-token-helper --read --server $storage -o header)\" $storage/store/"
expect "davix reads" 0 'read me' bash -c "davix-get --capath '$x/certificates' -H \"\$(xrd-token-helper --read --server $storage -o header)\" $storage/store/plugs.txt /dev/stdout"
expect "gfal2 finds BEARER_TOKEN" 0 'plugs.txt' bash -c "t=\$(xrd-token-helper --read --server $storage -o env) && eval \"\$t\" && PYTHONPATH= /usr/bin/python3 /usr/bin/gfal-ls davs://localhost:11443/store"
expect "gfal2 writes" 0 '' bash -c "t=\$(xrd-token-helper --write --server $storage -o env) && eval \"\$t\" && PYTHONPATH= /usr/bin/python3 /usr/bin/gfal-copy -f file://$x/in.txt davs://localhost:11443/store/plugs-gfal.txt"
expect "Python reads" 0 'read me' env PYTHONPATH="$root/docs/examples" python3 -c 'import ssl, sys, token_helper, urllib.request
url = sys.argv[1]
request = urllib.request.Request(url, headers=token_helper.header("xrd-token-helper", "--read", "--server", url))
with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=sys.argv[2])) as response:
    print(response.read().decode())' $storage/store/plugs.txt "$pki/ca.pem"
expect "Python gets the reason why there is no token" 0 '^3 .*log in with' env HOME="$p/nobody" XDG_RUNTIME_DIR="$p/nobody" XDG_CACHE_HOME="$p/nobody" PYTHONPATH="$root/docs/examples" python3 -c 'import subprocess, token_helper
try:
    token_helper.token("xrd-token-helper", "--read")
except subprocess.CalledProcessError as error:
    print(error.returncode, error.stderr.replace("\n", " "))'

# rclone runs its token command again when the token is refused.
rclone_of() {
	rclone --config /dev/null --ca-cert "$pki/ca.pem" --retries 1 --low-level-retries 2 --timeout 20s --webdav-vendor other --webdav-url "$1" --webdav-bearer-token-command "$2" "${@:3}"
}
export -f rclone_of
expect "rclone lists XRootD" 0 'plugs.txt' rclone_of $storage/store "xrd-token-helper --read --server $storage" lsf :webdav:
expect "rclone reads from XRootD" 0 'read me' rclone_of $storage/store "xrd-token-helper --read --server $storage" cat :webdav:plugs.txt
expect "rclone without a token" ! '403|40[13]' rclone_of $storage/store "echo none" lsf :webdav:
mkdir "$p/dav"
echo "behind WebDAV" >"$p/dav/file.txt"
rclone --config /dev/null serve webdav --addr 127.0.0.1:18472 "$p/dav" >"$p/dav.log" 2>&1 &
await "rclone's WebDAV server" curl -s -o /dev/null http://127.0.0.1:18472/
line=$(so_far)
expect "rclone lists a WebDAV server that checks the token" 0 'file.txt' rclone_of $site "xrd-token-helper --issuer https://localhost:18470 --read --server $site" lsf :webdav:
result "and sends a bearer token" "$([ "$(served "$line" '^200 PROPFIND Bearer /')" -gt 0 ] && echo 0 || echo 1)"
expect "rclone writes to it" 0 '' rclone_of $site "xrd-token-helper --issuer https://localhost:18470 --read --server $site" copyto "$x/in.txt" :webdav:written.txt
expect "rclone with a token for another server" ! '401' rclone_of $site "xrd-token-helper --issuer https://localhost:18470 --read --server https://other.example.org" lsf :webdav:

# --- HTCondor's variable

condor-token-helper --ce localhost:9619 --file "$W/tokens/plugs"
install -m 600 -o 4242 -g 4242 "$W/tokens/plugs" "$c/client/plugs"
expect "HTCondor finds _CONDOR_SCITOKENS_FILE" 0 'succeeded|SUCCEED' env -i PATH=/usr/bin:/usr/sbin HOME=/home/tester CONDOR_CONFIG=/etc/condor/condor_config \
	_CONDOR_SCITOKENS_FILE=/e2e/client/plugs _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS \
	chroot --userspec=4242:4242 "$tree" condor_ping -pool localhost:9619 -type COLLECTOR WRITE

# --- the commands of the documentation, with the hosts of these tests

mkdir "$p/documented" "$p/wrap"
cp "$x/in.txt" "$x/data/store/file.txt"
printf '#!/bin/sh\nPYTHONPATH= exec /usr/bin/python3 /usr/bin/gfal-ls "$@"\n' >"$p/wrap/gfal-ls"
printf '#!/bin/sh\nexec davix-ls.real --capath "%s" "$@"\n' "$x/certificates" >"$p/wrap/davix-ls"
sed 's/davix-ls.real/davix-get.real/' "$p/wrap/davix-ls" >"$p/wrap/davix-get"
for name in davix-ls davix-get; do ln -s "$(command -v $name)" "$p/wrap/$name.real"; done
# HTCondor's tools, git and kubectl are in separate trees.
cat >"$p/wrap/condor_ping" <<WRAP
#!/bin/bash
install -m 600 -o 4242 -g 4242 "\$_CONDOR_SCITOKENS_FILE" "$c/client/documented"
env -i PATH=/usr/bin:/usr/sbin HOME=/home/tester CONDOR_CONFIG=/etc/condor/condor_config \\
	_CONDOR_SCITOKENS_FILE=/e2e/client/documented _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS \\
	/usr/sbin/chroot --userspec=4242:4242 "$tree" condor_ping "\$@"
WRAP
for name in git kubectl; do
	printf '#!/bin/bash\ncd / && inside trixie %s "$@"\n' $name >"$p/wrap/$name"
done
chmod 755 "$p"/wrap/*
gitconfig ""

# documented COMMAND runs a command of the page.
documented() {
	cd "$p/documented" && PATH=$p/wrap:$PATH SSL_CERT_FILE=$W/bundle.pem CURL_CA_BUNDLE=$W/bundle.pem RCLONE_CA_CERT=$W/bundle.pem bash -c "$1"
}
export -f documented
n=0
while IFS= read -r command; do
	case $command in
	*git.example.org* | *k8s.example.org*) issuer=https://localhost:18470 ;;
	*) issuer=$wlcg ;;
	esac
	command=${command//x.example.org:1094/localhost:11443}
	command=${command//git.example.org\/group\/repository repository/localhost:18471\/git\/repo $p\/documented\/repository}
	command=${command//git.example.org/localhost:18471}
	command=${command//k8s.example.org/localhost:18471}
	command=${command//ce.example.org:9619/localhost:9619}
	command=${command//ce.example.org/localhost:9619}
	TOKEN_HELPER_ISSUER=$issuer expect "documented: ${command:0:60}" 0 '' documented "$command"
	n=$((n + 1))
done < <(awk '/^<!-- not run/ { skip = 1 } /^[^ <]/ { if (skip && seen) skip = seen = 0 } /^    / { if (skip) seen = 1; else print substr($0, 5) }' "$root/docs/integrations.md" |
	grep -E '^(t=|env |curl|rclone|davix|kubectl|git|xrd-token-helper|condor-token-helper)')
result "all $n commands of the page were run" "$([ "$n" -ge 16 ] && echo 0 || echo 1)"
count_check "the cloned repository" "$(head -n 1 "$p/documented/repository/README")" "cloned with a token"

# --- shells

for shell in dash bash; do
	expect "$shell sets the token in its environment" 0 '^eyJ' $shell -c 't=$(condor-token-helper --ce localhost:9619 -o env) && eval "$t" && printenv BEARER_TOKEN'
	expect "$shell fails if the helper fails" 3 'log in with' env HOME="$p/nobody" XDG_RUNTIME_DIR="$p/nobody" XDG_CACHE_HOME="$p/nobody" $shell -c 't=$(condor-token-helper --ce localhost:9619 -o env) && eval "$t" && echo not reached'
	expect "$shell: so does a script with set -e" 3 'log in with' env HOME="$p/nobody" XDG_RUNTIME_DIR="$p/nobody" XDG_CACHE_HOME="$p/nobody" $shell -ec 't=$(condor-token-helper --ce localhost:9619 -o env); eval "$t"; echo reached'
done
kill "$issuer_pid"

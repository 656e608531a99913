# The manifests and archives for krew, kubectl's plugin manager: validated as for krew's index,
# then installed, used, upgraded and removed by a user with the real krew and kubectl. The archives
# come from a web server at the URLs of the release. It needs the parts issuers and packages.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each COMMAND is expanded by another shell
# shellcheck disable=SC2154  # p, dist, pki and the issuers come from the other parts

k=$p/krew
machine krew clients-bookworm
install -m 755 "$(echo "$E2E_CACHE"/krew-*/krew)" "$k/usr/local/bin/kubectl-krew"
install -m 755 "$(echo "$E2E_CACHE"/krew-*/validate-krew-manifest)" "$k/usr/local/bin/"

# A web server for the archives, which also is an API server that requires a token.
mkdir "$p/web"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=example.org \
	-addext subjectAltName=DNS:example.org -keyout "$p/web/key.pem" -out "$p/web/cert.pem" 2>"$p/web/openssl.log"
cat >"$p/web/server.py" <<'PY'
import http.server, os, ssl, sys
directory, dist = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/releases/1.0.0/")
        if name != self.path and name in os.listdir(dist):
            with open(os.path.join(dist, name), "rb") as f:
                self.answer(200, f.read())
        elif self.path == "/version" and self.headers["Authorization"].startswith("Bearer eyJ"):
            self.answer(200, b'{"gitVersion": "v1.30.0"}')
        else:
            self.answer(404, b"not found")
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
python3 "$p/web/server.py" "$p/web" "$dist" >"$p/web/log" 2>&1 &
web=$!
await "the web server" curl -s --cacert "$p/web/cert.pem" --resolve example.org:443:127.0.0.1 -o /dev/null https://example.org/
echo '127.0.0.1 localhost example.org' >"$k/etc/hosts"
cp "$p/web/cert.pem" "$k/usr/local/share/ca-certificates/e2e.crt"
expect "the web server's certificate is trusted" 0 '1 added' on krew update-ca-certificates
cp "$pki/ca.pem" "$TOKEN_HELPER_PASSPHRASE_FILE" "$k/home/me/"
mkdir -p "$k"/home/me/{dist,index/plugins}
cp "$dist"/{condor,xrd}-token.yaml "$dist"/kubectl-*-linux-"$machine".tar.gz "$k/home/me/dist/"
on krew chown -R me:me /home/me

# user COMMAND... runs a command as a user who has installed krew according to its documentation.
user() {
	chroot --userspec=me:me "$p/krew" env -i PATH=/home/me/.krew/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/me LANG=C.UTF-8 \
		TOKEN_HELPER_ISSUER="$wlcg" TOKEN_HELPER_CAFILE=/home/me/ca.pem TOKEN_HELPER_KEYRING=file TOKEN_HELPER_PASSPHRASE_FILE=/home/me/passphrase \
		GIT_AUTHOR_NAME=me GIT_AUTHOR_EMAIL=me@localhost GIT_COMMITTER_NAME=me GIT_COMMITTER_EMAIL=me@localhost sh -c 'cd && "$@"' user "$@"
}
# plugin_files lists what krew has installed, without its copies of indexes.
plugin_files() { (cd "$k/home/me/.krew" && find . -path ./index -prune -o \( ! -type d -o -name '*-token' \) -print | sort); }
export k wlcg
export -f user plugin_files

for plugin in condor-token xrd-token; do
	expect "krew's validator installs $plugin for each platform" 0 'all 6 spec.platforms installed fine' user validate-krew-manifest -manifest "dist/$plugin.yaml"
done

# An index with an earlier version, which has the same archives.
user sh -c 'sed "s/^  version: v1.0.0$/  version: v0.9.0/" dist/condor-token.yaml >index/plugins/condor-token.yaml &&
	sed "s/^  version: v1.0.0$/  version: v0.9.0/" dist/xrd-token.yaml >index/plugins/xrd-token.yaml &&
	cd index && git init -q && git add . && git commit -q -m Begin'
expect "krew adds an index" 0 '' user kubectl krew index add tokens file:///home/me/index
expect "krew shows the whole short description" 0 '^tokens/condor-token +Get tokens for HTCondor and other services +no$' user kubectl krew search condor-token

expect "krew installs a manifest and an archive" 0 'Installed plugin: condor-token' user kubectl krew install --manifest=dist/condor-token.yaml --archive="dist/kubectl-condor-token-1.0.0-linux-$machine.tar.gz"
expect "and downloads an archive" 0 'Installed plugin: xrd-token' user kubectl krew install --manifest=dist/xrd-token.yaml
expect "a wrong archive is rejected" 1 'checksum does not match' user env KREW_ROOT=/home/me/other kubectl krew install --manifest=dist/xrd-token.yaml --archive="dist/kubectl-condor-token-1.0.0-linux-$machine.tar.gz"
expect "krew lists the plugins" 0 '^detached/condor-token detached/xrd-token $' bash -c 'user kubectl krew list | tr "\n" " "'
expect "kubectl lists condor-token" 0 '^/home/me/.krew/bin/kubectl-condor_token$' user kubectl plugin list
expect "and xrd-token, without a warning" 0 '^/home/me/.krew/bin/kubectl-xrd_token$' user kubectl plugin list
expect "the licences are installed" 0 '^4$' bash -c 'plugin_files | grep -cE "/v1.0.0/(LICENSE|THIRD-PARTY-NOTICES)$"'
for plugin in condor-token xrd-token; do
	expect "kubectl $plugin --version shows this name" 0 "^kubectl $plugin 1.0.0\$" user kubectl $plugin --version
	expect "so does kubectl $plugin --help" 0 "^Usage: kubectl $plugin " user kubectl $plugin --help
	expect "and no other one" 1 '^$' bash -c 'user kubectl "$1" --help | grep -e "$1-helper "' bash $plugin
done
# The kubeconfig names the command that krew has installed.
user sh -c 'mkdir .kube && cat >.kube/config' <<CONF
apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "https://example.org"}}]
contexts: [{name: e2e, context: {cluster: e2e, user: me}}]
current-context: e2e
users:
- name: me
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: kubectl-condor_token
      args: ["--aud", "https://example.org", "--scope", "compute.read", "-o", "exec-credential"]
CONF
expect "without a login, the hint has the plugin's name" 1 'kubectl condor-token login' user kubectl get --raw /version
expect "kubectl condor-token login" 0 'logged in' user kubectl condor-token login
expect "the plugin is kubectl's credential plugin" 0 'gitVersion' user kubectl get --raw /version
expect "kubectl xrd-token uses the same login" 0 "^login at $wlcg\$" user kubectl xrd-token status

expect "krew removes the plugins" 0 'Uninstalled plugin: xrd-token' user kubectl krew uninstall condor-token xrd-token
expect "nothing is left behind" 0 '^$' plugin_files
expect "the login stays" 0 "$wlcg" user sh -c 'tar -xzf dist/kubectl-condor-token-*.tar.gz condor-token-helper && ./condor-token-helper status'

expect "krew installs both from the index" 0 'Installed plugin: xrd-token' user kubectl krew install tokens/condor-token tokens/xrd-token
user sh -c 'cp dist/*.yaml index/plugins/ && cd index && git commit -q -a -m Release'
expect "krew upgrades both" 0 'Upgraded plugin: tokens/xrd-token' user kubectl krew upgrade
expect "the earlier version is gone" 0 '^\./store/condor-token/v1.0.0 \./store/xrd-token/v1.0.0 $' bash -c 'cd "$k/home/me/.krew" && find ./store -mindepth 2 -maxdepth 2 | sort | tr "\n" " "'
expect "the login is there after the upgrade" 0 '"gitVersion"' user kubectl get --raw /version
expect "krew removes them" 0 'Uninstalled plugin: xrd-token' user kubectl krew uninstall condor-token xrd-token
expect "nothing is left behind after the upgrade" 0 '^$' plugin_files
kill $web

# A real XRootD, over root:// and https.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the issuers come from issuers.sh

x=$W/xrootd
mkdir -p "$x"/{data/store/user,log,admin,tls,cache,certificates}
cp "$pki"/host.pem "$pki"/host.key "$x/tls/"
cp "$pki/ca.pem" "$x/certificates/$(openssl x509 -hash -noout -in "$pki/ca.pem").0"
cat >"$x/xrootd.cfg" <<CONF
all.role server
all.export /
oss.localroot $x/data
all.adminpath $x/admin
all.pidpath $x/admin
xrd.port 11094
xrd.allow host localhost
xrd.tls $x/tls/host.pem $x/tls/host.key
xrd.tlsca certfile $pki/ca.pem
xrootd.tls capable all
xrootd.seclib libXrdSec.so
sec.protocol ztn
sec.protbind * ztn
ofs.authorize 1
ofs.authlib libXrdAccSciTokens.so config=$x/scitokens.cfg
scitokens.trace all
xrd.protocol http:11443 libXrdHttp.so
http.header2cgi Authorization authz
CONF
# The same audiences for both protocols, in the form of the WLCG profile.
cat >"$x/scitokens.cfg" <<CONF
[Global]
audience = https://localhost:11094, https://localhost:11443
onmissing = deny
[Issuer wlcg]
issuer = $wlcg
base_path = /
default_user = tester
[Issuer provider]
issuer = https://localhost:18447
base_path = /
default_user = tester
[Issuer more]
issuer = https://localhost:18448
base_path = /
default_user = tester
[Issuer scitokens]
issuer = $scitokens
base_path = /
default_user = tester
CONF
chown -R xrootd: "$x"
XDG_CACHE_HOME=$x/cache xrootd -R xrootd -c "$x/xrootd.cfg" -l "$x/log/xrootd.log" -n e2e >"$x/out.log" 2>&1 &
await XRootD curl -s --cacert "$pki/ca.pem" -o /dev/null https://localhost:11443/
xlog=$x/log/e2e/xrootd.log

export X509_CERT_DIR=$x/certificates XRD_CONNECTIONRETRY=1 XRD_REQUESTTIMEOUT=20 XRD_STREAMTIMEOUT=20
echo "read me" >"$x/in.txt"

# rooted NAME ARG... runs a command with the token called NAME in BEARER_TOKEN_FILE, where
# XRootD's client reads it.
rooted() {
	local t=$W/tokens/$1
	shift
	BEARER_TOKEN_FILE=$t "$@"
}
# web NAME URL-PATH CURL-FLAG... makes a request over https, prints its status, and fails if
# the status is an error.
web() {
	local t path=$2
	t=$(cat "$W/tokens/$1")
	shift 2
	curl -sS --fail-with-body --cacert "$pki/ca.pem" -K <(echo "header = \"Authorization: Bearer $t\"") \
		-w '%{http_code}\n' "$@" "https://localhost:11443$path"
}
export -f rooted web
export W pki

# why shows the server's log lines about the last refusal.
why() {
	grep -aE "verification failed|not in list|authorized|denied|claim|expired|scitokens_Access" "$xlog" | tail -n 2 | sed 's/^/     server: /' | cut -c -200
	return 0
}

server=root://localhost:11094
get xrd-write xrd-token-helper --write --server $server
get xrd-read xrd-token-helper --read --server $server
get xrd-path xrd-token-helper --write --path /store/user --server $server
get xrd-wlcg xrd-token-helper --profile wlcg --write --server $server
get xrd-create xrd-token-helper --profile wlcg --create --read --server $server
get xrd-elsewhere xrd-token-helper --write --server root://other.example.org
get xrd-scitokens xrd-token-helper --issuer "$scitokens" --write --server $server
get xrd-https xrd-token-helper --write --server https://localhost:11443

for t in write wlcg scitokens; do
	expect "xrd-$t writes over root://" 0 '' rooted "xrd-$t" xrdcp -N -f "$x/in.txt" "$server//store/$t.txt"
	expect "xrd-$t reads over root://" 0 'read me' rooted "xrd-$t" xrdfs "$server" cat "/store/$t.txt"
	expect "xrd-$t writes over https" 0 '20[01]$' web "xrd-$t" "/store/$t-web.txt" -T "$x/in.txt"
	expect "xrd-$t reads over https" 0 'read me' web "xrd-$t" "/store/$t-web.txt"
done
expect "xrd-https writes over https" 0 '20[01]$' web xrd-https /store/https.txt -T "$x/in.txt"

expect "xrd-read reads over root://" 0 'read me' rooted xrd-read xrdfs $server cat /store/write.txt
expect "xrd-read is refused a write over root://" 54 'permission denied' rooted xrd-read xrdcp -N -f "$x/in.txt" $server//store/refused.txt
why
expect "xrd-read is refused a write over https" 22 '403' web xrd-read /store/refused.txt -T "$x/in.txt"
[ ! -e "$x/data/store/refused.txt" ]
result "refused requests wrote nothing" $?

expect "xrd-path writes inside its path" 0 '' rooted xrd-path xrdcp -N -f "$x/in.txt" $server//store/user/inside.txt
expect "xrd-path is refused outside its path over root://" 54 'permission denied' rooted xrd-path xrdcp -N -f "$x/in.txt" $server//store/outside.txt
why
expect "xrd-path is refused outside its path over https" 22 '403' web xrd-path /store/outside.txt -T "$x/in.txt"

expect "xrd-create makes a new file over https" 0 '20[01]$' web xrd-create /store/created.txt -T "$x/in.txt"
expect "xrd-create may not overwrite it" 22 '403' web xrd-create /store/created.txt -T "$x/in.txt"

expect "a token for another server is refused over root://" ! 'permission denied|No protocols left' rooted xrd-elsewhere xrdfs $server cat /store/write.txt
expect "a token for another server is refused over https" 22 '403' web xrd-elsewhere /store/write.txt
why

verified xrd-write "$wlcg" https://localhost:11094 "read:/ write:/"
verified xrd-read "$wlcg" https://localhost:11094 "read:/"
verified xrd-path "$wlcg" https://localhost:11094 "read:/store/user write:/store/user"
verified xrd-wlcg "$wlcg" https://localhost:11094 "modify:/ read:/ write:/"
verified xrd-scitokens "$scitokens" https://localhost:11094 "read:/ write:/"

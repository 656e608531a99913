# A real Keycloak: public and confidential clients, registration and its policies,
# PKCE, rotation, exchange, client credentials, audiences, and accounts and clients
# that are disabled or deleted. The output of the helpers is compared with the sessions,
# clients and events that Keycloak reports.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki comes from the other parts

k=$W/keycloak
kc=https://localhost:18449
grid=$kc/realms/grid
# The audience that the realm's capabilities carry; see keycloak/realm.py.
ce=ce.example.org:9619
mkdir -m 700 "$k" "$k/homes" "$k/data" "$k/tmp"

# The distribution is in the cache. The server writes to the work directory, which contains a
# copy of the database that was created with the build.
keycloak=$E2E_CACHE/keycloak-$(<"$here/keycloak/version")
cp -r "$keycloak/data/." "$k/data"
mount --bind "$k/data" "$keycloak/data"
# Only C1: on few cores the optimizing compiler costs more than it saves in a minute.
JAVA_OPTS_APPEND="-Xmx900m -XX:TieredStopAtLevel=1 -Djava.io.tmpdir=$k/tmp" sh "$keycloak/bin/kc.sh" start --optimized \
	--hostname=$kc --http-host=127.0.0.1 --https-port=18449 --cache=local \
	--https-certificate-file="$pki/host.pem" --https-certificate-key-file="$pki/host.key" >"$k/log" 2>&1 &
keycloak_pid=$!
patience=300 await "Keycloak" curl -sf --cacert "$pki/ca.pem" -o /dev/null $kc/realms/master
python3 "$here/keycloak/realm.py" $kc "$pki/ca.pem" "$k"

# admin METHOD PATH [JSON] calls the administration API of the realm.
admin() {
	curl -sSf --cacert "$pki/ca.pem" -H "@$k/admin" -H 'Content-Type: application/json' \
		-X "$1" "$kc/admin/realms/grid$2" ${3:+-d "$3"}
}
# id_of client|user NAME prints the internal ID, or nothing if there is none.
id_of() {
	case $1 in
	client) admin GET "/clients?clientId=$2" ;;
	user) admin GET "/users?username=$2&exact=true" ;;
	esac | jq -r '.[0].id // empty'
}
# sessions CLIENT counts the valid logins of a client at Keycloak.
sessions() {
	admin GET "/clients/$(id_of client "$1")/offline-session-count" | jq .count
}
# end_sessions CLIENT ends them all, as an administrator does.
end_sessions() {
	local id
	for id in $(admin GET "/clients/$(id_of client "$1")/offline-sessions" | jq -r '.[].id'); do
		admin DELETE "/sessions/$id?isOffline=true"
	done
}
# registered counts the clients that registered themselves.
registered() {
	admin GET /clients | jq '[.[] | select(.name == "token-helpers")] | length'
}
# events TYPE [CLIENT] counts the events since the start of the part.
events() {
	admin GET "/events?max=1000&type=$1${2:+&client=$2}" | jq length
}
# policy NAME deletes a policy for client registration without a token.
policy() {
	admin DELETE "/components/$(admin GET /components | jq -r --arg name "$1" \
		'.[] | select(.name == $name and .subType == "anonymous").id')"
}

# at HOME ARG... runs a command with a separate home, login and cache, and without a terminal.
at() {
	local home=$k/homes/$1
	shift
	[ -d "$home" ] || mkdir -m 700 "$home" "$home/run"
	setsid --wait env -u XDG_CACHE_HOME HOME="$home" XDG_RUNTIME_DIR="$home/run" TOKEN_HELPER_ISSUER=$grid "$@"
}
# person ARG... runs person.py with the cookies in the file $browser, or without cookies if it
# is empty.
person() {
	python3 "$here/keycloak/person.py" "$pki/ca.pem" "${browser:-}" "$@"
}
# approved USER HOME ARG... runs a command that requires a login, and approves it as USER.
# denied is the same, but USER denies the login.
approved() {
	decided 'Device Login Successful' accept=Yes "$@"
}
denied() {
	decided 'Consent denied' cancel=No "$@"
}
decided() {
	local page=$1 button=$2 user=$3 code='' status=0 pid
	shift 3
	: >"$k/said"
	at "$@" 2>>"$k/said" &
	pid=$!
	while [ -z "$code" ] && kill -0 $pid 2>/dev/null; do
		code=$(grep -oE '\b[A-Z]{4}-[A-Z]{4}\b' "$k/said" | head -n 1) || true
		sleep 0.1
	done
	if [ -n "$code" ] && ! person $grid/device "$page" "device_user_code=$code" \
		"username=$user" "password=$(<"$k/password")" "$button"; then
		pkill -P $pid || true
	fi
	wait $pid || status=$?
	cat "$k/said" >&2
	return $status
}
export here k kc grid pki browser=
export -f admin id_of sessions registered events at person approved denied decided

# No secret may be printed: raw, percent-encoded, or encoded for HTTP Basic authentication.
for f in "$k"/*.secret; do
	client=${f##*/}
	secret=$(<"$f")
	encoded=$(jq -rn --arg s "$secret" '$s | @uri')
	printf '%s\n' "$secret" "$encoded" "$(printf %s "${client%.secret}:$encoded" | base64 -w 0)"
done >"$k/never"

# row NAME STATUS STDOUT STDERR COMMAND... runs a command. STATUS, STDOUT and STDERR are
# extended regular expressions for its result: an empty STDOUT or STDERR means that there is
# no output, and - matches anything. The output must not contain a secret, and stderr must not
# contain a token. The output stays in $k/out and $k/err, the latter joined to one
# line.
row() {
	local name=$1 want=$2 out=$3 err=$4 got=0 problems=()
	shift 4
	timeout -k 5 120 bash -c '"$@"' e2e "$@" >"$k/out" 2>"$k/wrapped" </dev/null || got=$?
	sed -E 's/^[a-z-]+:  +//' "$k/wrapped" | paste -sd ' ' >"$k/err"
	[ -s "$k/wrapped" ] || : >"$k/err"
	[[ $got =~ ^($want)$ ]] || problems+=("status $got, want $want")
	matches "$k/out" "$out" || problems+=("stdout is not /$out/")
	matches "$k/err" "$err" || problems+=("stderr is not /$err/")
	! grep -qF -f "$k/never" "$k/out" "$k/err" || problems+=("a secret is shown")
	! grep -qE 'eyJ[A-Za-z0-9_-]{20}' "$k/err" || problems+=("stderr shows a token")
	result "keycloak: $name" ${#problems[@]}
	sed 's/^\(eyJ.\{20\}\).*/\1…/; s/^/     | /' "$k/out" "$k/wrapped" | cut -c -240
	[ ${#problems[@]} = 0 ] || printf '     %s\n' "${problems[@]}"
}
matches() {
	case $2 in
	-) return 0 ;;
	'') [ ! -s "$1" ] ;;
	*) grep -qE -- "$2" "$1" ;;
	esac
}
# stderr_has NAME PATTERN checks that stderr of the last row matches PATTERN, too.
stderr_has() {
	local status=0
	matches "$k/err" "$2" || status=1
	result "keycloak:   … $1" $status
}
# output_lacks NAME PATTERN checks that no output of the last row matches PATTERN.
output_lacks() {
	local status=0
	! grep -qE -- "$2" "$k/out" "$k/err" || status=1
	result "keycloak:   … $1" $status
}
# equals NAME WANT COMMAND... checks that the command prints exactly WANT.
equals() {
	local name=$1 want=$2 got
	shift 2
	got=$("$@") || got="status $?"
	if [ "$got" = "$want" ]; then
		result "keycloak:   … $name" 0
	else
		result "keycloak:   … $name" 1
		printf '     want %s, got %s\n' "$want" "$got"
	fi
}
# claim FILTER prints a claim of the token that the last row printed.
claim() {
	jwt-inspect -o claims "$k/out" | jq -r "$1"
}
token='^eyJ[A-Za-z0-9_.-]+$'
helper=condor-token-helper

# A public client, from login to logout.
row "no login yet" 3 '' "$helper login .*--client-id public" at public $helper --client-id public --ce $ce
row "login of a public client" 0 '' 'logged in' approved alice public $helper login --client-id public
equals "is one login at Keycloak" 1 sessions public
refreshes=$(events REFRESH_TOKEN public)
row "a token with one scope" 0 "$token" '' at public $helper --client-id public --read --ce $ce
equals "takes one refresh" $((refreshes + 1)) events REFRESH_TOKEN public
equals "has only the requested scope" compute.read claim .scope
equals "has the audience" $ce claim .aud
row "the same token from the cache" 0 "$token" '' at public $helper --client-id public --read --ce $ce
equals "is not requested again" $((refreshes + 1)) events REFRESH_TOKEN public
row "a token for scitokens-cpp" 0 '' '' at public $helper --client-id public --ce $ce --file "$W/tokens/keycloak"
verified keycloak $grid $ce "compute.cancel:/ compute.create:/ compute.modify:/ condor:/READ condor:/WRITE"
row "the only login is found without --client-id" 0 "$token" '' at public $helper --force-new --read --ce $ce
row "status" 0 'public' '' at public $helper status
output_lacks "shows no token" 'eyJ'
row "status as JSON" 0 '"clientId": *"public"' '' at public $helper status -o json
output_lacks "shows no token" 'eyJ'

# Keycloak ignores the audience of a refresh request: mappers determine the audience.
row "an audience that no mapper adds" 6 '' 'other\.example\.org' at public $helper --client-id public --read --ce other.example.org
row "a login with more scopes" 0 '' 'logged in' approved alice public xrd-token-helper login --client-id public
equals "revokes the login that it replaces" 1 sessions public
row "a scope without any audience" 6 '' 'se\.example\.org' at public xrd-token-helper --client-id public --server https://se.example.org
row "no audience requested" 0 "$token" '' at public xrd-token-helper --client-id public
row "the new login still has the compute scopes" 0 "$token" '' at public $helper --client-id public --force-new --read --ce $ce

row "logout of a public client" 0 '' 'logged out' at public $helper logout --client-id public
equals "ends the login at Keycloak" 0 sessions public
row "after the logout" 3 '' "$helper login" at public $helper --client-id public --read --ce $ce
row "status after the logout" 0 'no login' '' at public $helper status

# In a browser with a session, all logins of a client share that session: revoking the refresh
# token of one login ends the others.
end_sessions public
browser=$k/cookies
person "$grid/protocol/openid-connect/auth?client_id=portal&response_type=code&redirect_uri=$grid/.well-known/openid-configuration" \
	issuer username=alice "password=$(<"$k/password")"
row "login in a browser with a session" 0 '' 'logged in' approved alice shared $helper login --client-id public
row "a second login in that session" 0 '' 'logged in' approved alice shared $helper login --client-id public
browser=
row "the second login works" 0 "$token" '' at shared $helper --client-id public --read --ce $ce
equals "is one session at Keycloak" 1 sessions public

# An administrator ends the session.
end_sessions public
row "the session was ended at Keycloak" 3 '' "$helper login .*--client-id public" at shared $helper --client-id public --force-new --read --ce $ce
row "status of a login that was ended" 0 '(no longer valid|expired|ended|log in again)' '' at shared $helper status
row "logout of a login that was ended" 0 '' 'logged out' at shared $helper logout --client-id public

# A confidential client. Its secret is saved with the login.
echo wrong >"$k/wrong"
chmod 600 "$k/wrong"
secret=(--client-id confidential --client-secret-file "$k/confidential.secret")
row "login with a wrong client secret" 4 '' 'nvalid client' at confidential $helper login --client-id confidential --client-secret-file "$k/wrong"
row "login of a confidential client" 0 '' 'logged in' approved alice confidential $helper login "${secret[@]}"
row "a token of a confidential client" 0 "$token" '' at confidential $helper "${secret[@]}" --read --ce $ce
row "login with a wrong secret if there is a working login" 4 '' 'nvalid client' at confidential $helper login --client-id confidential --client-secret-file "$k/wrong"
row "keeps the working login" 0 "$token" '' at confidential $helper --client-id confidential --force-new --read --ce $ce
row "status of a confidential client" 0 'confidential' '' at confidential $helper status
row "logout without --client-id" 0 '' 'logged out' at confidential $helper logout
equals "ends the login at Keycloak" 0 sessions confidential

# Keycloak reports these errors only after the approval: it does not check scopes before.
row "a user who may not have offline tokens" 4 '' 'Offline tokens not allowed' approved bob bob $helper login --client-id public
row "a scope that does not exist" 6 '' 'compute\.nosuch' approved alice lacking $helper login --client-id public --scope compute.nosuch

# PKCE, if a client requires it.
row "login of a client that requires PKCE" 0 '' 'logged in' approved alice pkce $helper login --client-id pkce
row "a token of a client that requires PKCE" 0 "$token" '' at pkce $helper --client-id pkce --read --ce $ce
row "logout of a client that requires PKCE" 0 '' 'logged out' at pkce $helper logout --client-id pkce
row "status of a user with a configuration" 0 'no login' '' at configured $helper status
mkdir -p "$k/homes/configured/.config/token-helpers"
cat >"$k/homes/configured/.config/token-helpers/config.toml" <<CONF
[issuer.grid]
url = "$grid"
client-id = "pkce"
pkce = true
CONF
refused=$(events OAUTH2_DEVICE_AUTH_ERROR pkce)
row "login with pkce in the configuration" 0 '' 'logged in' approved alice configured $helper login --issuer grid
equals "is not refused at first" "$refused" events OAUTH2_DEVICE_AUTH_ERROR pkce

# Refresh tokens for a single use.
end_sessions public
row "login before rotation" 0 '' 'logged in' approved alice rotating $helper login --client-id public
admin PUT '' '{"revokeRefreshToken":true,"refreshTokenMaxReuse":0}'
row "the first refresh with rotation" 0 "$token" '' at rotating $helper --client-id public --read --ce $ce
row "the second refresh with rotation" 0 "$token" '' at rotating $helper --client-id public --force-new --read --ce $ce
# crowd runs ten processes at once, each with different scopes, and prints the scopes of their
# tokens.
crowd() {
	local scopes=(read modify cancel create 'read modify' 'read cancel' 'read create'
		'modify cancel' 'modify create' 'cancel create') s flags pids=() status=0
	for s in "${!scopes[@]}"; do
		flags=()
		for f in ${scopes[s]}; do flags+=(--scope "compute.$f"); done
		at rotating condor-token-helper --client-id public --force-new --ce $ce "${flags[@]}" >"$k/crowd.$s" &
		pids+=($!)
	done
	for s in "${pids[@]}"; do wait "$s" || status=$?; done
	for s in "${!scopes[@]}"; do jwt-inspect -o claims "$k/crowd.$s" | jq -r .scope; done | tr ' ' '\n' | sort | uniq -c
	return $status
}
export ce
export -f crowd
refreshes=$(events REFRESH_TOKEN public)
refused=$(events REFRESH_TOKEN_ERROR public)
row "ten processes at once" 0 - '' crowd
equals "get the scopes that each requests" "4 compute.cancel 4 compute.create 4 compute.modify 4 compute.read" xargs -a "$k/out"
equals "with one refresh each" $((refreshes + 10)) events REFRESH_TOKEN public
equals "and none is refused" "$refused" events REFRESH_TOKEN_ERROR public
row "the login still works" 0 "$token" '' at rotating $helper --client-id public --force-new --read --ce $ce
row "logout with rotation" 0 '' 'logged out' at rotating $helper logout --client-id public
equals "ends the login at Keycloak" 0 sessions public
admin PUT '' '{"revokeRefreshToken":false}'

# Client credentials, with a secret full of characters that must be encoded.
robot=(--from client-credentials --client-id robot --client-secret-file "$k/robot.secret")
row "client credentials" 0 '' - at robot $helper "${robot[@]}" --ce $ce --file "$k/robot.token"
stderr_has "names the scope that was not requested" exchangeable
row "a secret from a command" 0 "$token" - at robot $helper "${robot[@]:0:4}" --client-secret-command "cat '$k/robot.secret'" --force-new --read --ce $ce
row "client credentials with a wrong secret" 4 '' 'nvalid client' at robot $helper "${robot[@]:0:4}" --client-secret-file "$k/wrong" --force-new --read --ce $ce
row "a client without a service account" 4 '' 'not enabled to retrieve service account' at robot $helper --from client-credentials "${secret[@]}" --read --ce $ce

# Exchange: Keycloak exchanges a token only for a client that is in its audience.
exchange() {
	local subject=$1
	shift
	at job condor-token-helper --from "exchange:$subject" --client-secret-file "$k/$1.secret" --client-id "$@"
}
export -f exchange
row "login of a user with a job" 0 '' 'logged in' approved alice user $helper login --client-id public
row "a job's token" 0 '' '' at user $helper --client-id public --read --scope offline_access --ce $ce --file "$k/job.token"
row "exchange of a token with another audience" 4 '' 'not within the token audience' exchange "$k/job.token" exchanger --read --ce $ce
output_lacks "is not reported as a denied login" 'login was denied'
row "exchange that the client may not do" 4 '' 'token exchange is not enabled' exchange "$k/robot.token" confidential --read --ce $ce
row "exchange for an audience that Keycloak does not know" 4 '' 'Audience not found' exchange "$k/robot.token" exchanger --read --ce other.example.org
# Without the scope offline_access, a token of an offline login belongs to an online session,
# which has ended: Keycloak considers it invalid.
row "a token without offline_access" 0 '' '' at user $helper --client-id public --read --ce $ce --file "$k/narrow.token"
row "exchange of a token that Keycloak considers invalid" 4 '' 'Invalid token' exchange "$k/narrow.token" exchanger --read --ce $ce
row "logout of the job's user" 0 '' 'logged out' at user $helper logout --client-id public
row "exchange" 0 "$token" '' exchange "$k/robot.token" exchanger --read --ce $ce
equals "has only the requested scope" compute.read claim .scope
equals "has the audience" $ce claim .aud
equals "is issued to the exchanger" exchanger claim .azp

# A user who is disabled temporarily.
row "login before the user is disabled" 0 '' 'logged in' approved alice disabled $helper login --client-id public
admin PUT "/users/$(id_of user alice)" '{"enabled":false}'
row "the user is disabled" '3|4' '' 'User disabled' at disabled $helper --client-id public --read --ce $ce
row "the login is kept" 0 'public' '' at disabled $helper status
admin PUT "/users/$(id_of user alice)" '{"enabled":true}'
row "the user is enabled again" 0 "$token" '' at disabled $helper --client-id public --read --ce $ce
row "logout of that user" 0 '' 'logged out' at disabled $helper logout --client-id public

# A client that is deleted.
row "login of a client to be deleted" 0 '' 'logged in' approved alice doomed $helper login --client-id doomed
admin DELETE "/clients/$(id_of client doomed)"
row "the client was deleted" 3 '' "$helper login" at doomed $helper --client-id doomed --read --ce $ce
row "login of a deleted client" 4 '' 'nvalid client' at doomed $helper login --client-id doomed
row "logout of a deleted client" 0 '' 'logged out' at doomed $helper logout --client-id doomed
row "leaves nothing" 0 'no login' '' at doomed $helper status

# Registration: Keycloak's default policies trust no host. Their order is not fixed.
row "registration is refused" 4 '' "Policy '(Trusted Hosts|Allowed Client Scopes)' rejected" at stranger $helper login
output_lacks "is not reported as a denied login" 'login was denied'
stderr_has "has a hint for --client-id" 'hint: .*--client-id'

# An initial access token allows registration. The client may have the realm's default scopes,
# which do not include openid.
admin POST /clients-initial-access '{"count":1,"expiration":600}' | jq -r .token >"$k/initial"
chmod 600 "$k/initial"
row "registration with an initial access token" 0 '' 'logged in' approved alice invited $helper login --registration-token-file "$k/initial"
equals "registers one client" 1 registered
row "a token of the client registered with an initial access token" 0 "$token" '' at invited $helper --read --ce $ce
row "logout of the client registered with an initial access token" 0 '' 'logged out' at invited $helper logout
equals "deletes the client" 0 registered
row "an initial access token without remaining uses" 4 '' 'No remaining count' at late $helper login --registration-token-file "$k/initial"

# A realm with open registration.
policy 'Trusted Hosts'
policy 'Allowed Client Scopes'
row "the user denies the login" 4 '' 'denied' denied alice open $helper login
row "open registration" 0 '' 'logged in' approved alice open $helper login
equals "registers one client" 1 registered
row "a token of a client registered openly" 0 "$token" '' at open $helper --read --ce $ce
row "logout of a client registered openly" 0 '' 'logged out' at open $helper logout
equals "deletes the client" 0 registered
row "after that logout" 3 '' "$helper login" at open $helper --read --ce $ce

row "open registration again" 0 '' 'logged in' approved alice open $helper login
admin DELETE "/clients/$(admin GET /clients | jq -r '.[] | select(.name == "token-helpers").id')"
row "the helper's client was deleted" 3 '' "$helper login" at open $helper --read --ce $ce
row "login registers a new one" 0 '' 'logged in' approved alice open $helper login
equals "which is the only client" 1 registered
admin DELETE "/clients/$(admin GET /clients | jq -r '.[] | select(.name == "token-helpers").id')"
row "logout after the helper's client was deleted" 0 '' 'logged out' at open $helper logout

row "a last registration" 0 '' 'logged in' approved alice left $helper login
admin POST "/clients/$(admin GET /clients | jq -r '.[] | select(.name == "token-helpers").id')/registration-access-token" >"$k/taken"
row "logout after the registration token was replaced" 4 '' 'client' at left $helper logout
equals "leaves the client" 1 registered

kill $keycloak_pid

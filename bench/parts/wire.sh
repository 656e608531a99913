# Counts the requests to the issuer.
# shellcheck shell=bash disable=SC2016,SC2154

doc '## Requests to the issuer' '' \
	'Requests and connections, each with one TLS handshake, as the test issuer counts them. It' \
	'approves each login at once, so that one poll is enough. The pages where a person enters the code' \
	'do not count.' '' \
	'| what | requests | connections | |' '|---|---|---|---|'

# A new account without logins.
export HOME=$W/other XDG_RUNTIME_DIR=$memory/other
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"
counts >/dev/null
condor-token-helper --from login --from device --ce ce.example.org >/dev/null 2>&1
wire 'first login, with the first token' >>"$W/report"
condor-token-helper --ce other.example.org >/dev/null
wire 'refresh: a token for another audience' >>"$W/report"
condor-token-helper --ce other.example.org >/dev/null
wire 'cached' >>"$W/report"
for i in $(seq 10); do condor-token-helper --ce "ce$i.example.org" >/dev/null; done
wire 'ten audiences in a row' >>"$W/report"
for i in $(seq 10); do condor-token-helper --ce "ce$i.example.org" >/dev/null; done
wire 'the same ten audiences again' >>"$W/report"
day=$(cd "$root" && HOME=$W/home go test -count=1 -run '^TestADayOfRenewals$' -v ./shared/fresh | sed -n 's/.*: \([0-9]*\) renewals in a day/\1/p')
[ -n "$day" ] || die "the test of a day did not count"
doc "| \`--watch\` for a day (computed) | $day | $day | $day token |"
if command -v oidc-agent >/dev/null; then
	export HOME=$W/agent-home
	mkdir -m 700 "$HOME" "$HOME/.oidc-agent"
	[ -e "$W/agent-password" ] || echo secret >"$W/agent-password"
	eval "$(oidc-agent --quiet --socket-path="$W/agent2.sock" --no-autoreauthenticate)" >/dev/null
	children+=("$OIDCD_PID")
	counts >/dev/null
	oidc-gen -w device --issuer "$ISSUER" --scope "wlcg offline_access compute.read compute.create compute.modify compute.cancel" \
		--cp "$CA" --pw-file="$W/agent-password" --confirm-yes wire >"$W/agent.log" 2>&1 || die "oidc-gen: $(tail -n 3 "$W/agent.log")"
	oidc-token wire >/dev/null
	wire 'oidc-agent: first login, with the first token' >>"$W/report"
	oidc-token --force-new wire >/dev/null
	wire 'oidc-agent: refresh' >>"$W/report"
	oidc-token wire >/dev/null
	wire 'oidc-agent: cached, any audience' >>"$W/report"
	for i in $(seq 10); do oidc-token "--aud=ce$i.example.org:9619" wire >/dev/null; done
	wire 'oidc-agent: ten audiences in a row' >>"$W/report"
	for i in $(seq 10); do oidc-token "--aud=ce$i.example.org:9619" wire >/dev/null; done
	wire 'oidc-agent: the same ten audiences again' >>"$W/report"
	doc '| oidc-agent: a token once a minute for a day (computed) | 24 | 24 | 24 token |'
	unset OIDC_SOCK OIDCD_PID
fi
doc '' 'The helpers keep one connection for a login: discovery, registration, the device request, the' \
	'polls, and one refresh that narrows the first token to its audience. A refresh is one request,' \
	'because the discovery document is cached; with `--force-new`, it is fetched again. Tokens for different audiences are different tokens, and' \
	'each is cached.' '' \
	'The day is computed with tokens that are valid for an hour: the test TestADayOfRenewals runs' \
	'`--watch` with an injected clock and the average jitter, and counts its renewals. They come at' \
	'three fifths to two thirds of the lifetime, so that a failure leaves 20 minutes for retries.' \
	"oidc-agent renews a token only on request, and does not cache tokens with an audience: for these," \
	'each call is a request.' ''
export HOME=$W/home XDG_RUNTIME_DIR=$memory/run
[ -z "${sock:-}" ] || export OIDC_SOCK=$sock

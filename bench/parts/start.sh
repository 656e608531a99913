# Measures a cached token.
# shellcheck shell=bash disable=SC2016,SC2154

runs=200
quick && runs=30

# agent starts oidc-agent and logs in at the same issuer, once.
agent() {
	[ -z "${OIDC_SOCK:-}" ] || return 0
	command -v oidc-agent >/dev/null || return 1
	mkdir -m 700 "$HOME/.oidc-agent"
	echo secret >"$W/agent-password"
	eval "$(oidc-agent --quiet --socket-path="$W/agent.sock" --no-autoreauthenticate)" >/dev/null
	children+=("$OIDCD_PID")
	oidc-gen -w device --issuer "$ISSUER" --scope "wlcg offline_access compute.read compute.create compute.modify compute.cancel" \
		--cp "$CA" --pw-file="$W/agent-password" --confirm-yes bench >"$W/agent.log" 2>&1 || die "oidc-gen: $(tail -n 3 "$W/agent.log")"
}

get=(condor-token-helper --ce ce.example.org)
"${get[@]}" >/dev/null
# The login has these scopes.
xget=(xrd-token-helper --server root://ce.example.org --scope compute.read)
"${xget[@]}" >/dev/null
commands=("F0=floor0" "F1=floor1" "condor-token-helper, cached=${get[*]}" "xrd-token-helper, cached=${xget[*]}" "condor-token-helper --version=condor-token-helper --version")
if agent; then
	oidc-token bench >/dev/null
	commands+=("oidc-token, cached=oidc-token bench" "oidc-token --aud, never cached=oidc-token --aud=ce.example.org:9619 bench")
fi
# The helpers must not ask the agent.
sock=${OIDC_SOCK:-}
timed $runs "${commands[@]}"
doc '## A cached token' '' \
	"A new process each time. Runs: $runs. \`oidc-token\` asks oidc-agent, which runs all the time and" \
	'has the token in memory; with an audience, it gets a new token from the issuer each time.' ''
heading F0 F1 >>"$W/report"
rows F0 F1 >>"$W/report"
cached=$(median "condor-token-helper, cached")
doc '' "A cached token takes $(share "$cached" "$(median F1)") times F1 from condor-token-helper, and $(share "$(median "xrd-token-helper, cached")" "$(median F1)") times from xrd-token-helper; the goal was 1.3." \
	'If the machine was busy, compare the CPU times, which are means.'
if [ -n "$sock" ]; then
	agents=$(median "oidc-token, cached")
	doc "$(compare "$cached" "$agents" \
		"It takes % times as long as a token from oidc-agent's memory. oidc-token is a small program in C that asks a daemon, and starts faster than a program in Go can; the helper needs no daemon, and reads and checks a file." \
		"A token from oidc-agent's memory takes % times as long, although oidc-token is a small program in C that asks a daemon.")" \
		"$(compare "$(median "oidc-token --aud, never cached")" "$cached" \
			"For a token with an audience, which oidc-agent does not cache, oidc-token takes % times as long as the helpers' cache." \
			"Even a token with an audience, which oidc-agent does not cache, is % times faster from oidc-token.")"
fi
doc ''

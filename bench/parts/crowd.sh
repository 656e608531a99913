# Measures a thousand processes at the same time.
# shellcheck shell=bash disable=SC2016,SC2154

n=1000
quick && n=200
ulimit -n "$(ulimit -Hn)"
doc "## $n processes at once" '' \
	"All request a token at the same time, with nothing cached, as the jobs and shells of a host do after a" \
	'reboot. The time is until the last one has its token; memory is that of one of the processes.' '' \
	'| what | time | median of the processes | CPU | memory of one | requests | failures |' '|---|---|---|---|---|---|---|'

# crowd NAME COMMAND... adds a row.
crowd() {
	local name=$1 m requests
	shift
	counts >/dev/null
	m=$(measure -at-once $n "$@" 2>"$W/crowd.log") || die "$name: $(cat "$W/crowd.log")"
	requests=$(counts | jq .requests)
	jq -r --arg n "$name" --arg r "$requests" 'def s: . * 100 | round / 100;
		"| \($n) | \(.max | s) s | \(.median | s) s | \(.cpu | s) s | \(.memory / 1000 * 10 | round / 10) MB | \($r) | \(.failures) |"' <<<"$m" >>"$W/report"
}

crowd "F1" floor1
crowd "condor-token-helper, one audience" condor-token-helper --ce crowd.example.org
crowd "condor-token-helper, cached" condor-token-helper --ce crowd.example.org
if [ -n "${OIDC_SOCK:-}" ]; then
	crowd "oidc-token, from the agent's memory" oidc-token bench
	crowd "oidc-token --aud, one audience" oidc-token --aud=crowd.example.org:9619 bench
fi
doc '' 'One of the processes asks the issuer, and the others wait for it and find its token in the cache.' \
	'oidc-agent serves one process after the other, and asks the issuer each time if an audience is named.' \
	'The time of `floor1` is the cost of starting that many Go processes. Failures are those of the' \
	'processes: an agent that is busy may not answer in time.' ''

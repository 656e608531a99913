# The HTML report in a real browser: a token that is accepted, one that is refused, several
# at once, and a hostile one. The namespace has no network, so a page that loads something
# fails.
# shellcheck shell=bash
# shellcheck disable=SC2154  # W comes from run, the tokens and the servers from the other parts

h=$W/html
mkdir "$h/pages" "$h/tmp"

# hostile creates a token whose claims contain markup, terminal escapes and bidirectional
# controls.
hostile() {
	local bad='</style></code><script>alert(1)</script><img src=http://localhost:9619/x onerror=alert(1)>\u001b[2J\u202egpj.exe\u2066\u2028{{.}}'
	local part parts=() raw=$'\xe2\x80\xaegpj\xe2\x81\xa6'
	for part in '{"alg":"RS256","typ":"JWT","kid":"'"$bad"'"}' \
		'{"iss":"https://localhost:18444","sub":"'"$bad"'","aud":["'"$bad$raw"'","localhost:9619"],"wlcg.ver":"1.0","scope":"compute.read '"$bad"'","iat":1700000000,"nbf":1700000000,"exp":4000000000,"'"$bad"'":"javascript:alert(1)","'"$raw"'":{"'"$raw"'":["'"$bad"'"]}}' \
		"not a signature"; do
		parts+=("$(printf %s "$part" | base64 -w 0 | tr '+/' '-_' | tr -d =)")
	done
	(IFS=. && echo "${parts[*]}") >"$W/tokens/hostile"
	chmod 600 "$W/tokens/hostile"
}
hostile

# reported NAME STATUS ARG... writes a report; the exit code is the verdict.
reported() {
	local name=$1 status=$2
	shift 2
	# shellcheck disable=SC2016  # expanded by the inner shell
	expect "a report: $name" "$status" '' bash -c 'page=$1 && shift && jwt-inspect -o html "$@" >"$page"' e2e "$h/pages/$name.html" "$@"
}
# looked NAME VERDICT checks the report in the browser.
looked() {
	expect "a browser shows it" 0 ' checks passed, 0 failed' env TMPDIR="$h/tmp" node "$h/look.mjs" "$h/pages/$1.html" "$2"
}

reported good 0 --ce "$pool" --write "$W/tokens/ce"
looked good OK
reported refused 1 --xrd https://localhost:11443 --write --path /store/elsewhere "$W/tokens/xrd-path"
looked refused REFUSED
reported several 1 --ce "$pool" --write "$W/tokens/ce" "$W/tokens/ce-read" "$W/tokens/ce-elsewhere"
looked several '2 of 3 tokens refused'
reported hostile 1 --ce other.example.org "$W/tokens/hostile"
looked hostile REFUSED

# Tags, ESC and bidirectional controls, in any case and any encoding that a browser accepts.
expect "it contains no hostile text" 1 '' env LC_ALL=C grep -anP '(?i)<script|<img|\x1b|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]|&#(x1b|27|8238|x202e);' "$h/pages/hostile.html"
# shellcheck disable=SC2016  # expanded by the inner shell
expect "the hostile text is shown escaped" 0 '' bash -c 'for w in "&lt;script&gt;" "\\u001b[2J" "\\u202egpj" "{{.}}"; do grep -qF -- "$w" "$1" || { echo "no $w"; exit 1; }; done' e2e "$h/pages/hostile.html"
for t in ce ce-read ce-elsewhere xrd-path hostile; do
	cut -d. -f3 "$W/tokens/$t"
done >"$h/signatures"
expect "no page contains a signature" 1 '' grep -lFf "$h/signatures" "$h"/pages/{good,refused,several,hostile}.html

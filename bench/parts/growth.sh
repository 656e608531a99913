# Measures how times grow with the number of tokens and logins.
# shellcheck shell=bash disable=SC2016,SC2154

runs=50
quick && runs=10
export HOME=$W/grown XDG_RUNTIME_DIR=$memory/grown
doc '## Growth' '' \
	'The time of a cached token must not depend on how many others are cached, or on how many logins there are.' \
	"New tokens come from the test issuer on this machine. Runs: $runs." '' \
	'| cached tokens | logins | a cached token | a new token |' '|---|---|---|---|'

# grow TOKENS LOGINS adds a row.
grow() {
	rm -rf "$HOME" "$XDG_RUNTIME_DIR"
	mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"
	condor-token-helper login --quiet 2>/dev/null
	condor-token-helper --ce ce.example.org >/dev/null
	fill tokens "$1" "$XDG_RUNTIME_DIR/token-helpers"
	fill logins "$2" "$HOME/.local/state/token-helpers/logins.json"
	timed $runs "cached=condor-token-helper --ce ce.example.org" "new=condor-token-helper --ce ce.example.org --force-new"
	jq -r --arg t "$1" --arg l "$2" 'def ms: . * 1000 | . * 10 | round / 10;
		(.results | map({key: .command, value: .}) | from_entries) as $m
		| "| \($t) | \($l) | \($m.cached.median | ms) ms (\($m.cached.min | ms) – \($m.cached.max | ms)) | \($m.new.median | ms) ms (\($m.new.min | ms) – \($m.new.max | ms)) |"' "$W/timed.json" >>"$W/report"
}

for n in 10 1000 100000; do grow $n 1; done
for n in 100 10000; do grow 10 $n; done
rm -rf "$XDG_RUNTIME_DIR"
doc '' 'A cached token is one file, whose name is a digest of the request. Expired tokens are removed when a' \
	'new token is cached, but at most every 10 seconds, and if there are many, only about 500 tokens are looked at;' \
	'this delays one of the new tokens. With 10,000 logins, a refresh reads and rewrites the list of logins (5 MB).' \
	'Here, a new token is requested with `--force-new`, which also fetches the discovery document.' ''
export HOME=$W/home XDG_RUNTIME_DIR=$memory/run

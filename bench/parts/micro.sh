# Runs the Go benchmarks.
# shellcheck shell=bash disable=SC2016,SC2154

time=1s count=1
quick && time=0.1s
(cd "$root" && go test -run '^$' -bench . -benchmem -benchtime $time -count $count ./shared/inspect ./shared/jwks ./shared/store) >"$W/micro" 2>&1 ||
	die "$(tail -n 20 "$W/micro")"
doc '## In one process' '' \
	'Benchmarks of the parts, in the format that benchstat compares. `go test -bench . -count 10 ./shared/inspect > old`' \
	'before a change, and the same into `new` after it, show what the change does: `benchstat old new`.' '' '```text'
grep '^Benchmark' "$W/micro" >>"$W/report"
doc '```' ''

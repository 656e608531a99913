# Functions for the parts of the benchmarks.
# shellcheck shell=bash

die() {
	echo "bench: error: $*" >&2
	exit 1
}

say() { echo "bench: $*" >&2; }

# doc appends lines to the report.
doc() { printf '%s\n' "$@" >>"$W/report"; }

# quick reports whether a short run is requested.
quick() { [ "${BENCH:-}" = quick ]; }

# timed RUNS NAME=COMMAND... measures commands with hyperfine, without a shell, and writes the
# results to $W/timed.json. A command that fails is an error. The commands are measured in five
# rounds, so that other load on the machine affects all of them.
timed() {
	local runs=$(($1 / 5)) args=() i
	shift
	while [ $# -gt 0 ]; do
		args+=(-n "${1%%=*}" "${1#*=}")
		shift
	done
	for i in 1 2 3 4 5; do
		hyperfine --shell=none --warmup 5 --runs "$runs" --style none --export-json "$W/timed.$i.json" "${args[@]}" >/dev/null 2>"$W/hyperfine.log" ||
			die "hyperfine: $(cat "$W/hyperfine.log")"
	done
	jq -s '
		def mean: add / length;
		{results: map(.results) | transpose | map(
			{command: .[0].command, times: map(.times) | add, user: map(.user) | mean, system: map(.system) | mean}
			| .median = (.times | sort | .[length / 2 | floor])
			| .min = (.times | min)
			| .max = (.times | max)
			| .stddev = (.times | mean as $m | map((. - $m) * (. - $m)) | mean | sqrt)
		)}' "$W"/timed.[1-5].json >"$W/timed.json"
}

# median NAME prints the median of a command in $W/timed.json, in milliseconds.
median() { jq -r --arg n "$1" '.results[] | select(.command == $n) | .median * 1000' "$W/timed.json"; }

# rows BASE... prints a row of a table for each command: median, spread, ratios of the median to
# those of the base commands, and the mean of the CPU time.
rows() {
	jq -r '
		def ms: . * 1000 | if . < 100 then . * 100 | round / 100 else round end;
		def ratio: if . < 100 then . * 100 | round / 100 else round end;
		(.results | map({key: .command, value: .median}) | from_entries) as $m
		| .results[]
		| . as $r
		| "| \($r.command) | \($r.median | ms) ms | \($r.min | ms) – \($r.max | ms) ms | \($r.stddev | ms) ms | "
			+ ($ARGS.positional | map("\($r.median / $m[.] | ratio) |") | join(" ")) + " \($r.user + $r.system | ms) ms |"' --args "$@" <"$W/timed.json"
}

# heading BASE... prints the heading of the table of rows.
heading() {
	local b row='| command | median | min – max | standard deviation |' rule='|---|---|---|---|'
	for b in "$@"; do
		row+=" times $b |"
		rule+='---|'
	done
	printf '%s\n%s\n' "$row CPU |" "$rule---|"
}

# measured FILTER prints a value of the JSON of measure, which is on stdin.
measured() { jq -r "$1"; }

# counts prints the issuer's counts since the last call as JSON.
counts() { curl -sf "$COUNTS"; }

# wire NAME prints a row of the table of requests.
wire() {
	counts | jq -r --arg n "$1" '"| \($n) | \(.requests) | \(.connections) | \((.by // {}) | to_entries | map("\(.value) \(.key)") | join(", ")) |"'
}

# size FILE prints the size of a file in MB.
size() { stat -L -c %s "$1" | awk '{ printf "%.1f", $1 / 1e6 }'; }

# share A B prints A divided by B.
share() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# compare A B MORE LESS prints MORE with A / B for % if A is larger, else LESS with B / A.
compare() {
	local ratio
	ratio=$(share "$1" "$2")
	if awk -v r="$ratio" 'BEGIN { exit !(r >= 1) }'; then
		echo "${3//%/$ratio}"
	else
		echo "${4//%/$(share "$2" "$1")}"
	fi
}

# Measures the inspection of millions of tokens.
# shellcheck shell=bash disable=SC2016,SC2154

many=1000000 some=100000 runs=3
if quick; then many=100000 some=20000 runs=1; fi
now=(--now 2026-01-01T00:30:00Z)

# stream NAME COUNT FILE COMMAND... adds a row: seconds, tokens per second, memory, and ratios to
# the preceding floor.
stream() {
	local name=$1 count=$2 file=$3
	shift 3
	measure -runs $runs -in "$file" "$@" >"$W/measured" || die "$name failed"
	took=$(measured .median <"$W/measured")
	cpu=$(measured .cpu <"$W/measured")
	[ "${floor:-}" ] || floor=$took floor_cpu=$cpu
	printf '| %s | %s | %.2f s | %.2f – %.2f s | %.2f s | %.0f | %.0f MB | %s | %s |\n' "$name" "$count" "$took" "$(measured .min <"$W/measured")" "$(measured .max <"$W/measured")" \
		"$cpu" "$(awk -v n="$count" -v t="$took" 'BEGIN { print n / t }')" "$(awk -v m="$(measured .memory <"$W/measured")" 'BEGIN { print m / 1e3 }')" \
		"$(share "$took" "$floor")" "$(share "$cpu" "$floor_cpu")" >>"$W/report"
}

tokens make $many ES256 "$W/es256.jwks" >"$W/many"
head -n $some "$W/many" >"$W/es256"
tokens make $some RS256 "$W/rs256.jwks" >"$W/rs256"
tokens log <"$W/es256" >"$W/log"
gzip -1 <"$W/es256" >"$W/es256.gz"
# Tokens for storage, which XRootD accepts.
tokens make $some ES256 "$W/storage.jwks" storage >"$W/storage"

doc '## Inspecting millions of tokens' '' \
	'`jwt-inspect -o ndjson` prints a verdict for each token of 1 kB, in their order. Each token is decoded,' \
	'checked with the rules of the newest server and of older ones, and rendered. The floor is a' \
	'program that only decodes the base64 and checks that header and claims are JSON, with the' \
	'standard library, on all cores. The column with the CPU time is the sum of all cores; the last' \
	"columns compare the times with the floor of the same tokens. If the machine was busy, the CPU says more. Runs: $runs." '' \
	'| what | tokens | time | min – max | CPU | tokens/s | memory | times the floor | CPU: times the floor |' '|---|---|---|---|---|---|---|---|---|'
floor=
stream "floor: base64 and JSON" $many "$W/many" tokens decode
stream "\`--ce\`" $many "$W/many" jwt-inspect -o ndjson "${now[@]}" --ce ce.example.org
ratio=$(share "$took" "$floor") cpu_ratio=$(share "$cpu" "$floor_cpu") peak=$(measured .memory <"$W/measured")
stream "\`--ce\`, all expired" $many "$W/many" jwt-inspect -o ndjson --ce ce.example.org
floor=
stream "floor: base64 and JSON" $some "$W/storage" tokens decode
stream "\`--xrd root://…\`" $some "$W/storage" jwt-inspect -o ndjson "${now[@]}" --xrd root://ce.example.org
stream "\`--scope\`" $some "$W/es256" jwt-inspect -o ndjson "${now[@]}" --scope compute.read
stream "\`--ce\`, compressed by gzip" $some "$W/es256.gz" jwt-inspect -o ndjson "${now[@]}" --ce ce.example.org
floor=
stream "floor: lines of a JSON log" $some "$W/log" tokens decode log
stream "\`--ce\`, lines of a JSON log" $some "$W/log" jwt-inspect -o ndjson "${now[@]}" --ce ce.example.org
for alg in ES256 RS256; do
	floor=
	stream "floor: base64, JSON, and Go's crypto, $alg" $some "$W/${alg,,}" tokens verify "$W/${alg,,}.jwks"
	stream "\`--ce --jwks\`, $alg" $some "$W/${alg,,}" jwt-inspect -o ndjson "${now[@]}" --ce ce.example.org --jwks "$W/${alg,,}.jwks"
done
rm "$W/many" "$W/log" "$W/es256" "$W/rs256" "$W/storage"
doc '' "With \`--ce\`, $many tokens take $ratio times the floor ($cpu_ratio times its CPU; the goal was at most 2) and" \
	"$(awk -v m="$peak" 'BEGIN { printf "%.0f", m / 1e3 }') MB (the goal was 64). Memory does not depend on the number of tokens. \`--xrd\` judges by three versions" \
	'of the server, and `--ce` by two, which is why `--xrd` may exceed the goal. So may tokens that are refused: each' \
	'cause is written out, with its remedy and source. Input that is compressed is decompressed by one core.' \
	'`--fetch-keys` and `--redact` use one core, because their results depend on the order.' ''

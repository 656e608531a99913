# Measures sizes, and the start without the page cache.
# shellcheck shell=bash disable=SC2016,SC2154

runs=15
quick && runs=3
doc '## Size and cold start' '' \
	'A cold start reads the program from the disk: all caches of the system are dropped before each' \
	"run. Runs: $runs." ''
programs=("F0=floor0" "F1=floor1" "condor-token-helper=condor-token-helper --version" "xrd-token-helper=xrd-token-helper --version" "jwt-inspect=jwt-inspect --version")
if command -v oidc-token >/dev/null; then programs+=("oidc-token=oidc-token --version"); fi
if command -v scitokens-verify >/dev/null; then programs+=("scitokens-verify=scitokens-verify --help"); fi
if command -v jwt >/dev/null; then programs+=("jwt-cli=jwt --version"); fi
if [ -w /proc/sys/vm/drop_caches ]; then
	args=()
	for p in "${programs[@]}"; do args+=(-n "${p%%=*}" "${p#*=}"); done
	hyperfine --shell=none --ignore-failure --runs $runs --prepare "$here/parts/drop-caches" --style none --export-json "$W/timed.json" "${args[@]}" >/dev/null 2>"$W/hyperfine.log" ||
		die "hyperfine: $(cat "$W/hyperfine.log")"
	doc '| program | size | cold start | min – max |' '|---|---|---|---|'
	for p in "${programs[@]}"; do
		name=${p%%=*} command=${p#*=}
		jq -r --arg n "$name" --arg s "$(size "$(command -v "${command%% *}")")" 'def ms: . * 1000 | . * 10 | round / 10;
			.results[] | select(.command == $n) | "| \($n) | \($s) MB | \(.median | ms) ms | \(.min | ms) – \(.max | ms) ms |"' "$W/timed.json" >>"$W/report"
	done
else
	doc 'The cold start was not measured: only root can drop the caches.' '' '| program | size |' '|---|---|'
	for p in "${programs[@]}"; do
		command=${p#*=}
		doc "| ${p%%=*} | $(size "$(command -v "${command%% *}")") MB |"
	done
fi
met='' missed=''
for p in condor-token-helper xrd-token-helper jwt-inspect; do
	bytes=$(stat -c %s "$W/bin/$p")
	if [ "$bytes" -le 9000000 ]; then met+="${met:+, }$p"; else missed+="${missed:+, }$p ($bytes bytes)"; fi
done
doc '' "The goal for the programs of this project is 9 MB, that is 9,000,000 bytes (9 MiB are 9,437,184). It is met by: ${met:-none}; missed by: ${missed:-none}." \
	'Peers in C and C++ use shared libraries of the system, which do' \
	'not count here but are read at a cold start. The table shows the contents of the programs by the' \
	'sizes of their symbols. The linker adds the rest, such as tables of functions, whose size is' \
	'three quarters of that of the code:' ''

# symbols PROGRAM prints the kilobytes of the symbols of each module.
symbols() {
	(cd "$root" && CGO_ENABLED=0 go build -trimpath -o "$W/symbols" "./cmd/$1")
	go tool nm -size "$W/symbols" | awk -v self=example.org/token-helpers '
		$3 ~ /^[TtRrDd]$/ && $2 < 4e6 { # without the BSS
			size = $2; name = $4
			sub(/^(type:|go:itab\.)[*\[\]]*/, "", name)
			if (name ~ self) m = "this project"
			else if (name ~ /^rsc\.io\/qr/) m = "rsc.io/qr"
			else if (match(name, /^(github\.com|golang\.org|gopkg\.in)\/[^\/]+(\/[^\/.(]+)?/)) m = substr(name, RSTART, RLENGTH)
			else if (name ~ /^(vendor\/)?(net|crypto|golang\.org\/x\/(net|crypto)|mime|hash|math\/big|compress|internal\/(poll|nettrace))([\/.]|$)/ || name ~ /^crypto\//) m = "net, net/http, crypto and what they need"
			else if (name ~ /^runtime|^internal\/runtime|^gc|^type:/) m = "the Go runtime"
			else m = "the rest of the standard library"
			kb[m] += size / 1000
		}
		END { for (m in kb) printf "%d\t%s\n", kb[m], m }' | sort -rn
}
for p in condor-token-helper xrd-token-helper jwt-inspect; do
	symbols $p | sed "s/^/$p\t/"
done >"$W/symbols.all"
doc '| | condor-token-helper | xrd-token-helper | jwt-inspect |' '|---|---|---|---|'
awk -F'\t' '
	function of(p) { return (p, $1) in kb ? kb[p, $1] " kB" : "–" }
	NR == FNR { kb[$1, $3] = $2; next }
	{ printf "| %s | %s | %s | %s |\n", $1, of("condor-token-helper"), of("xrd-token-helper"), of("jwt-inspect") }
' "$W/symbols.all" <(sort -t"$(printf '\t')" -k2,2nr "$W/symbols.all" | cut -f3 | awk '!seen[$0]++') >>"$W/report"
doc ''

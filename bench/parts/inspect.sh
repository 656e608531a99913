# Measures the inspection of one token.
# shellcheck shell=bash disable=SC2016,SC2154

runs=100
quick && runs=20
condor-token-helper --ce ce.example.org --read >"$W/token"
chmod 600 "$W/token"
commands=("F0=floor0" "F1=floor1" "jwt-inspect=jwt-inspect $W/token" "jwt-inspect --ce=jwt-inspect --ce ce.example.org:9619 --read $W/token")
if [ -x "$cache/htgettoken/bin/htdecodetoken" ]; then
	# scitokens-verify is not in the PATH: htdecodetoken would run it, and it would use the network.
	mkdir "$W/plain"
	for tool in bash jq base64 tr cut date id cat; do ln -s "$(command -v $tool)" "$W/plain/$tool"; done
	commands+=("htdecodetoken=env PATH=$W/plain bash $cache/htgettoken/bin/htdecodetoken $W/token")
fi
if command -v jwt >/dev/null; then
	commands+=("jwt-cli=jwt decode $(cat "$W/token")")
fi
if command -v scitokens-verify >/dev/null; then
	openssl pkey -in "$W/pki/signing.key" -pubout -out "$W/signing.pem" 2>/dev/null
	kid=$(jwt-inspect -o json "$W/token" | jq -r .header.kid)
	commands+=("scitokens-verify=scitokens-verify --cred $W/signing.pem --issuer $ISSUER --keyid $kid $(cat "$W/token")")
fi
timed $runs "${commands[@]}"
doc '## Inspecting one token' '' \
	"A new process each time. Runs: $runs. jwt-inspect reads the token from a file and prints the claims;" \
	'with `--ce`, it also judges it as HTCondor does. htdecodetoken (a shell script with jq) and' \
	'jwt-cli (in Rust) decode. scitokens-verify (in C++) verifies the signature with a key in a file.' ''
heading F1 jwt-inspect >>"$W/report"
rows F1 jwt-inspect >>"$W/report"
doc '' "jwt-inspect takes $(share "$(median jwt-inspect)" "$(median F1)") times F1; the goal was 1.3."
if [ -x "$cache/htgettoken/bin/htdecodetoken" ]; then
	doc "It is $(share "$(median htdecodetoken)" "$(median jwt-inspect)") times faster than htdecodetoken; the goal was 15."
fi
if command -v jwt >/dev/null; then
	doc "$(compare "$(median jwt-inspect)" "$(median jwt-cli)" \
		"It takes % times as long as jwt-cli, which is written in Rust and starts without a runtime. The difference to F1 is the command line and the decoding." \
		"jwt-cli takes % times as long.")"
fi
if command -v scitokens-verify >/dev/null; then
	doc "$(compare "$(median scitokens-verify)" "$(median jwt-inspect)" \
		"scitokens-verify takes % times as long; most of that is loading its libraries, and it verifies a signature." \
		"It takes % times as long as scitokens-verify.")"
fi
doc ''

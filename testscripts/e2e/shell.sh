# jwt-inspect in a shell: pipes, jq, many files, a terminal.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each COMMAND is expanded by another shell
# shellcheck disable=SC2154  # pool and the tokens come from the other parts

# habit NAME STATUS PATTERN COMMAND runs a command line in the directory of the tokens.
habit() {
	expect "$1" "$2" "$3" bash -c 'cd "$W/tokens" && eval "$1"' e2e "$4"
}
export pool

habit "jq reads the claims" 0 "^$pool\$" 'jwt-inspect < ce | jq -r .aud'
habit "jq reads a list of verdicts" 0 '^ce-elsewhere aud-mismatch$' 'jwt-inspect -o ndjson --ce $pool ce ce-elsewhere | jq -r "select(.verdict == \"fail\") | .file + \" \" + .causes[0].code"'
habit "jq reads the document" 0 '^ES256 ' 'jwt-inspect -o json ce | jq -r ".header.alg + \" \" + .claims.iss"'
habit "the verdict is an exit code" 0 '^refused$' 'jwt-inspect --ce $pool ce-read >/dev/null 2>&1 || echo refused'
habit "a token from a pipe" 0 '"iss"' 'cat ce | jwt-inspect -'
habit "tokens from process substitutions" 0 'more are the same' 'jwt-inspect --diff <(cat ce) <(cat ce-read)'
habit "a token in a header" 0 '"iss"' 'printf "Authorization: Bearer %s\r\n" "$(cat ce)" | jwt-inspect'
habit "all files of a directory" 0 '^[1-9][0-9]+$' 'jwt-inspect -o ndjson * | jq -r .file | sort -u | wc -l'
habit "a reader that closes the pipe" 0 '^\{"apiVersion"' 'for i in $(seq 5000); do cat ce; done | jwt-inspect -o ndjson | head -n 1'
habit "a full disk" 1 'no space left on device' 'jwt-inspect ce >/dev/full'
habit "a loop over lines" 0 '^2$' 'cat ce ce-read | while read -r t; do jwt-inspect <<<"$t"; done | grep -c iss'

# terminal COLUMNS COMMAND runs a command on a terminal with this many columns, and prints its
# output with visible escapes.
terminal() {
	script -qec "stty cols $1 rows 20; cd $W/tokens; $2" /dev/null </dev/null | tr -d '\r' | cat -v
}
export -f terminal
expect "a terminal gets the report, with colours" 0 '^\^\[\[31;1mverdict: refused by HTCondor' terminal 60 "jwt-inspect --ce other.example.org ce || true"
expect "and no colours with NO_COLOR" 0 '^verdict: refused by HTCondor' terminal 60 "NO_COLOR=1 jwt-inspect --ce other.example.org ce || true"
expect "a long report ends with its verdict" 0 'verdict: refused' bash -c 'terminal 80 "NO_COLOR=1 jwt-inspect --ce other.example.org ce || true" | tail -n 2'
expect "no line is wider than the terminal" 0 '^60$' bash -c 'terminal 60 "NO_COLOR=1 jwt-inspect --ce other.example.org ce || true" | awk "{ if (length > m) m = length } END { print (m > 40 && m <= 60) ? 60 : m }"'
expect "the token in BEARER_TOKEN_FILE is found" 0 'verdict: accepted by HTCondor at localhost:9619' terminal 80 "BEARER_TOKEN_FILE=$W/tokens/ce jwt-inspect --ce $pool </dev/tty"

# jwt-inspect in a shell, as people use it: pipes, jq, many files, a terminal.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each COMMAND is for a shell of its own
# shellcheck disable=SC2154  # pool and the tokens come from the other parts

# habit NAME STATUS PATTERN COMMAND runs a shell's command line in the directory of the tokens.
habit() {
	expect "$1" "$2" "$3" bash -c 'cd "$W/tokens" && eval "$1"' e2e "$4"
}
export pool

habit "jq reads the claims" 0 "^$pool\$" 'jwt-inspect < ce | jq -r .aud'
habit "jq reads a list of verdicts" 0 '^ce-elsewhere aud-mismatch$' 'jwt-inspect -o ndjson --ce $pool ce ce-elsewhere | jq -r "select(.verdict == \"fail\") | .file + \" \" + .causes[0].code"'
habit "jq reads the document" 0 '^ES256 ' 'jwt-inspect -o json ce | jq -r ".header.alg + \" \" + .claims.iss"'
habit "the verdict is an exit code" 0 '^refused$' 'jwt-inspect --ce $pool ce-read >/dev/null 2>&1 || echo refused'
habit "from another program" 0 '"iss"' 'cat ce | jwt-inspect -'
habit "from a substitution" 0 'more are the same' 'jwt-inspect --diff <(cat ce) <(cat ce-read)'
habit "with text around it" 0 '"iss"' 'printf "Authorization: Bearer %s\r\n" "$(cat ce)" | jwt-inspect'
habit "all files of a directory" 0 '^[1-9][0-9]+$' 'jwt-inspect -o ndjson * | jq -r .file | sort -u | wc -l'
habit "a reader that goes away" 0 '^\{"apiVersion"' 'for i in $(seq 5000); do cat ce; done | jwt-inspect -o ndjson | head -n 1'
habit "a disk that is full" 1 'no space left on device' 'jwt-inspect ce >/dev/full'
habit "a loop over lines" 0 '^2$' 'cat ce ce-read | while read -r t; do jwt-inspect <<<"$t"; done | grep -c iss'

# terminal COLUMNS COMMAND runs a command on a terminal of its own, with this many
# columns; what it shows is made visible.
terminal() {
	script -qec "stty cols $1 rows 20; cd $W/tokens; $2" /dev/null </dev/null | tr -d '\r' | cat -v
}
export -f terminal
expect "a terminal gets the report, with colours" 0 '^\^\[\[31;1mverdict: refused by HTCondor' terminal 60 "jwt-inspect --ce other.example.org ce || true"
expect "and none where they are not wanted" 0 '^verdict: refused by HTCondor' terminal 60 "NO_COLOR=1 jwt-inspect --ce other.example.org ce || true"
expect "a long report ends with its verdict" 0 'verdict: refused' bash -c 'terminal 80 "NO_COLOR=1 jwt-inspect --ce other.example.org ce || true" | tail -n 2'
expect "nothing is wider than the terminal" 0 '^60$' bash -c 'terminal 60 "NO_COLOR=1 jwt-inspect --ce other.example.org ce || true" | awk "{ if (length > m) m = length } END { print (m > 40 && m <= 60) ? 60 : m }"'
expect "the token that is there is found" 0 'verdict: accepted by HTCondor at localhost:9619' terminal 80 "BEARER_TOKEN_FILE=$W/tokens/ce jwt-inspect --ce $pool </dev/tty"

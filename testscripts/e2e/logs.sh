# jwt-inspect --explain must explain every line of a server's log about a refused token. It needs
# the parts whose servers refused tokens.
# shellcheck shell=bash
# shellcheck disable=SC2154  # W comes from the other parts

# refusals prints the lines of all logs about refused tokens, each kind once.
refusals() {
	find "$W" -path '*/log/*' \( -name CollectorLog -o -name SchedLog -o -name xrootd.log \) -exec cat {} + |
		grep -aE 'verification failed|SciToken.*fail|SCITOKENS.*fail|scitokens_.*(Fail|fail)|not in list|PERMISSION DENIED' |
		sed -E 's/[0-9]{2}[0-9/: .]+//; s/<[^<> ]*[0-9]>/ADDRESS/g; s/[0-9]{3,}/N/g' | sort -u
}
unexplained=0 lines=0
while IFS= read -r line; do
	lines=$((lines + 1))
	jwt-inspect --explain "$line" >/dev/null 2>&1 || {
		unexplained=$((unexplained + 1))
		echo "     not explained: $line" | cut -c -240
	}
done < <(refusals | head -n 2000)
echo "     $lines different lines about refused tokens in the servers' logs, $unexplained not explained"
[ "$lines" -gt 0 ] && [ "$unexplained" = 0 ] && good=0 || good=1
result "jwt-inspect --explain explains the lines of the servers' logs" "$good"

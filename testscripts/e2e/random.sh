# Random tokens: the verdicts of each version of scitokens-cpp and of the rules of jwt-inspect
# must agree. It needs the parts issuers, condor and today, whose trees contain the libraries.
# E2E_RANDOM is the number of tokens, E2E_SEED their seed.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, c, t, tree and today come from the other parts

mkdir -m 700 "$W/random"
gcc -O1 -Wall -Wextra -Werror -o "$W/random/scitokens-probe" "$here/probe/scitokens-probe.c" -ldl
agreed=0
"$W/bin/agree" --servers random --work "$W/random" --pki "$pki" --tree "$tree" --condor "$c" --today-tree "$today" --today "$t" \
	--probe "$W/random/scitokens-probe" --seed "${E2E_SEED:-1}" --count "${E2E_RANDOM:-5000}" || agreed=1
result "the rules of jwt-inspect match each version of scitokens-cpp" $agreed

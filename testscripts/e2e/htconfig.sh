# Many configurations of real HTCondors (ALLOW and DENY, map files, audiences, foreign
# issuers, authentication of READ): the verdicts of jwt-inspect --condor-config must match.
# It needs the parts condor and today, whose servers it reconfigures.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, c, t, tree and today come from the other parts

mkdir -m 700 "$W/htconfig"
agreed=0
"$W/bin/agree" --servers htconfig --work "$W/htconfig" --pki "$pki" --tree "$tree" --condor "$c" --today-tree "$today" --today "$t" || agreed=1
result "the verdicts of jwt-inspect match HTCondor's configurations" $agreed
# The configurations of the other parts apply again.
rm -f "$c/config.d/99-try" "$t/config.d/99-try"

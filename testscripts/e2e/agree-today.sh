# Compares the verdicts of jwt-inspect with today's servers, with and without versions.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, c, x, t and today come from the other parts

mkdir -m 700 "$W/agree-today"
echo "write me" >"$W/agree-today/in.txt"
agreed=0
"$W/bin/agree" --only "${E2E_ONLY:-}" --servers today --work "$W/agree-today" --pki "$pki" --today-tree "$today" --today "$t" --mapfile "$c/map" --scitokens-cfg "$x/scitokens.cfg" --part-cfg "$t/part.cfg" || agreed=1
result "the verdicts of jwt-inspect match today's servers" $agreed

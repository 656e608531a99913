# Adds the calculation for a large site.
# shellcheck shell=bash disable=SC2016,SC2154

cat "$here/parts/paper.md" >>"$W/report"

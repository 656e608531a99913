# The formula for Homebrew, with Ruby: evaluated, and installed from the archives of each system.
# It needs the part packages.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each COMMAND is expanded by another shell
# shellcheck disable=SC2154  # p, dist, machine and here come from the other parts

mkdir "$p/homebrew"
expect "Ruby finds no problem in the formula" 0 '^Syntax OK$' ruby -wc "$dist/token-helpers.rb"
formula() { ruby "$here/homebrew/formula.rb" "$dist/token-helpers.rb" "$dist" "$p/homebrew" https://example.org/releases/1.0.0 >"$p/homebrew/log"; }
export here
export -f formula
expect "the formula installs the archives of four systems" 0 '^$' formula
expect "and its test passes" 0 "^linux-$machine: [0-9]+ files installed, tested$" cat "$p/homebrew/log"
expect "it installs the links of kubectl and git" 0 '^4$' bash -c 'cd "$p/homebrew/darwin-arm64/prefix/bin" && find . -type l | wc -l'
# Homebrew does not run systemd's units, and an access point has the package.
expect "it installs everything except files of the host" 1 '^$' bash -c 'grep "not installed" "$p/homebrew/log" | grep -vE ": (lib/systemd/.*|share/token-helpers/htcondor/.*)$"'

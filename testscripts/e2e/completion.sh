# The man pages, and completion in real shells on a terminal (tmux): bash with and without
# bash-completion, zsh and fish.
# shellcheck shell=bash
# shellcheck disable=SC2016  # the shell on the terminal expands what is in single quotes
# shellcheck disable=SC2154  # root and W come from run

cd "$root" || die "there is no $root"
pages=$W/completion/pages
mkdir -p "$W/completion"
expect "the pages are written" 0 '' go run ./packaging/pages "$pages"
expect "another run writes the same files" 0 '' bash -c 'go run ./packaging/pages "$1.2" && diff -r "$1" "$1.2"' - "$pages"
expect "SOURCE_DATE_EPOCH is their date" 0 '^\.Dd March 5, 2026$' bash -c 'SOURCE_DATE_EPOCH=1772668800 go run ./packaging/pages "$1.3" && cat "$1.3/man/man1/jwt-inspect.1"' - "$pages"
# mandoc looks for the pages that a page refers to in the system's directories only.
lint() {
	local line
	mandoc -T lint "$pages"/man/*/* | while read -r line; do
		if [[ $line =~ 'referenced manual not found: Xr '([^ ]+)' '([1-9]) && -e $pages/man/man${BASH_REMATCH[2]}/${BASH_REMATCH[1]}.${BASH_REMATCH[2]} ]]; then
			continue
		fi
		echo "$line"
	done
}
export pages
export -f lint
expect "mandoc finds no problem" 0 '^none$' bash -c 'lint | grep . && exit 1; echo none'
for page in man1/condor-token-helper.1 man1/xrd-token-helper.1 man1/jwt-inspect.1 man5/token-helpers.toml.5 man7/token-helpers.7; do
	expect "$page opens" 0 '^(SEE ALSO|SYNOPSIS)$' bash -c 'MANWIDTH=80 MANPAGER=cat man "$1" | col -b' - "$pages/man/$page"
done
for file in condor-token-helper xrd-token-helper jwt-inspect; do
	expect "bash reads the script of $file" 0 '' bash -n "$pages/completions/bash/$file"
	expect "zsh reads the script of $file" 0 '' zsh -n "$pages/completions/zsh/_$file"
	expect "fish reads the script of $file" 0 '' fish -n "$pages/completions/fish/$file.fish"
done

# A home directory with a configuration, accounts of oidc-agent, a plugin, and files.
tab=$W/completion
mkdir -p "$tab/home/.config/token-helpers" "$tab/home/.config/oidc-agent" "$tab/home/bin" "$tab/home/work/dir one"
printf '[issuer.cernlab]\nurl = "https://lab.example.org/"\n[token.jobs]\nscopes = ["compute.read"]\n' >"$tab/home/.config/token-helpers/config.toml"
touch "$tab/home/.config/oidc-agent/wlcgaccount" "$tab/home/.config/oidc-agent/issuer.config" "$tab/home/work/token one" "$tab/home/work/other"
printf '#!/bin/sh\n' >"$tab/home/bin/token-source-mysite"
chmod 755 "$tab/home/bin/token-source-mysite"
printf 'set -g status off\nset -g history-limit 0\n' >"$tab/tmux.conf"

# As with a package, the scripts are where the shells look for them.
mkdir -p "$tab/home/.local/share/bash-completion" "$tab/home/.config/fish"
ln -s "$pages/completions/bash" "$tab/home/.local/share/bash-completion/completions"
ln -s "$pages/completions/fish" "$tab/home/.config/fish/completions"
printf 'fpath=(%q $fpath)\nautoload -Uz compinit\ncompinit -u -D\nPS1="ready> "\n' "$pages/completions/zsh" >"$tab/home/.zshrc"
printf 'PS1="ready> "\n. /usr/share/bash-completion/bash_completion\n' >"$tab/home/package.bash"
printf 'PS1="ready> "\nfor p in condor-token-helper xrd-token-helper; do eval "$($p completion bash)"; done\neval "$(jwt-inspect --completion bash)"\n' >"$tab/home/alone.bash"
printf 'function fish_prompt; echo -n "ready> "; end\nfunction fish_greeting; end\nset -g fish_autosuggestion_enabled 0\n' >"$tab/home/.config/fish/config.fish"

tabs=0
in_tab() { tmux -u -S "$tab/socket.$tabs" -f "$tab/tmux.conf" "$@"; }

# open_tab COMMAND... opens a new terminal with a shell.
open_tab() {
	[ "$tabs" = 0 ] || in_tab kill-server
	tabs=$((tabs + 1))
	in_tab new-session -d -x 120 -y 40 -c "$tab/home/work" \
		env -i PATH="$W/bin:$tab/home/bin:/usr/bin:/bin" HOME="$tab/home" TERM=screen LANG=C.UTF-8 XDG_RUNTIME_DIR="$tab/home" "$@"
	shows 'ready>' || die "there is no shell on the terminal"
}

# shows PATTERN waits until a visible line matches.
shows() {
	local end=$((SECONDS + 30))
	until in_tab capture-pane -p -J | grep -qE -- "$1"; do
		if [ "$SECONDS" -ge "$end" ]; then
			in_tab capture-pane -p -J | grep . || true
			return 1
		fi
		sleep 0.1
	done
}

# completes NAME TEXT PATTERN clears the screen, types TEXT and Tab, and waits for PATTERN.
completes() {
	local status=0
	in_tab send-keys C-e C-u C-l
	in_tab send-keys -l -- "$2"
	in_tab send-keys Tab
	shows "$3" || status=$?
	result "$shell: $1" "$status"
}

for shell in "bash with bash-completion" "bash alone" zsh fish; do
	case $shell in
	"bash with bash-completion") open_tab bash --noprofile --rcfile "$tab/home/package.bash" -i ;;
	"bash alone") open_tab bash --noprofile --rcfile "$tab/home/alone.bash" -i ;;
	zsh) open_tab zsh -i ;;
	fish) open_tab fish -i ;;
	esac
	completes "a command" 'condor-token-helper logo' 'condor-token-helper logout '
	completes "a flag" 'condor-token-helper --bearer' 'condor-token-helper --bearer-file'
	completes "a flag of a command" 'xrd-token-helper login --registr' 'login --registration-token-file'
	completes "an output" 'condor-token-helper -o he' ' -o header'
	completes "a value after =" 'condor-token-helper --output=he' ' --output=header'
	completes "a source" 'condor-token-helper --from oidc' ' --from oidc-agent'
	completes "a plugin" 'condor-token-helper --from plugin:my' ' --from plugin:mysite'
	completes "a configured issuer" 'condor-token-helper --issuer cern' ' --issuer cernlab'
	completes "the URL of an issuer" 'condor-token-helper --issuer https://la' ' --issuer https://lab.example.org/'
	completes "the URL of an issuer after =" 'condor-token-helper --issuer=https://la' ' --issuer=https://lab.example.org/'
	completes "a configured token" 'condor-token-helper --token jo' ' --token jobs'
	completes "an account of oidc-agent" 'condor-token-helper --account wl' ' --account wlcgaccount'
	completes "a topic" 'condor-token-helper help exi' ' help exit-codes'
	completes "a file with a space" 'condor-token-helper --file tok' ' --file token\\ one'
	completes "a file after =" 'condor-token-helper --file=oth' ' --file=other'
	completes "a directory" 'condor-token-helper --capath d' ' --capath dir\\ one'
	completes "a command to run" 'condor-token-helper --ce ce.example.org -- jwt-inspe' ' -- jwt-inspect'
	completes "a file for jwt-inspect" 'jwt-inspect oth' 'jwt-inspect other'
	completes "a cause" 'jwt-inspect --explain aud-mism' ' --explain aud-mismatch'
	# Several candidates are listed.
	in_tab send-keys C-e C-u C-l
	in_tab send-keys -l -- 'condor-token-helper log'
	in_tab send-keys Tab
	in_tab send-keys Tab
	status=0
	shows 'login.*logout|logout' || status=$?
	result "$shell: lists candidates" "$status"
done
in_tab kill-server
expect "completion of a broken configuration is silent" 0 '^none$' bash -c 'printf "[x" >"$1/.config/token-helpers/config.toml"; HOME=$1 condor-token-helper --complete --issuer "" 2>&1 | grep -v wlcg.cloud; echo none' - "$tab/home"

# The output on a real terminal (tmux) of several sizes: the login page, the prompts, and the
# state after Ctrl-C.
# shellcheck shell=bash
# shellcheck disable=SC2016  # the shell on the terminal expands what is in single quotes
# shellcheck disable=SC2154  # the variable here comes from run

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

tt=$W/terminal
mkdir -m 700 "$tt"
start_issuer terminal 18471 -wait
printf 'set -g status off\nset -g history-limit 0\n' >"$tt/tmux.conf"

# on_terminal runs a command of tmux. Each terminal has a separate server, because a server that
# is exiting accepts commands and fails.
terminals=0
on_terminal() {
	tmux -u -S "$tt/socket.$terminals" -f "$tt/tmux.conf" "$@"
}

# open_terminal COLUMNS LINES [VARIABLE=VALUE...] opens a new terminal with a shell on it,
# which has an empty home directory.
open_terminal() {
	local columns=$1 lines=$2 home
	shift 2
	[ "$terminals" = 0 ] || on_terminal kill-server
	terminals=$((terminals + 1))
	home=$(mktemp -d "$tt/home.XXXXXX")
	mkdir -m 700 "$home/run"
	on_terminal new-session -d -x "$columns" -y "$lines" \
		env -i PATH="$W/bin:/usr/bin:/bin" HOME="$home" XDG_RUNTIME_DIR="$home/run" TERM=screen LANG=C.UTF-8 PS1='ready> ' \
		TOKEN_HELPER_ISSUER=https://localhost:18471 TOKEN_HELPER_CAFILE="$W/pki/ca.pem" TOKEN_HELPER_KEYRING=file \
		TOKEN_HELPER_PASSPHRASE_FILE="$W/passphrase" TOKEN_HELPER_UNLOCK_FOR=0 "$@" bash --norc --noprofile -i
	sees 'ready>' || die "there is no shell on the terminal"
}

# screen prints the visible text, with wrapped lines joined.
screen() {
	on_terminal capture-pane -p -J | sed 's/ *$//'
}

# sees PATTERN waits until a visible line matches.
sees() {
	local end=$((SECONDS + 30))
	until screen | grep -qE -- "$1"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# types TEXT types a line.
types() {
	on_terminal send-keys -l -- "$1"
	on_terminal send-keys Enter
}

# no_echo waits until the terminal does not echo input. A shell that waits for a command has no
# echo either, so the prompt must be visible first.
no_echo() {
	local end=$((SECONDS + 30))
	until stty -a -F "$(on_terminal display-message -p '#{pane_tty}')" | grep -q -- ' -echo '; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# visible NAME PATTERN and hidden NAME PATTERN check the screen, and print it if the check fails.
visible() {
	local status=0
	sees "$2" || status=1
	result "$1" "$status"
	[ "$status" = 0 ] || screen | sed 's/^/     | /'
}
hidden() {
	local status=0
	! screen | grep -qE -- "$2" || status=1
	result "$1" "$status"
	[ "$status" = 0 ] || screen | sed 's/^/     | /'
}

code='[A-Z]{4}-[A-Z]{4}'
url="https://localhost:18471/device"
qr='[█▄▀]{4}'

# page SIZE checks that the complete URL and the code are visible during a login.
page() {
	sees 'left, wait' || true
	visible "$1: the complete URL is on the screen" "^    $url\\?user_code=$code\$"
	visible "$1: the user code is on the screen" "^    $code\$"
}

for size in 80x24 60x24 120x40 30x24; do
	open_terminal "${size%x*}" "${size#*x}"
	types 'condor-token-helper --ce ce.example.org'
	page $size
	if [ $size = 120x40 ]; then
		visible "$size: the QR code fits, and is shown" "$qr"
	else
		hidden "$size: the QR code does not fit, and is not shown" "$qr"
	fi
	visible "$size: the time left takes one line" '^[0-9]+:[0-9]{2} left, wait'
	on_terminal send-keys C-c
	visible "$size: Ctrl-C ends the wait" '^ready>$'
	hidden "$size: the time left is erased" '[0-9] left'
	types 'echo "status $?"'
	visible "$size: the exit status is 130 (SIGINT)" '^status 130$'
	count_check "$size: the client is deleted at the issuer" "$(requests client)" "$(requests registration)"
done

# At each height around the one that the QR code needs, the URL is complete, also if it takes
# two lines.
for lines in 26 27 28 29 30 31 32; do
	open_terminal 45 $lines
	types 'condor-token-helper --ce ce.example.org'
	page "45x$lines"
	on_terminal send-keys C-c
	sees '^ready>$' || die "Ctrl-C did not end the wait"
done

open_terminal 80 24 TERM=dumb
types 'condor-token-helper --ce ce.example.org'
visible "TERM=dumb: the code is on the screen" "^    $code\$"
visible "TERM=dumb: a line says that the helper waits for the approval" '^waiting for the approval'
on_terminal send-keys C-c
sees '\^C' || true
types 'echo "status $?"'
visible "TERM=dumb: Ctrl-C ends the wait" '^status 130$'

open_terminal 80 24 TOKEN_HELPER_PASSPHRASE_FILE=
types 'condor-token-helper login --read; echo "status $?"'
visible "a prompt for a new passphrase" '^New passphrase'
no_echo || die "the passphrase would be shown"
types 'open sesame'
visible "a prompt to repeat it" '^Repeat the passphrase'
no_echo || die "the passphrase would be shown"
types 'open sesame'
visible "then the login page is shown" "^    $code\$"
hidden "the passphrase is not shown" 'sesame'
curl -sS --max-time 10 --unix-socket "$tt/control" -X POST http://issuer/approve
visible "an approval ends the wait" '^condor-token-helper: logged in at'
visible "with status 0" '^status 0$'
hidden "and the time left is erased" '[0-9] left'

types 'clear; condor-token-helper --read --ce ce.example.org'
visible "a prompt for the passphrase" '^Passphrase of'
no_echo || die "the passphrase would be shown"
types 'a typo'
visible "a second prompt after a wrong passphrase" 'wrong passphrase'
no_echo || die "the passphrase would be shown"
on_terminal send-keys C-c
visible "Ctrl-C ends the prompt" '^ready>$'
types 'clear; echo "status $?"; stty -a | grep -c -- " -echo "'
visible "the terminal echoes again" '^0$'
types 'clear; condor-token-helper --read --ce ce.example.org | wc -l; echo "status ${PIPESTATUS[0]}"'
sees '^Passphrase of' || die "there is no prompt for the passphrase in a pipeline"
no_echo || die "the passphrase would be shown"
types 'open sesame'
visible "a prompt works in a pipeline" '^status 0$'
visible "and stdout is only the token" '^1$'
on_terminal kill-server

# Renewal of tokens: commands, services and cron jobs with tokens that are valid for 20
# seconds, with the XRootD and the HTCondor of the other parts.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each script is expanded by another shell
# shellcheck disable=SC2154  # root, here, pki, x, c and server come from the other parts

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

f=$W/fresh
mkdir "$f" "$f/cron"
# XRootD and HTCondor are configured with this port of the issuer.
short=https://localhost:18448 hourly=https://localhost:18463
start_issuer fresh/cron 18463
cron_control=$control
start_issuer fresh 18448 -lifetime 20s
short_pid=$issuer_pid
short_control=$control
expect "the login for tokens that are valid for 20 seconds" 0 'logged in' xrd-token-helper login --issuer $short --write --path /
expect "a second login adds scopes for HTCondor" 0 'logged in' condor-token-helper login --issuer $short
expect "the login for tokens that are valid for an hour" 0 'logged in' condor-token-helper login --issuer $hourly

# check NAME COMMAND... counts whether a command succeeds.
check() {
	local status=0
	"${@:2}" || status=1
	result "$1" $status
}
# matching_lines PATTERN FILE prints how many lines match.
matching_lines() { grep -cE -- "$1" "$2" || true; }

# leftovers prints the number of token files for commands.
leftovers() { find "$XDG_RUNTIME_DIR/token-helpers/run" -type f | wc -l; }

# --- cron, which runs the job every minute while the other tests run

mkdir "$f/crontabs" "$f/cron.d"
mount --bind "$f/crontabs" /var/spool/cron/crontabs
mount --bind "$f/cron.d" /etc/cron.d
{
	printf '%s=%s\n' SHELL /bin/sh PATH "$PATH" HOME "$HOME" BEARER_TOKEN_FILE "$f/cron.token" MAILTO '""' \
		TOKEN_HELPER_ISSUER $hourly TOKEN_HELPER_CAFILE "$TOKEN_HELPER_CAFILE" TOKEN_HELPER_KEYRING file \
		TOKEN_HELPER_PASSPHRASE_FILE "$TOKEN_HELPER_PASSPHRASE_FILE"
	echo "* * * * * condor-token-helper -q --no-prompt --ce ce.example.org --min-lifetime 20m --bearer-file >>$f/cron.out 2>&1; echo \$? >>$f/cron.status"
} >"$f/crontabs/root"
chmod 600 "$f/crontabs/root"
before_cron=$(control=$cron_control requests token)
env -i PATH="$PATH" cron -f >"$f/cron.log" 2>&1 &
cron_pid=$!

# --- XRootD and HTCondor in loops of 90 seconds

# loop SECONDS COMMAND... runs a command repeatedly, and prints how often it failed.
loop() {
	local end=$((SECONDS + $1)) n=0 bad=0
	shift
	while [ $SECONDS -lt $end ]; do
		n=$((n + 1))
		# Run it in a shell, because the command is a function.
		timeout 60 bash -c '"$@"' loop "$@" >"$f/last" 2>&1 || { bad=$((bad + 1)) && cat "$f/last"; }
		sleep 1
	done
	echo "$bad of $n failed"
}
copy() { xrdcp -N -f "$x/in.txt" root://localhost:11094//store/fresh.txt; }
# HTCondor's tools run in a separate tree, as another user.
submit() {
	install -m 600 "$BEARER_TOKEN_FILE" "$W/tokens/fresh"
	as fresh condor_submit -pool localhost:9619 -remote ce@localhost -spool /e2e/client/job.sub &&
		as fresh condor_q -pool localhost:9619 -name ce@localhost -all -af ClusterId
}
export -f loop copy submit
export f x

# keeps NAME LEAST COMMAND... runs a helper with -v that keeps a token fresh for a command. The
# command must not fail, and each renewal must be one request. A renewal in progress when the
# command exits is not in the output.
keeps() {
	local name=$1 least=$2 before renewals more status=0
	shift 2
	before=$(control=$short_control requests token)
	"$@" >"$f/$name.out" 2>"$f/$name.err" || status=$?
	renewals=$(matching_lines 'was replaced' "$f/$name.err")
	result "$name: the helper exits with the command's status" $status
	count_check "$name: failures" "$(sed -n 's/ of [1-9].* failed$//p' "$f/$name.out")" 0
	tail -n 1 "$f/$name.out" | sed "s/^/     | /; s/\$/, $renewals renewals/"
	check "$name: at least $least renewals" [ "$renewals" -ge "$least" ]
	more=$(($(control=$short_control requests token) - before - renewals - 1))
	check "$name: one request for each token ($more more)" [ $((more == 0 || more == 1)) = 1 ]
}
keeps XRootD 5 xrd-token-helper -v --issuer $short --write --server root://localhost:11094 --force-new -- bash -c 'loop 90 copy'
keeps HTCondor 5 condor-token-helper -v --issuer $short --ce localhost:9619 --force-new -- bash -c 'loop 90 submit'
expect "the jobs are removed" 0 '' as ce condor_rm -pool localhost:9619 -name ce@localhost -all
count_check "leftovers" "$(leftovers)" 0

# --- other clients

xrd-token-helper --issuer $short --write --server https://localhost:11443 --watch -o header --file "$f/header" >"$f/watch.out" 2>"$f/watch.err" &
watcher=$!
await "the watched file" test -s "$f/header"
first=$(cat "$f/header")
expect "curl reads the file of a watcher" 0 '20[01]$' curl -sS --fail-with-body --cacert "$pki/ca.pem" -H "@$f/header" -w '%{http_code}\n' -T "$x/in.txt" https://localhost:11443/store/fresh-curl.txt
patience=40 await "a newer token in the watched file" bash -c '[ "$(cat "$1")" != "$2" ]' bash "$f/header" "$first"
expect "and the newer token" 0 'read me' curl -sS --fail-with-body --cacert "$pki/ca.pem" -H "@$f/header" https://localhost:11443/store/fresh-curl.txt
kill -TERM $watcher
status=0
wait $watcher || status=$?
count_check "a signal ends a watcher" $status 143
check "and the file stays" [ -s "$f/header" ]
with=$root/docs/examples/with-bearer-token
expect "gfal2 with the wrapper" 0 '' xrd-token-helper --issuer $short --write --server https://localhost:11443 -- \
	env PYTHONPATH= "$with" /usr/bin/python3 /usr/bin/gfal-copy -f "file://$x/in.txt" davs://localhost:11443/store/fresh-gfal.txt
expect "davix with the wrapper" 0 'read me' xrd-token-helper --issuer $short --read --server https://localhost:11443 -- \
	"$with" davix-get --capath "$x/certificates" -H @HEADER@ https://localhost:11443/store/fresh-gfal.txt /dev/stdout

# --- an issuer that does not answer

# outage FILE SECONDS stops the issuer for SECONDS, 5 seconds after a command has created FILE.
outage() {
	await "the command" test -e "$1"
	sleep 5
	kill -STOP "$short_pid"
	sleep "$2"
	kill -CONT "$short_pid"
}
# The token is valid for 20 seconds, so it expires during the outage, and there is a new one
# soon after the issuer works again.
outage "$f/outage.began" 30 &
condor-token-helper -v --timeout 3s --issuer $short --ce localhost:9619 --force-new -- bash -c 'touch "$f/outage.began"; sleep 55; cp "$BEARER_TOKEN_FILE" "$f/after"' >"$f/outage.out" 2>"$f/outage.err" || true
sed 's/^/     | /' "$f/outage.err" | cut -c -200
count_check "an outage: warnings of a failed renewal" "$(matching_lines 'could not renew the token, and' "$f/outage.err")" 1
count_check "an outage: warnings of the expiry" "$(matching_lines 'the token has expired' "$f/outage.err")" 1
count_check "an outage: one note of the recovery" "$(matching_lines 'the token was renewed' "$f/outage.err")" 1
expect "after the outage the token is valid" 0 '' jwt-inspect --ce localhost:9619 "$f/after"

# The issuer stays down: one warning, then the expiry, and the command continues.
outage "$f/down.began" 60 &
outage_pid=$!
condor-token-helper --timeout 3s --issuer $short --ce localhost:9619 --force-new -- bash -c 'touch "$f/down.began"; sleep 40; echo done' >"$f/down.out" 2>"$f/down.err"
sed 's/^/     | /' "$f/down.err" | cut -c -200
count_check "an issuer that stays down: warnings" "$(matching_lines 'warning: ' "$f/down.err")" 2
count_check "an issuer that stays down: the command finishes" "$(cat "$f/down.out")" "done"
wait $outage_pid

# --- a terminal

tm() { tmux -S "$f/tmux" "$@"; }
screen() { tm capture-pane -p -t fresh | sed '/^$/d'; }
shows() { screen | grep -qE -- "$1"; }
tm -f /dev/null new-session -d -s fresh -x 80 -y 24 "env PS1='ready> ' bash --norc --noprofile"
await "a shell in tmux" shows 'ready>'
types() { tm send-keys -t fresh "$@" Enter; }
helper="condor-token-helper --issuer $short --ce localhost:9619 --"
types "$helper less $x/xrootd.cfg"
await "a full-screen program in tmux" shows 'all.role server'
tm send-keys -t fresh C-z
await "the job to be stopped" shows 'Stopped'
types fg
await "the job to continue" shows 'oss.localroot'
tm resize-window -t fresh -x 60 -y 12
await "the program to adapt to the size" bash -c '[ "$(tmux -S "$1" capture-pane -p -t fresh | sed "/^$/d" | wc -l)" -le 12 ]' bash "$f/tmux"
tm send-keys -t fresh q
types 'echo status=$?'
await "the program's status" shows 'status=0'
result "a full-screen program stops, continues, adapts to the size and exits" 0
types clear
types "$helper sleep 6001"
await "the command to run" pgrep -x -f 'sleep 6001'
tm send-keys -t fresh C-c
types 'echo status=$?'
await "Ctrl-C to end the command" shows 'status=130'
result "Ctrl-C ends the command with status 130" 0
types clear
types "for i in 1 2 3; do $helper sleep 6002; done; echo loop-ended"
await "the command in the loop to run" pgrep -x -f 'sleep 6002'
tm send-keys -t fresh C-c
types 'echo shell ready'
await "Ctrl-C to end the loop" shows '^shell ready'
count_check "Ctrl-C ends a shell's loop" "$(screen | grep -c '^loop-ended' || true)" 0
tm kill-server
count_check "leftovers" "$(leftovers)" 0

# --- systemd

units=$f/units
for kind in system user; do
	mkdir -p "$units/$kind"
	sed "s,/usr/bin/,$W/bin/," "$root/packaging/systemd/$kind/condor-token-helper@.service" >"$units/$kind/condor-token-helper@demo.service"
done
expect "systemd accepts the unit for the system" 0 '' systemd-analyze verify --man=no "$units/system/condor-token-helper@demo.service"
expect "systemd accepts the unit for users" 0 '' env XDG_RUNTIME_DIR="$f" systemd-analyze verify --man=no --user "$units/user/condor-token-helper@demo.service"
expect "the unit for the system is hardened" 0 'exposure level' systemd-analyze security --offline=true --threshold=20 "$units/system/condor-token-helper@demo.service"
expect "the unit for users is hardened" 0 'exposure level' systemd-analyze security --offline=true --threshold=45 "$units/user/condor-token-helper@demo.service"

# --- many watchers

(cd "$root" && env -u TOKEN_HELPER_ISSUER TEST_SOAK=1m go test -count=1 -v -run TestWatchersShareALogin ./testscripts) >"$f/watchers.log" 2>&1 && status=0 || status=$?
grep -E 'watchers, |FAIL|warning' "$f/watchers.log" | sed 's/^/     | /' | cut -c -200
result "20 watchers share a login for a minute" $status

# --- cron again

patience=150 await "cron to have run twice" bash -c '[ "$(wc -l <"$1")" -ge 2 ]' bash "$f/cron.status"
kill $cron_pid
umount /var/spool/cron/crontabs
umount /etc/cron.d
count_check "cron: status of each run" "$(sort -u "$f/cron.status")" 0
check "cron: a run prints nothing" [ ! -s "$f/cron.out" ]
count_check "cron: requests for a token" "$(($(control=$cron_control requests token) - before_cron))" 1
expect "cron: the token is in BEARER_TOKEN_FILE" 0 '' jwt-inspect --ce ce.example.org "$f/cron.token"
kill "$short_pid"

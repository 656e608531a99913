# HTCondor's credentials with the storer and credmon of the token helpers: two pools on
# loopback, with the HTCondor of Debian 13 and today's. Their jobs use the XRootD and the
# HTCondor of the other parts, with tokens that are valid for 20 seconds.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each script is expanded by another shell
# shellcheck disable=SC2154  # here, pki, x and server come from the other parts

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

p=$W/credd
mkdir "$p"
# XRootD and HTCondor are configured with this port of the issuer.
credd_issuer=https://localhost:18448
start_issuer credd 18448 -lifetime 20s -rotate
credd_control=$control

# check NAME COMMAND... counts whether a command succeeds.
check() {
	local status=0
	"${@:2}" || status=1
	result "$1" $status
}

# pool NAME TREE PORT starts an access point with an execution point.
pool() {
	local name=$1 from=$2 port=$3 d
	local e=$p/$name/e2e r=$p/$name/root
	mkdir -p "$e"/{config.d,log,spool,execute,lock,run,cache,client,creds,state,bin,helper,metrics,certificates} "$r"
	cp "$from"/etc/condor/config.d/* "$e/config.d/" 2>/dev/null || true
	cp "$W/bin/condor-token-helper" "$W/bin/job" "$e/bin/"
	ln "$e/bin/condor-token-helper" "$e/bin/condor-token-credmon"
	ln "$e/bin/condor-token-helper" "$e/bin/condor-token-storer"
	cp "$pki/ca.pem" "$e/ca.pem"
	cp "$x"/certificates/* "$e/certificates/"
	sed "s,/usr/bin/,/e2e/bin/," "$root/packaging/htcondor/50-token-helpers.conf" >"$e/config.d/50-token-helpers"
	echo 'DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD' >"$e/config.d/10-e2e"
	cat >"$e/config.d/99-e2e" <<-CONF
		CONDOR_HOST = localhost
		COLLECTOR_HOST = localhost:$port
		NETWORK_INTERFACE = 127.0.0.1
		BIND_ALL_INTERFACES = FALSE
		NETWORK_HOSTNAME = localhost
		ENABLE_IPV6 = FALSE
		USE_SHARED_PORT = TRUE
		SHARED_PORT_PORT = $port
		SEC_CREDENTIAL_DIRECTORY_OAUTH = /e2e/creds
		SEC_CREDENTIAL_REFRESH = 3
		SEC_CREDENTIAL_SWEEP_DELAY = 3600
		UID_DOMAIN = local
		FILESYSTEM_DOMAIN = local
		TRUST_UID_DOMAIN = True
		SOFT_UID_DOMAIN = True
		SEC_DEFAULT_AUTHENTICATION_METHODS = FS
		SEC_DEFAULT_ENCRYPTION = REQUIRED
		SEC_ENABLE_MATCH_PASSWORD_AUTHENTICATION = TRUE
		AUTH_SSL_CLIENT_CAFILE = /etc/ssl/certs/ca-certificates.crt
		ALLOW_READ = *
		ALLOW_WRITE = *
		ALLOW_DAEMON = condor@*, root@*, condor_pool@*
		ALLOW_ADMINISTRATOR = root@*
		MASTER_BACKOFF_CONSTANT = 1
		NEGOTIATOR_INTERVAL = 5
		NEGOTIATOR_CYCLE_DELAY = 2
		NEGOTIATOR_MIN_INTERVAL = 2
		SCHEDD_INTERVAL = 5
		NUM_CPUS = 4
		STARTD_CRON_JOBLIST =
		MOUNT_UNDER_SCRATCH =
		USE_PROCD = False
		BASE_CGROUP =
		LOG = /e2e/log
		SPOOL = /e2e/spool
		EXECUTE = /e2e/execute
		LOCK = /e2e/lock
		RUN = /e2e/run
		SEC_SCITOKENS_CACHE = /e2e/cache
	CONF
	cat >"$e/helper/config.toml" <<-CONF
		[credmon]
		metrics-dir = "/e2e/metrics"

		[issuer.local]
		url = "$credd_issuer"
		cafile = "/e2e/ca.pem"

		[service.mysvc]
		issuer = "local"

		[service.fixed]
		issuer = "local"
		audience = "localhost:9619"
		scopes = ["compute.read"]
	CONF
	cat "$from/etc/passwd" - >"$e/passwd" <<-CONF
		alice:x:4301:4301:alice:/e2e/home/alice:/bin/false
		bob:x:4302:4302:bob:/e2e/home/bob:/bin/false
		carol:x:4303:4303:carol:/e2e/home/carol:/bin/false
	CONF
	cat "$from/etc/group" - >"$e/group" <<-CONF
		alice:x:4301:
		bob:x:4302:
		carol:x:4303:
	CONF
	for d in alice bob carol; do
		mkdir -p "$e/home/$d"
		# The example, with this test's job and addresses.
		sed -e 's,^executable .*,executable = /e2e/bin/job,; s,^transfer_executable .*,transfer_executable = False,' \
			-e "s,^arguments .*,arguments = 90 $server localhost:9619 ce@localhost," \
			-e 's,ce.example.org:9619,localhost:9619,; s,https://x.example.org,https://localhost:11094,' \
			-e '/^request_/d' -e "s,^output ,initialdir = /e2e/home/$d\noutput ," \
			-e 's,^\(environment .*\)"$,\1 X509_CERT_DIR=/e2e/certificates CONDOR_CONFIG=/etc/condor/condor_config",' \
			"$root/packaging/htcondor/example.sub" >"$e/home/$d/job.sub"
		(umask 077 && head -c 32 /dev/urandom | base64 >"$e/home/$d/passphrase")
		chmod 700 "$e/home/$d"
	done
	chown -R 4301:4301 "$e/home/alice"
	chown -R 4302:4302 "$e/home/bob"
	chown -R 4303:4303 "$e/home/carol"
	chown -R 64:64 "$e"/{log,spool,execute,lock,run,cache}
	mount -t tmpfs -o size=8m tmpfs "$e/creds" # small, so that a test can fill it
	chown 0:64 "$e/creds"
	chmod 2770 "$e/creds"
	chmod 700 "$e/state"
	# A bind mount does not include what the other parts mounted in the tree.
	mkdir -p "$from/etc/token-helpers"
	mount --bind "$from" "$r"
	mount --rbind "$e" "$r/e2e"
	mount --bind "$e/config.d" "$r/etc/condor/config.d"
	mount --bind "$e/helper" "$r/etc/token-helpers"
	mount --bind "$e/passwd" "$r/etc/passwd"
	mount --bind "$e/group" "$r/etc/group"
	mount --bind "$W/bundle.pem" "$r/etc/ssl/certs/ca-certificates.crt"
	mount --bind /dev "$r/dev"
	mount -t proc proc "$r/proc"
	for d in run tmp; do mount -t tmpfs tmpfs "$r/$d"; done
	chmod 1777 "$r/tmp"
	mkdir -p "$r"/run/{condor,lock/condor}
	chown 64:64 "$r"/run/{condor,lock/condor}
	env -i PATH=/usr/sbin:/usr/bin CONDOR_CONFIG=/etc/condor/condor_config TOKEN_HELPER_STATE_DIR=/e2e/state \
		chroot "$r" condor_master -f >"$e/out.log" 2>&1 &
}

# user POOL NAME COMMAND... runs a command as a user of the access point.
user() {
	local id
	id=$(id_of "$2")
	env -i PATH=/usr/bin:/e2e/bin HOME="/e2e/home/$2" CONDOR_CONFIG=/etc/condor/condor_config TERM=dumb \
		TOKEN_HELPER_PASSPHRASE_FILE="/e2e/home/$2/passphrase" \
		/usr/sbin/chroot --userspec="$id:$id" "$p/$1/root" "${@:3}"
}
id_of() {
	case $1 in
	alice) echo 4301 ;;
	bob) echo 4302 ;;
	carol) echo 4303 ;;
	esac
}
# at_terminal COMMAND... runs a function on a new terminal.
at_terminal() { script -qec "bash -c '\"\$@\"' t $(printf '%q ' "$@")" /dev/null; }
# twice POOL USER SERVICE stores the credentials of a service twice at the same time.
twice() {
	local first
	at_terminal user "$1" "$2" condor-token-helper store "$3" &
	first=$!
	at_terminal user "$1" "$2" condor-token-helper store "$3"
	wait $first
}
export -f user id_of at_terminal twice
export p

ready() { user "$1" alice condor_status -af Name | grep -q slot && user "$1" alice condor_status -schedd -af Name | grep -q .; }
creds() { echo "$p/$1/e2e/creds"; }

# hostile POOL plants files that somebody with HTCondor's account could plant. None of them may
# be followed or used, and all other users must get their tokens.
hostile() {
	local d
	d=$(creds "$1")
	ln -s alice "$d/mallory"
	mkdir "$d/eve" "$d/foreign"
	chown 64:64 "$d/eve"
	chmod 2700 "$d/eve"
	chown 4303:4303 "$d/foreign"
	echo garbage >"$d/eve/garbage.top"
	head -c 100000 /dev/zero >"$d/eve/huge.top"
	mkfifo "$d/eve/pipe.top"
	mkdir "$d/eve/directory.top"
	ln -s ../alice/mysvc_ce.top "$d/eve/link.top"
	echo '{"vault_token": "x", "vault_url": "https://v.example.org:8200/v1/x"}' >"$d/eve/vault.top"
	echo '{"token_helpers": "1", "login": "../alice/token-helpers_0", "scopes": "read:/"}' >"$d/eve/elsewhere.top"
	echo '{"token_helpers": "1", "login": "token-helpers_0", "scopes": "read:/"}' >"$d/eve/foreign.top"
	cp "$d/eve/foreign.top" "$d/foreign/foreign.top"
	echo '{"token_helpers": "1", "issuer": "https://127.0.0.1:1/", "client_id": "c", "grant": "refresh_token", "secret": {"issuer": "https://127.0.0.1:1/", "client_id": "c", "refresh_token": "r"}}' >"$d/eve/token-helpers_0.top"
	chown 4301:4301 "$d/eve/foreign.top"
	ln -s /etc/passwd "$d/eve/foreign.use"
}
# finished POOL reports whether all jobs have left the queue.
finished() { [ -z "$(user "$1" alice condor_q -all -af ClusterId)" ]; }
credmon_pid() { cat "$(creds "$1")/pid"; }
# restarted POOL PID reports whether a credmon other than PID runs.
restarted() {
	local now
	now=$(credmon_pid "$1")
	[ "$now" != "$2" ] && [ -d "/proc/$(in_host "$1")" ]
}
# in_host POOL prints the process ID of the pool's credmon outside of the tree, which is the
# same: the tree has no process namespace.
in_host() { credmon_pid "$1"; }
export -f creds credmon_pid in_host

pool trixie "$E2E_CACHE/htcondor-trixie" 39618
pool today "$E2E_CACHE/today-forky" 49618
for v in trixie today; do
	patience=60 await "the pool $v" ready $v
	await "the credmon of $v" test -s "$(creds $v)/pid"
	# --- without a terminal the submission fails with the command to run
	expect "$v: without a terminal nothing is submitted" ! 'there is no terminal' user $v alice condor_submit /e2e/home/alice/job.sub
	expect "$v: and the message names the command" ! "condor-token-helper store 'mysvc&handle=ce" user $v alice condor_submit /e2e/home/alice/job.sub
	for u in alice bob; do
		expect "$v: $u logs in once and submits a job with two handles" 0 'submitted to cluster' at_terminal user $v $u condor_submit /e2e/home/$u/job.sub
		expect "$v: $u submits another one without a login" 0 'submitted to cluster' user $v $u condor_submit /e2e/home/$u/job.sub
	done
	hostile $v
done
control=$credd_control
count_check "logins: one for each user and access point" "$(requests device)" 4

# --- what only root may read, while the jobs run

for v in trixie today; do
	expect "$v: the credmon has dropped the capabilities that it does not need" 0 'CapEff:.0000000000000002$' grep CapEff "/proc/$(credmon_pid $v)/status"
	write_secrets "$p/secrets"
	found=0
	while IFS= read -r secret; do
		! find "$(creds $v)" "$p/$v/e2e/state" "$p/$v/e2e/log" "$p/$v/e2e/home" "$p/$v/e2e/spool" -type f ! -name '*.use' -print0 | xargs -0 grep -aqF -- "$secret" || found=$((found + 1))
	done <"$p/secrets"
	count_check "$v: secrets in files other than the tokens of jobs" $found 0
	for _ in $(seq 200); do kill -HUP "$(credmon_pid $v)"; done
done

# --- a user whose access point has no storer

for v in trixie today; do
	expect "$v: carol logs in for herself" 0 'logged in' at_terminal user $v carol condor-token-helper login --issuer local
done
expect "today: carol pushes a token" 0 'has a token for mysvc_ce' user today carol condor-token-helper push 'mysvc&handle=ce&scopes=compute.read&audience=localhost:9619'
expect "today: it is the token that was requested" 0 '' jwt-inspect --read --ce localhost:9619 "$(creds today)/carol/mysvc_ce.use"
expect "trixie: HTCondor 23 cannot store tokens" 8 'this version of HTCondor cannot store' user trixie carol condor-token-helper push 'mysvc&handle=ce&scopes=compute.read&audience=localhost:9619'
for v in trixie today; do
	sed -e 's/^arguments .*/arguments = 0 - - -/; /^mysvc_/d; s/mysvc$/fixed/' "$p/$v/e2e/home/carol/job.sub" >"$p/$v/e2e/home/carol/fixed.sub"
	before=$(requests device)
	expect "$v: of two storers at the same time, one waits" 0 'another submission of yours is logging in' twice $v carol fixed
	count_check "$v: and they log in once" $(($(requests device) - before)) 1
	expect "$v: carol submits a job for a service with configured scopes" 0 'submitted to cluster' at_terminal user $v carol condor_submit /e2e/home/carol/fixed.sub
done

count_check "clients: one for each user, and the access points use carol's" "$(requests registration)" 6

# --- the jobs

ask_issuer refresh >"$p/refresh"
for v in trixie today; do
	patience=150 await "the jobs of $v" finished $v
	for out in "$p/$v"/e2e/home/{alice,bob}/*.out; do
		name=$v/$(basename "$(dirname "$out")")/$(basename "$out")
		expect "$name: every call of the job succeeded" 0 '^[0-9]{2,} calls, 0 failed, ([6-9]|[1-9][0-9]) tokens for ce, ([6-9]|[1-9][0-9]) for se$' grep -a ' calls, ' "$out"
		expect "$name: BEARER_TOKEN_FILE is the file of a handle" 0 'true$' grep -a '^BEARER_TOKEN_FILE is' "$out"
		sed '/^=== all/,$d' "$out" | grep -av ' calls, \|^BEARER' | head -n 20 | sed 's/^/     | /' || true
	done
	ask_issuer refresh >"$p/refresh"
	count_check "$v: jobs that see a refresh token" "$(cat "$p/$v"/e2e/home/*/*.out | grep -acFf "$p/refresh" || true)" 0
	check "$v: there were refresh tokens to search for" [ "$(wc -l <"$p/refresh")" -gt 20 ]
	check "$v: a job sees its own tokens" grep -aq 'mysvc_ce.use' "$p/$v"/e2e/home/alice/*.out
	check "$v: the job with configured scopes has its token" grep -aq 'fixed.use' "$p/$v"/e2e/home/carol/*.out
done

# --- another audience for the same credential. HTCondor 25 does not signal the credmon.

for v in trixie today; do
	expect "$v: carol replaces a credential" 0 'get this token, too' user $v carol condor-token-helper store 'fixed&scopes=compute.read&audience=other.example.org:9619'
	# The storer has waited for it, but condor_credd reports times in seconds only: a token that
	# was renewed in the second before looks like the new one.
	await "the token of $v for the other audience" jwt-inspect --aud other.example.org:9619 "$(creds $v)/carol/fixed.use"
	expect "$v: its token is replaced, too" 0 '' jwt-inspect --aud other.example.org:9619 "$(creds $v)/carol/fixed.use"
done

# --- planted files

for v in trixie today; do
	log=$p/$v/e2e/log/CredMonOAuthLog
	count_check "$v: tokens for planted files" "$(find "$(creds $v)"/{eve,foreign} -name '*.use' -type f | wc -l)" 0
	check "$v: the planted link is unchanged" [ -L "$(creds $v)/mallory" ]
	expect "$v: the log names the foreign file" 0 'user eve, service foreign: ignored: the file belongs to user 4301' grep -a 'service foreign' "$log"
	expect "$v: the log names the foreign directory" 0 'user foreign: .*belongs to user 4303' grep -a 'user foreign' "$log"
	expect "$v: the log names the issuer that is not configured" 0 'does not name the issuer https://127.0.0.1:1/' grep -a 'user eve, service token-helpers_0' "$log"
	check "$v: the credential of another credmon is not changed" [ -s "$(creds $v)/eve/vault.top" ]
	rm -rf "$(creds $v)"/{eve,foreign,mallory}
done

# --- failures

for v in trixie today; do
	old=$(credmon_pid $v)
	kill -KILL "$old"
	patience=60 await "the credmon of $v after a kill" restarted $v "$old"
	check "$v: the master starts a killed credmon again" restarted $v "$old"
done
fresh() { jwt-inspect --read --ce localhost:9619 "$1"; }
export -f fresh
# served CAUSE checks that there is a valid token again.
served() {
	local v use
	for v in trixie today; do
		use=$(creds $v)/alice/mysvc_ce.use
		patience=60 await "a token after $1" fresh "$use"
		expect "$v: after $1 there is a valid token" 0 '' fresh "$use"
	done
}
mode() { curl -sS --fail --max-time 10 --unix-socket "$credd_control" -X POST "http://issuer/mode?$1"; }
mode server-error
before=$(requests token:refresh_token)
sleep 60
sent=$(($(requests token:refresh_token) - before))
echo "     | $sent requests while the issuer was down"
check "requests to an issuer that is down become less frequent" [ "$sent" -lt 100 ]
mode ""
served "the issuer was down for a minute"
full() { grep -aq 'no space left on device' "$p/$1/e2e/log/CredMonOAuthLog"; }
for v in trixie today; do head -c 16M /dev/zero >"$(creds $v)/filler" 2>/dev/null || true; done
for v in trixie today; do patience=60 await "the disk of $v to be full" full $v; done
sleep 12 # until every token is due
before=$(requests token:refresh_token)
sleep 12
count_check "requests for tokens that could not be saved" $(($(requests token:refresh_token) - before)) 0
for v in trixie today; do rm "$(creds $v)/filler"; done
served "the disk was full"
logins=0
for v in trixie today; do logins=$((logins + $(grep -acE 'no longer valid|is lost' "$p/$v/e2e/log/CredMonOAuthLog" || true))); done
count_check "logins lost in all failures" $logins 0

# --- users without jobs

for v in trixie today; do
	before=$(requests client)
	revoked=$(requests revocation)
	for u in alice bob carol; do
		# Credentials stored after the mark would be kept.
		touch -d '3 hours ago' "$(creds $v)/$u"/*.top
		touch -d '2 hours ago' "$(creds $v)/$u.mark"
	done
	kill -HUP "$(credmon_pid $v)"
	gone() { [ -z "$(find "$(creds "$1")" -mindepth 1 -type d)" ]; }
	patience=60 await "the users of $v to be removed" gone $v
	count_check "$v: remaining marks" "$(find "$(creds $v)" -name 'alice.mark' -o -name 'bob.mark' | wc -l)" 0
	# Carol also has a login in her home, and its client is used for her jobs, too.
	count_check "$v: clients deleted at the issuer" $(($(requests client) - before)) 2
	count_check "$v: logins revoked at the issuer" $(($(requests revocation) - revoked)) 3
	grep -a 'logged out\|removed the credentials' "$p/$v/e2e/log/CredMonOAuthLog" | tail -n 4 | sed 's/^/     | /'
done
check "no secret in a log" bash -c '! cat "$1"/*/e2e/log/* | grep -aqFf "$2"' bash "$p" "$p/refresh"

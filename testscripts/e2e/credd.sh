# HTCondor's credential machinery with our storer and credmon: two pools on loopback, one of
# the version that Debian's next release has and one of today's, whose jobs use the XRootD and
# the HTCondor of the other parts with tokens that live for 20 seconds.
# shellcheck shell=bash
# shellcheck disable=SC2154  # here, pki, x and server come from the other parts

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

p=$W/credd
mkdir "$p"
# XRootD and HTCondor know this issuer by the port.
credd_issuer=https://localhost:18448
start_issuer credd 18448 -lifetime 20s -rotate
credd_issuer_pid=$issuer_pid
credd_control=$control

# holds NAME COMMAND... counts whether a command succeeds.
holds() {
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
	cat >"$e/config.d/99-e2e" <<-CONF
		CONDOR_HOST = localhost
		COLLECTOR_HOST = localhost:$port
		NETWORK_INTERFACE = 127.0.0.1
		BIND_ALL_INTERFACES = FALSE
		NETWORK_HOSTNAME = localhost
		ENABLE_IPV6 = FALSE
		USE_SHARED_PORT = TRUE
		SHARED_PORT_PORT = $port
		DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD CREDD
		SEC_CREDENTIAL_DIRECTORY_OAUTH = /e2e/creds
		SEC_CREDENTIAL_REFRESH = 3
		SEC_CREDENTIAL_SWEEP_DELAY = 5
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
			-e '/^request_/d' \
			-e 's,^\(environment .*\)"$,\1 X509_CERT_DIR=/e2e/certificates CONDOR_CONFIG=/etc/condor/condor_config",' \
			"$root/packaging/htcondor/example.sub" >"$e/home/$d/job.sub"
		chmod 700 "$e/home/$d"
	done
	chown -R 4301:4301 "$e/home/alice"
	chown -R 4302:4302 "$e/home/bob"
	chown -R 4303:4303 "$e/home/carol"
	chown -R 64:64 "$e"/{log,spool,execute,lock,run,cache}
	chown 0:64 "$e/creds"
	chmod 2770 "$e/creds"
	chmod 700 "$e/state"
	# Without what the other parts mounted in the tree.
	mkdir -p "$from/etc/token-helpers"
	mount --bind "$from" "$r"
	mount --bind "$e" "$r/e2e"
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
	env -i PATH=/usr/bin HOME="/e2e/home/$2" CONDOR_CONFIG=/etc/condor/condor_config TERM=dumb \
		chroot --userspec="$id:$id" "$p/$1/root" "${@:3}"
}
id_of() {
	case $1 in
	alice) echo 4301 ;;
	bob) echo 4302 ;;
	carol) echo 4303 ;;
	esac
}
# at_terminal COMMAND... runs a function on a terminal of its own.
at_terminal() { script -qec "bash -c '\"\$@\"' t $(printf '%q ' "$@")" /dev/null; }
export -f user id_of at_terminal
export p

ready() { user "$1" alice condor_status -af Name | grep -q slot && user "$1" alice condor_status -schedd -af Name | grep -q .; }
creds() { echo "$p/$1/e2e/creds"; }
says() { grep -acE -- "$1" "$2" || true; }

declare -A trees=([trixie]="$E2E_CACHE/htcondor-trixie" [today]="$E2E_CACHE/today-forky")
pool trixie "${trixie:-${trees[trixie]}}" 39618
pool today "${trees[today]}" 49618
for v in trixie today; do
	patience=60 await "the pool $v" ready $v
	# --- without a terminal the submission stops, and says what to do
	expect "$v: without a terminal nothing is submitted" ! 'there is no terminal' user $v alice condor_submit /e2e/home/alice/job.sub
	expect "$v: and the message names the command" ! "condor-token-helper store 'mysvc&handle=ce" user $v alice condor_submit /e2e/home/alice/job.sub
	for u in alice bob; do
		expect "$v: $u logs in once and submits a job with two handles" 0 'submitted to cluster' at_terminal user $v $u condor_submit /e2e/home/$u/job.sub
		expect "$v: $u submits another one without a login" 0 'submitted to cluster' user $v $u condor_submit /e2e/home/$u/job.sub
	done
done
count_check "logins: one for each user and access point" "$(requests token:urn:ietf:params:oauth:grant-type:device_code)" 4

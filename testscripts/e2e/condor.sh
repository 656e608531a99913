# A real HTCondor with the authentication settings of an HTCondor-CE, in the tree that install
# unpacked.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the issuers come from issuers.sh

tree=$(ls -d "$E2E_CACHE"/htcondor-*)
c=$W/condor
mkdir -p "$c"/{config.d,log,spool,execute,lock,run,cache,client,tls}
cp "$tree"/etc/condor/config.d/* "$c/config.d/"
cp "$pki/host.pem" "$pki/host.key" "$c/tls/"
cat >"$c/config.d/99-e2e" <<CONF
CONDOR_HOST = localhost
COLLECTOR_HOST = localhost:9619
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = FALSE
NETWORK_HOSTNAME = localhost
UID_DOMAIN = users.htcondor.org
SCHEDD_NAME = ce@localhost
DAEMON_LIST = MASTER, COLLECTOR, SCHEDD
USE_SHARED_PORT = TRUE
SHARED_PORT_PORT = 9619
ENABLE_IPV6 = FALSE
SCITOKENS_SERVER_AUDIENCE = \$(COLLECTOR_HOST)
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = SCITOKENS, FS
SEC_DEFAULT_ENCRYPTION = REQUIRED
SEC_DEFAULT_INTEGRITY = REQUIRED
CERTIFICATE_MAPFILE = /e2e/map
CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = True
AUTH_SSL_SERVER_CERTFILE = /e2e/tls/host.pem
AUTH_SSL_SERVER_KEYFILE = /e2e/tls/host.key
AUTH_SSL_CLIENT_CAFILE = /etc/ssl/certs/ca-certificates.crt
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = condor@*, root@*, condor_pool@*
ALLOW_ADMINISTRATOR = root@*
SCHEDD_DEBUG = D_SECURITY D_FULLDEBUG
COLLECTOR_DEBUG = D_SECURITY
LOG = /e2e/log
SPOOL = /e2e/spool
EXECUTE = /e2e/execute
LOCK = /e2e/lock
RUN = /e2e/run
SEC_SCITOKENS_CACHE = /e2e/cache
CONF
cat >"$c/map" <<CONF
SCITOKENS /^https:\/\/localhost:1844[4578],(demo|e2e)-user\$/ tester
CONF
cat >"$c/client/job.sub" <<CONF
universe = vanilla
executable = /bin/sleep
arguments = 600
transfer_executable = false
log = job.log
queue
CONF
chown -R 64:64 "$c"/{log,spool,execute,lock,run,cache}
chown -R 4242:4242 "$c/client"
mount --bind "$tree" "$tree"
mount --bind "$c" "$tree/e2e"
mount --bind "$c/config.d" "$tree/etc/condor/config.d"
mount --bind "$W/bundle.pem" "$tree/etc/ssl/certs/ca-certificates.crt"
mount --bind /dev "$tree/dev"
mount -t proc proc "$tree/proc"
env -i PATH=/usr/sbin:/usr/bin CONDOR_CONFIG=/etc/condor/condor_config chroot "$tree" condor_master -f >"$c/out.log" 2>&1 &

# as NAME ARG... runs a command as the user tester with the token called NAME.
as() {
	local name=$1
	shift
	install -m 600 -o 4242 -g 4242 "$W/tokens/$name" "$c/client/$name"
	env -i PATH=/usr/bin:/usr/sbin HOME=/home/tester CONDOR_CONFIG=/etc/condor/condor_config \
		BEARER_TOKEN_FILE="/e2e/client/$name" _CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS \
		chroot --userspec=4242:4242 "$tree" "$@"
}
export c tree
export -f as

pool=localhost:9619
schedd=ce@localhost
get ce condor-token-helper --ce $pool
get ce-read condor-token-helper --read --ce $pool
get ce-write condor-token-helper --write --ce $pool
get ce-elsewhere condor-token-helper --ce other.example.org
get ce-url condor-token-helper --aud https://$pool
get ce-scitokens condor-token-helper --issuer "$scitokens" --profile scitokens --ce $pool

await "HTCondor's collector" as ce condor_status -pool $pool -any -af Name
listed() { as ce condor_status -pool $pool -schedd -af Name | grep -q $schedd; }
await "HTCondor's schedd" listed

# because PATTERN checks that the lines of the server's log since the last call contain this
# reason.
read_so_far=$(wc -l <"$c/log/CollectorLog")
because() {
	local line
	line=$(tail -n "+$((read_so_far + 1))" "$c/log/CollectorLog" | grep -aE -- "$1" | tail -n 1) || true
	read_so_far=$(wc -l <"$c/log/CollectorLog")
	[ -n "$line" ] && good=0 || good=1
	result "  … and the server's log contains: $1" $good
	[ -z "$line" ] || echo "     server: …${line: -160}"
}

for t in ce ce-write ce-scitokens; do
	expect "$t may WRITE" 0 'succeeded|SUCCEED' as $t condor_ping -pool $pool -type COLLECTOR WRITE
	expect "$t submits a job" 0 '1 job\(s\) submitted' as $t condor_submit -pool $pool -remote $schedd -spool /e2e/client/job.sub
	expect "$t sees its job" 0 'tester' as $t condor_q -pool $pool -name $schedd -all -af ClusterId Owner JobStatus
	expect "$t removes its job" 0 'marked for removal|have been marked' as $t condor_rm -pool $pool -name $schedd -all
done

expect "ce-read may READ" 0 'succeeded|SUCCEED' as ce-read condor_ping -pool $pool -type COLLECTOR READ
expect "ce-read sees the queue" 0 '' as ce-read condor_q -pool $pool -name $schedd -all -af ClusterId
expect "ce-read may not submit" ! 'DENIED' as ce-read condor_submit -pool $pool -remote $schedd -spool /e2e/client/job.sub
expect "ce-read may not WRITE" ! 'DENIED|FAIL|failed' as ce-read condor_ping -pool $pool -type COLLECTOR WRITE
expect "a token for another CE is refused" ! 'Failed to authenticate|FAIL|failed' as ce-elsewhere condor_ping -verbose -pool $pool -type COLLECTOR WRITE
because "'aud' claim verification failed"
expect "a URL as audience is refused" ! 'Failed to authenticate|FAIL|failed' as ce-url condor_ping -verbose -pool $pool -type COLLECTOR WRITE
because "'aud' claim verification failed"

verified ce "$wlcg" $pool "compute.cancel:/ compute.create:/ compute.modify:/ condor:/READ condor:/WRITE"
verified ce-read "$wlcg" $pool "condor:/READ"
verified ce-write "$wlcg" $pool "compute.cancel:/ compute.create:/ compute.modify:/ condor:/WRITE"
verified ce-scitokens "$scitokens" $pool "condor:/READ condor:/WRITE"

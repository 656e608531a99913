# The verdicts of condor-token-helper preflight against the real credd, CE and XRootD, for
# the submit files in preflight/rows. It needs the parts issuers, xrootd and condor. If the part
# today ran, it also compares with today's servers.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, c, x, t and the issuers come from the other parts

# access_point TREE WORK PORT starts a credd and a collector.
access_point() {
	local tree=$1 ap=$2/ap port=$3
	mkdir -p "$ap"/{log,spool,execute,lock,run,oauth}
	chown 64:64 "$ap"/{log,spool,execute,lock,run}
	chown root:64 "$ap/oauth"
	chmod 2770 "$ap/oauth"
	# HTCondor's curl_plugin crashes if the host's name has no address.
	echo "127.0.0.1 localhost $(hostname)" >"$ap/hosts"
	mount --bind "$ap/hosts" "$tree/etc/hosts"
	cat >"$ap/condor_config" <<-CONF
		RELEASE_DIR = /usr
		LOCAL_DIR = /e2e/ap
		BIN = /usr/bin
		SBIN = /usr/sbin
		LIBEXEC = /usr/libexec/condor
		CONDOR_HOST = localhost
		COLLECTOR_HOST = localhost:$port
		NETWORK_INTERFACE = 127.0.0.1
		NETWORK_HOSTNAME = localhost
		BIND_ALL_INTERFACES = FALSE
		ENABLE_IPV6 = FALSE
		UID_DOMAIN = local
		FILESYSTEM_DOMAIN = local
		TRUST_UID_DOMAIN = True
		SOFT_UID_DOMAIN = True
		DAEMON_LIST = MASTER COLLECTOR CREDD
		USE_SHARED_PORT = TRUE
		SHARED_PORT_PORT = $port
		SEC_DEFAULT_AUTHENTICATION_METHODS = FS
		SEC_DEFAULT_AUTHENTICATION = REQUIRED
		SEC_DEFAULT_ENCRYPTION = REQUIRED
		SEC_DEFAULT_INTEGRITY = REQUIRED
		ALLOW_READ = *
		ALLOW_WRITE = *
		ALLOW_DAEMON = *
		ALLOW_ADMINISTRATOR = root@*
		SEC_CREDENTIAL_DIRECTORY_OAUTH = /e2e/ap/oauth
		CREDD_OAUTH_MODE = TRUE
		LOG = /e2e/ap/log
		SPOOL = /e2e/ap/spool
		EXECUTE = /e2e/ap/execute
		LOCK = /e2e/ap/lock
		RUN = /e2e/ap/run
	CONF
	env -i PATH=/usr/sbin:/usr/bin CONDOR_CONFIG=/e2e/ap/condor_config chroot "$tree" condor_master -f >"$ap/out.log" 2>&1 &
	credd_up() {
		env -i PATH=/usr/bin:/usr/sbin HOME=/home/tester CONDOR_CONFIG=/e2e/ap/condor_config chroot --userspec=4242:4242 "$tree" \
			condor_status -any -af MyType | grep -q CredD
	}
	await "HTCondor's credd" credd_up
}

echo "write me" >"$c/client/in.txt"
mkdir -p "$x/data/store/user" "$x/data/store/user2"
for f in user/a.txt user/b.txt user2/a.txt; do echo "read me" >"$x/data/store/$f"; done
chown -R xrootd: "$x/data"

# HTCondor's curl_plugin tries only the IPv6 address of localhost, from which XRootD does not
# accept connections.
ip -6 addr del ::1/128 dev lo
access_point "$tree" "$c" 19618
agreed=0
"$W/bin/preflight" --old --only "${E2E_ONLY:-}" --rows "$here/preflight/rows" --work "$c" --tree "$tree" --pki "$pki" --web localhost:11443 --pool "$pool" \
	--flags "--xrootd-version 5.5.3 --htcondor-version 23.9.6" || agreed=1
result "the verdicts of preflight match the credd, the CE and XRootD" $agreed

agreed=0
"$W/bin/preflight" --random 100 --work "$c" --tree "$tree" || agreed=1
result "random submit files are read as condor_submit reads them" $agreed

if [ -d "$W/today" ]; then
	echo "write me" >"$t/client/in.txt"
	cp "$c/client/job.sub" "$t/client/job.sub"
	chown 4242:4242 "$t/client/job.sub"
	# A server whose audience is its address.
	sed 's#^audience = #&https://localhost:41443, #' "$x/scitokens.cfg" >"$t/preflight.cfg"
	started preflight 41094 41443 "$t/preflight.cfg"
	rm "$t/preflight/data/store/user/created-once.txt"
	access_point "$today" "$t" 39618
	agreed=0
	"$W/bin/preflight" --only "${E2E_ONLY:-}" --rows "$here/preflight/rows" --work "$t" --tree "$today" --pki "$pki" --web localhost:41443 --pool localhost:29619 \
		--flags "--htcondor-version 25.14.1 --xrootd-version 6.2.0" || agreed=1
	result "the verdicts of preflight match today's credd, CE and XRootD" $agreed
	agreed=0
	"$W/bin/preflight" --random 100 --seed 2 --work "$t" --tree "$today" || agreed=1
	result "random submit files are read as today's condor_submit reads them" $agreed
fi
ip -6 addr add ::1/128 dev lo

# Today's servers, from the newest tree that install unpacked. It needs the parts issuers,
# xrootd and condor, whose configurations it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, c, x and the issuers come from the other parts

# shellcheck source=agree-lib.sh
. "$here/agree-lib.sh"
today=$E2E_CACHE/today-forky
t=$W/today
sed 's/^/     today: /' "$today/versions"
mkdir -p "$t"/{config.d,log,spool,execute,lock,run,cache,client,tls,certificates}
cp "$today"/etc/condor/config.d/* "$t/config.d/" 2>/dev/null || true
cp "$pki/host.pem" "$pki/host.key" "$t/tls/"
cp "$x"/certificates/* "$t/certificates/"
# The same HTCondor on another port. Since version 24, authentication is optional for READ; here
# it is required.
sed 's/9619$/29619/; s/localhost:9619/localhost:29619/' "$c/config.d/99-e2e" >"$t/config.d/99-e2e"
cat >>"$t/config.d/99-e2e" <<CONF
SHARED_PORT_PORT = 29619
SCITOKENS_SERVER_AUDIENCE = localhost:9619
SEC_READ_AUTHENTICATION = REQUIRED
CONF
cp "$c/map" "$t/map"
echo "write me" >"$t/client/in.txt"
chown -R 64:64 "$t"/{log,spool,execute,lock,run,cache}
chown -R 4242:4242 "$t/client"
mount --bind "$today" "$today"
mount --bind "$t" "$today/e2e"
mount --bind "$t/config.d" "$today/etc/condor/config.d"
mount --bind "$W/bundle.pem" "$today/etc/ssl/certs/ca-certificates.crt"
mount --bind /dev "$today/dev"
mount -t proc proc "$today/proc"
mount -t tmpfs tmpfs "$today/run"
mkdir -p "$today"/run/{condor,lock/condor}
chown 64:64 "$today"/run/{condor,lock/condor}
for d in log lib lib/condor/spool lib/condor/execute; do
	mkdir -p "$today/var/$d/condor"
done
env -i PATH=/usr/sbin:/usr/bin CONDOR_CONFIG=/etc/condor/condor_config chroot "$today" condor_master -f >"$t/out.log" 2>&1 &

# started NAME PORT WEB-PORT SCITOKENS-CFG starts one of today's XRootDs.
started() {
	local y=$t/$1 inside=/e2e/$1
	mkdir -p "$y"/{log,admin,tls,cache}
	cp "$pki"/host.pem "$pki"/host.key "$y/tls/"
	cp "$pki/ca.pem" "$y/ca.pem"
	cp "$4" "$y/scitokens.cfg"
	cp -r "$x/data" "$y/data"
	sed -e "s#$pki#$inside#g; s#$x#$inside#g; s/11094/$2/; s/11443/$3/" "$x/xrootd.cfg" >"$y/xrootd.cfg"
	chown -R 4242:4242 "$y"
	env -i PATH=/usr/bin:/usr/sbin XDG_CACHE_HOME="$inside/cache" HOME="$inside" chroot --userspec=4242:4242 "$today" \
		xrootd -c "$inside/xrootd.cfg" -l "$inside/log/xrootd.log" -n "$1" >"$y/out.log" 2>&1 &
	await "today's XRootD $1" curl -s --cacert "$pki/ca.pem" -o /dev/null "https://localhost:$3/"
}
sed -e 's#^base_path = /$#base_path = /store\nrestricted_path = /user#' "$x/scitokens.cfg" >"$t/part.cfg"
[ -e "$x/data/store/user2" ] || stored "$x/data"
started whole 51094 51443 "$x/scitokens.cfg"
started part 61094 61443 "$t/part.cfg"
several_keys
today_up() {
	env -i PATH=/usr/bin:/usr/sbin HOME=/root CONDOR_CONFIG=/etc/condor/condor_config chroot "$today" condor_who -quick 2>/dev/null | grep -q . ||
		grep -q 'ready\|Daemon Log\|COLLECTOR' "$t/log/CollectorLog"
}
await "today's HTCondor" today_up

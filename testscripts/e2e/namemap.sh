# name_mapfile on real XRootDs: the user of a request must be the one that jwt-inspect
# names. It needs the parts xrootd, condor and today, whose configurations it uses.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, c, t, x, tree and today come from the other parts

# shellcheck source=agree-lib.sh
. "$here/agree-lib.sh"
mkdir -m 711 "$W/names"
# named DIRECTORY INSIDE PORT WEB-PORT OWNER prepares the directory of a server, whose name for
# the server is INSIDE.
named() {
	local y=$1 inside=$2
	mkdir -p "$y"/{log,admin,tls,cache}
	cp "$pki"/host.pem "$pki"/host.key "$y/tls/"
	cp "$pki/ca.pem" "$y/ca.pem"
	cp -r "$x/data" "$y/data"
	sed -e "s#$pki#$inside#g; s#$x#$inside#g; s/11094/$3/; s/11443/$4/" "$x/xrootd.cfg" >"$y/xrootd.cfg"
	chown -R "$5" "$y"
}
[ -e "$x/data/store/user2" ] || stored "$x/data"
named "$W/names/local" "$W/names/local" 12094 12443 xrootd:
named "$c/names" /e2e/names 13094 13443 4242:4242
named "$t/names" /e2e/names 14094 14443 4242:4242
agreed=0
"$W/bin/agree" --servers namemap --work "$W/names" --pki "$pki" --tree "$tree" --condor "$c" --today-tree "$today" --today "$t" || agreed=1
result "the users of name_mapfile match XRootD's" $agreed

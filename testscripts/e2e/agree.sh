# Compares the verdicts of jwt-inspect with real servers: tokens with one difference each are
# presented to HTCondor, to XRootD and to a newer XRootD, and the verdicts must match. Each
# XRootD runs twice: without restrictions, and with base_path and restricted_path.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki, tree, c, x and pool come from the other parts

# shellcheck source=agree-lib.sh
. "$here/agree-lib.sh"
mkdir -p "$c/certificates"
cp "$x"/certificates/* "$c/certificates/"
stored "$x/data"
sed -e 's#^base_path = /$#base_path = /store\nrestricted_path = /user#' "$x/scitokens.cfg" >"$W/part.cfg"

# another NAME PORT WEB-PORT SCITOKENS-CFG DIRECTORY INSIDE COMMAND... starts an XRootD
# with the configuration of the first one, except for these arguments. INSIDE is the server's
# name for DIRECTORY.
another() {
	local name=$1 port=$2 web=$3 cfg=$4 y=$5 inside=$6
	shift 6
	mkdir -p "$y"/{log,admin,tls,cache}
	cp "$pki"/host.pem "$pki"/host.key "$y/tls/"
	cp "$pki/ca.pem" "$y/ca.pem"
	cp "$cfg" "$y/scitokens.cfg"
	cp -r "$x/data" "$y/data"
	sed -e "s#$pki#$inside#g; s#$x#$inside#g; s/11094/$port/; s/11443/$web/" "$x/xrootd.cfg" >"$y/xrootd.cfg"
	chown -R "$owner" "$y"
	"$@" -c "$inside/xrootd.cfg" -l "$inside/log/xrootd.log" -n "$name" >"$y/out.log" 2>&1 &
	await "XRootD $name" curl -s --cacert "$pki/ca.pem" -o /dev/null "https://localhost:$web/"
}
owner=xrootd:
another part 31094 31443 "$W/part.cfg" "$W/part" "$W/part" env XDG_CACHE_HOME="$W/part/cache" xrootd -R xrootd
owner=4242:4242
in_tree() {
	env -i PATH=/usr/bin:/usr/sbin XDG_CACHE_HOME="$1/cache" HOME="$1" chroot --userspec=4242:4242 "$tree" xrootd "${@:2}"
}
another new 21094 21443 "$x/scitokens.cfg" "$c/new" /e2e/new in_tree /e2e/new
another new-part 41094 41443 "$W/part.cfg" "$c/new-part" /e2e/new-part in_tree /e2e/new-part

several_keys

mkdir -m 700 "$W/agree"
echo "write me" >"$W/agree/in.txt"
cp "$W/agree/in.txt" "$c/client/in.txt"
chown 4242:4242 "$c/client/in.txt"
agreed=0
"$W/bin/agree" --only "${E2E_ONLY:-}" --servers debian --work "$W/agree" --pki "$pki" --tree "$tree" --condor "$c" --mapfile "$c/map" --scitokens-cfg "$x/scitokens.cfg" --part-cfg "$W/part.cfg" || agreed=1
result "the verdicts of jwt-inspect match the servers" $agreed

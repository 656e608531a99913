# A real htgettoken with a substitute for the part of Vault that it calls.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the servers come from the other parts

v=$W/vault
mkdir -m 700 "$v" "$v/home" "$v/run"
python3 "$here/vault.py" 18200 "$pki/host.pem" "$pki/host.key" hvs.e2e >"$v/log" 2>&1 &
await "the substitute for Vault" grep -q ready "$v/log"
(umask 077 && echo hvs.e2e >"$v/vt")
cat >"$W/bin/htgettoken" <<SH
#!/bin/sh
PYTHONPATH='$E2E_CACHE/htgettoken' exec /usr/bin/python3 -c 'import htgettoken; htgettoken.main()' "\$@"
SH
chmod 755 "$W/bin/htgettoken"
# vaulted ARG... runs a helper for a user who has only htgettoken.
vaulted() {
	env -u XDG_CACHE_HOME HOME="$v/home" XDG_RUNTIME_DIR="$v/run" \
		HTGETTOKENOPTS="--vaultserver=localhost:18200 --issuer=e2e --credkey=user --nokerberos --nossh --cafile=$pki/ca.pem" "$@"
}
export v
export -f vaulted
expect "condor-token-helper by htgettoken" 0 '' vaulted condor-token-helper --from "htgettoken:--vaulttokenfile=$v/vt" --ce $pool --file "$W/tokens/vault"
verified vault "$wlcg" $pool "compute.cancel:/ compute.create:/ compute.modify:/ condor:/READ condor:/WRITE"
expect "HTCondor accepts it" 0 'succeeded' as vault condor_ping -pool $pool -type COLLECTOR WRITE
expect "xrd-token-helper by htgettoken" 0 '' vaulted xrd-token-helper --from "htgettoken:--vaulttokenfile=$v/vt" --read --server $server --file "$W/tokens/vault-xrd"
expect "XRootD accepts it" 0 'read me' rooted vault-xrd xrdfs $server cat /store/write.txt
expect "htgettoken has no vault token" 4 'htgettoken: exit status' vaulted condor-token-helper --from "htgettoken:--vaulttokenfile=$v/none" --ce $pool --force-new

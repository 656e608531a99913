# KWallet, on a desktop that has no other keyring: the real kwalletd on a session bus, without a
# display. A login must survive rotation, many concurrent processes and the death of the daemon,
# and logout must remove it. Newer daemons are the secret service, too. Then failures: a closed
# wallet whose dialog nobody answers, a denied application, a daemon that is killed, and KWallet
# disabled.
# shellcheck shell=bash
# shellcheck disable=SC2016  # sh -c expands what is in single quotes
# shellcheck disable=SC2154  # here and issuer_pid come from run and lib.sh

# shellcheck source=keyrings/rings.sh
. "$here/keyrings/rings.sh"

start_rings kwallet 18464
new_home kde "DBUS_SESSION_BUS_ADDRESS=unix:path=$k/kde/bus"

# The bus can start kwalletd, as on a desktop, but nothing else.
mkdir -m 755 "$k/services"
install -m 644 /usr/share/dbus-1/services/org.kde.kwalletd5.service "$k/services/"
cat >"$k/bus.conf" <<-CONF
	<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
	<busconfig>
	  <type>session</type>
	  <listen>unix:path=$k/kde/bus</listen>
	  <auth>EXTERNAL</auth>
	  <servicedir>$k/services</servicedir>
	  <policy context="default">
	    <allow send_destination="*" eavesdrop="true"/>
	    <allow eavesdrop="true"/>
	    <allow own="*"/>
	  </policy>
	</busconfig>
CONF
# The programs of Qt draw into memory: a dialog appears, but nobody sees it.
limit=600 as_ring kde env QT_QPA_PLATFORM=offscreen dbus-daemon --config-file="$k/bus.conf" --nofork >"$k/kde/bus.log" 2>&1 &

# on_bus NAME PATH METHOD [ARGUMENT...] calls a method on the session bus.
on_bus() {
	as_ring kde gdbus call --session --timeout 10 --dest "$1" --object-path "$2" --method "${@:3}"
}
kwallet() { on_bus org.kde.kwalletd5 /modules/kwalletd5 "org.kde.KWallet.$1" "${@:2}"; }
bus() { on_bus org.freedesktop.DBus /org/freedesktop/DBus "org.freedesktop.DBus.$1" "${@:2}"; }
await "the session bus" bus GetId

# configure_wallet ENABLED [LINE...] writes KWallet's configuration.
configure_wallet() {
	as_ring kde sh -c 'mkdir -p ~/.config && printf "%s\n" "$@" >~/.config/kwalletrc' sh \
		'[Wallet]' 'First Use=false' "Enabled=$1" 'Default Wallet=kdewallet' 'Prompt on Open=false' "${@:2}"
}

# open_wallet opens the wallet as pam_kwallet does at the login on the desktop. The key
# is derived from the password there, and random here.
key=$(od -An -v -tu1 -N56 /dev/urandom | xargs | sed 's/ /, /g')
open_wallet() {
	kwallet pamOpen kdewallet "[byte $key]" 0 >/dev/null
	await "the wallet" wallet_is_open
}
wallet_is_open() { kwallet isOpen kdewallet | grep -q true; }

# kill_wallet kills the daemon. It cannot save the wallet.
kill_wallet() {
	local pid
	pid=$(bus GetConnectionUnixProcessID org.kde.kwalletd5 | sed -E 's/.* ([0-9]+),.*/\1/')
	kill -KILL "$pid"
	await "the end of kwalletd" wallet_is_gone
}
wallet_is_gone() { bus NameHasOwner org.kde.kwalletd5 | grep -q false; }

# The items_KEYRING functions print the logins in a keyring, one per line.
items_kwallet() {
	local handle
	handle=$(kwallet open kdewallet 0 e2e | tr -dc 0-9)
	kwallet entryList "$handle" token-helpers e2e | grep -o "token-helpers-[0-9a-z-]*" || true
}
items_secret-service() {
	on_bus org.freedesktop.secrets /org/freedesktop/secrets/collection/kdewallet \
		org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Collection Items |
		grep -oE '/org/freedesktop/secrets/collection/kdewallet/[0-9A-Za-z_]+' || true
}
collections() {
	on_bus org.freedesktop.secrets /org/freedesktop/secrets org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Service Collections |
		grep -oE '/org/freedesktop/secrets/collection/[0-9A-Za-z_]+' || true
}
wallets() { kwallet wallets | grep -o "'[^']*'" | paste -sd ' '; }

# --- what must work

configure_wallet true
open_wallet
suite kde kwallet
check "kwallet: another refresh" 0 token '' as_ring kde condor-token-helper --ce c.example.org
kill_wallet
open_wallet
check "the daemon is killed after a refresh: the login is intact" 0 token '' as_ring kde condor-token-helper --ce d.example.org
kill_wallet
open_wallet
logged_out kde kwallet
kill_wallet
open_wallet
count_check "the daemon is killed after logout: the wallet contains no login" "$(items_kwallet kde)" ''

# kwalletd is the secret service, too. Its default collection is the wallet.
count_check "kwalletd is the secret service" "$(collections)" /org/freedesktop/secrets/collection/kdewallet
new_home service "${extra[kde]}"
suite service secret-service
logged_out service secret-service

# Without --keyring.
new_home auto "${extra[kde]}"
check "no keyring chosen: doctor names KWallet" 0 'keyring +kwallet' '' as_ring auto condor-token-helper doctor
check "no keyring chosen: login" 0 - '' as_ring auto condor-token-helper login
count_check "no keyring chosen: KWallet is chosen" "$(backends auto)" kwallet
check "no keyring chosen: the login works" 0 token '' as_ring auto condor-token-helper --ce a.example.org
logged_out auto kwallet
count_check "no other wallet was created" "$(wallets)" "'kdewallet'"

# --- failures

new_home other "${extra[kde]}"
check "login" 0 - '' as_ring kde condor-token-helper login --keyring kwallet
check "a token" 0 token '' as_ring kde condor-token-helper --ce a.example.org

# unusable NAME STDERR checks what happens while the login cannot be read.
unusable() {
	local before devices
	before=$(requests token) devices=$(requests device)
	check "$1: get" 8 - "$2" as_ring kde condor-token-helper --no-prompt --timeout 2s --ce a.example.org --force-new
	check "$1: a cached token needs no keyring" 0 token '' as_ring kde condor-token-helper --no-prompt --ce a.example.org
	check "$1: status names the keyring" 0 kwallet '' as_ring kde condor-token-helper status
	check "$1: logout" 8 - "$2" as_ring kde condor-token-helper logout --timeout 2s
	check "$1: login" 8 - "$2" as_ring kde condor-token-helper login --timeout 2s
	check "$1: a first login with --keyring kwallet" 8 - "$2" as_ring other condor-token-helper login --keyring kwallet --timeout 2s
	unchanged "$1: no token was requested" token "$before"
	unchanged "$1: no login was started" device "$devices"
}
# usable NAME checks that the login has survived.
usable() {
	check "$1: the login is intact" 0 token '' as_ring kde condor-token-helper --ce b.example.org --force-new
	restore_login kde kwallet
}

kwallet close kdewallet true >/dev/null
unusable "closed wallet" 'error:.*no answer within.*hint:.*unlock.*--keyring'
expect "closed wallet: the dialog was opened" 0 'token-helpers.* using kwallet' cat "$k/kde/bus.log"
kill_wallet # the dialog would stay open
open_wallet
usable "opened again"

kill_wallet
configure_wallet true '[Auto Deny]' 'kdewallet=token-helpers'
open_wallet
unusable "denied application" 'error:.*KWallet did not open the wallet kdewallet.*hint:.*--keyring'
kill_wallet
configure_wallet true
open_wallet
usable "allowed again"

configure_wallet false
kwallet reconfigure >/dev/null
await "the end of kwalletd" wallet_is_gone
unusable "KWallet disabled" 'error:.*kwallet.*hint:.*enable KWallet.*--keyring'
encrypted_files disabled "KWallet disabled" kde kwallet
configure_wallet true
open_wallet
usable "enabled again"

# The daemon is killed during a request to the issuer. The bus starts another one, which asks for
# the password. The issuer is stopped until the daemon is gone.
during_refresh kde 18464 kill_wallet --no-prompt --timeout 3s
check "the daemon is killed during a refresh: the token is printed, the loss reported" 8 always:token 'error:.*hint:.*log ?in' helper_result
kill_wallet
open_wallet
check "the daemon is killed during a refresh: afterwards a login is required" 3 - 'hint:.* login' as_ring kde condor-token-helper --ce f.example.org
check "the daemon is killed during a refresh: login" 0 - '' as_ring kde condor-token-helper login
check "the daemon is killed during a refresh: the new login works" 0 token '' as_ring kde condor-token-helper --ce f.example.org
logged_out kde kwallet
count_check "no other wallet was created by the failures" "$(wallets)" "'kdewallet'"

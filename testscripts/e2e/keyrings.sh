# Real keyrings: gnome-keyring on a session bus, pass with gpg, and the kernel's key
# store. In each of them a login must survive rotation and many concurrent processes, and
# logout must remove it. Then failures: a locked keyring, a bus that dies, a gpg agent without
# a terminal, an exceeded quota, a full disk, and two keyrings with a login each.
# shellcheck shell=bash
# shellcheck disable=SC2016  # sh -c expands what is in single quotes
# shellcheck disable=SC2154  # here and issuer_pid come from run and lib.sh

# shellcheck source=keyrings/rings.sh
. "$here/keyrings/rings.sh"

start_rings keyrings 18461

# --- gnome-keyring

new_home gnome "DBUS_SESSION_BUS_ADDRESS=unix:path=$k/gnome/bus"

# start_bus starts a session bus, always at the same address.
start_bus() {
	rm -f "$k/gnome/bus" "$k/gnome/pid"
	limit=600 as_ring gnome sh -c 'exec dbus-daemon --session --nofork --address="$DBUS_SESSION_BUS_ADDRESS" --print-pid=3 3>pid' >"$k/gnome/bus.log" 2>&1 &
	await "the session bus" as_ring gnome gdbus call --session --dest org.freedesktop.DBus \
		--object-path /org/freedesktop/DBus --method org.freedesktop.DBus.GetId
}
# kill_bus kills the bus and so closes all connections to it.
kill_bus() {
	local pid
	pid=$(cat "$k/gnome/pid")
	kill -KILL "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}
# unlock_keyring starts the keyring daemon, and replaces a running one.
unlock_keyring() {
	as_ring gnome sh -c 'printf secret | gnome-keyring-daemon --replace --unlock --components=secrets' >"$k/gnome/daemon.log" 2>&1
	await "the keyring" as_ring gnome sh -c "gdbus call --session --dest org.freedesktop.secrets --object-path /org/freedesktop/secrets/collection/login \
		--method org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Collection Locked | grep false"
}
lock_keyring() {
	as_ring gnome gdbus call --session --dest org.freedesktop.secrets --object-path /org/freedesktop/secrets \
		--method org.freedesktop.Secret.Service.Lock "['/org/freedesktop/secrets/collection/login']" >/dev/null
}

start_bus
unlock_keyring
suite gnome secret-service

# There is no display for the dialog that would unlock it.
lock_keyring
before=$(requests token) devices=$(requests device)
check "locked keyring: get" 8 - 'error:.*lock.*hint:.*(unlock|--keyring)' as_ring gnome condor-token-helper --ce c.example.org
check "locked keyring: a cached token needs no keyring" 0 token '' as_ring gnome condor-token-helper --ce a.example.org
check "locked keyring: status names the keyring" 0 'secret-service' '' as_ring gnome condor-token-helper status
check "locked keyring: logout" 8 - 'error:.*lock.*hint:.*(unlock|--keyring)' as_ring gnome condor-token-helper logout
check "locked keyring: login" 8 - 'error:.*lock.*hint:.*(unlock|--keyring)' as_ring gnome condor-token-helper login
unchanged "locked keyring: no token was requested" token "$before"
unchanged "locked keyring: no login was started" device "$devices"
encrypted_files locked "locked keyring" gnome secret-service

# A dialog appears on the desktop, but nobody answers it.
unlock_keyring
lock_keyring
install -m 644 "$here/keyrings/prompter.py" "$k/prompter.py"
limit=600 as_ring gnome /usr/bin/python3 "$k/prompter.py" >"$k/gnome/prompter.log" 2>&1 &
prompter=$!
await "the password dialog" grep -q ready "$k/gnome/prompter.log"
check "unanswered dialog: get" 8 - 'hint:.*(unlock|--keyring)' as_ring gnome condor-token-helper --no-prompt --timeout 5s --ce c.example.org
check "unanswered dialog: a cached token needs no keyring" 0 token '' as_ring gnome condor-token-helper --no-prompt --ce a.example.org
expect "unanswered dialog: the dialog was opened" 0 asked cat "$k/gnome/prompter.log"
kill $prompter

unlock_keyring
check "unlocked again: the login is intact" 0 token '' as_ring gnome condor-token-helper --ce c.example.org
restore_login gnome secret-service

# The bus dies between two commands.
kill_bus
before=$(requests token)
check "dead bus: get" 8 - 'error:.*(bus|secret-service|keyring).*hint:' as_ring gnome condor-token-helper --ce d.example.org
check "dead bus: a cached token needs no bus" 0 token '' as_ring gnome condor-token-helper --ce a.example.org
check "dead bus: status names the keyring" 0 'secret-service' '' as_ring gnome condor-token-helper status
check "dead bus: logout" 8 - 'error:.*(bus|secret-service|keyring).*hint:' as_ring gnome condor-token-helper logout
unchanged "dead bus: no token was requested" token "$before"
encrypted_files dead "dead bus" gnome secret-service
start_bus
unlock_keyring
check "a new bus: the login is intact" 0 token '' as_ring gnome condor-token-helper --ce d.example.org
restore_login gnome secret-service

# The bus dies during a request to the issuer, so that the answer cannot be saved. The issuer is
# stopped until the bus is gone.
during_refresh gnome 18461 kill_bus
check "the bus dies during a refresh: the token is printed, the loss reported" 8 always:token 'error:.*hint:.*log ?in' helper_result
start_bus
unlock_keyring
check "the bus dies during a refresh: afterwards a login is required" 3 - 'hint:.* login' as_ring gnome condor-token-helper --ce f.example.org
check "the bus dies during a refresh: login" 0 - '' as_ring gnome condor-token-helper login
check "the bus dies during a refresh: the new login works" 0 token '' as_ring gnome condor-token-helper --ce f.example.org
logged_out gnome secret-service

# A daemon without a login keyring would ask for a new password.
rm -rf "$k"/gnome/home/.local/share/keyrings
as_ring gnome gnome-keyring-daemon --replace --daemonize --components=secrets >"$k/gnome/daemon.log" 2>&1
await "the keyring daemon" as_ring gnome gdbus call --session --dest org.freedesktop.secrets --object-path /org/freedesktop/secrets \
	--method org.freedesktop.DBus.Properties.Get org.freedesktop.Secret.Service Collections
encrypted_files empty "a desktop without a login keyring" gnome secret-service
kill_bus

# --- pass

# gpg_key DIR PASSPHRASE creates a key and a password store for it.
gpg_key() {
	{
		as_ring "$1" gpg --batch --quiet --passphrase "$2" --quick-gen-key ring@example.org rsa2048 encrypt,sign
		as_ring "$1" pass init ring@example.org
	} >"$k/gpg.log" 2>&1 || die "gpg and pass: $(tail -n 3 "$k/gpg.log")"
}

new_home pass
before=$(requests registration)
check "pass without a store: login" 8 - 'hint:.*pass init' as_ring pass condor-token-helper login --keyring pass
unchanged "pass without a store: no client was registered" registration "$before"
gpg_key pass ''
suite pass pass

# The store's key is unknown: reading works, writing does not.
store=$k/pass/home/.password-store
cp -p "$store/.gpg-id" "$k/gpg-id"
echo nobody@example.org >"$store/.gpg-id"
check "pass cannot encrypt: get" 8 - 'error:.*hint:' as_ring pass condor-token-helper --ce c.example.org
cp -p "$k/gpg-id" "$store/.gpg-id"
check "pass cannot encrypt: afterwards the login is intact" 0 token '' as_ring pass condor-token-helper --ce c.example.org
restore_login pass pass

# gpg truncates the old file before it writes the new one. The new one may fit.
cp -a "$store" "$k/store"
mount -t tmpfs -o size=64k,mode=700,uid=$ring,gid=$ring tmpfs "$store"
cp -a "$k/store/." "$store"
head -c 1m /dev/zero >"$store/fill" 2>/dev/null || true
check "a full disk under pass: get" "0|8" token 'error:.*hint:' as_ring pass condor-token-helper --ce d.example.org
rm "$store/fill"
check "a full disk under pass: afterwards the login is intact" 0 token '' as_ring pass condor-token-helper --ce d.example.org
cp -a "$store/." "$k/store"
umount "$store"
cp -a "$k/store/." "$store"
restore_login pass pass

mkdir -m 755 "$k/bin"
ln -s "$W/bin/condor-token-helper" "$k/bin/"
check "pass is not installed: get" 8 - 'error:.*pass.*hint:' as_ring pass PATH="$k/bin" condor-token-helper --ce e.example.org
check "pass is not installed: logout" 8 - 'error:.*pass.*hint:' as_ring pass PATH="$k/bin" condor-token-helper logout
check "pass is installed again: the login is intact" 0 token '' as_ring pass condor-token-helper --ce e.example.org
restore_login pass pass
logged_out pass pass

# A key with a passphrase, which the agent would ask for on a terminal, but there is none.
new_home pin
gpg_key pin 'gpg passphrase'
# enter_pin makes the agent remember the passphrase, as if it had been entered.
enter_pin() {
	as_ring pin sh -c 'echo x | gpg --batch --quiet --trust-model always --recipient ring@example.org --encrypt |
		gpg --batch --quiet --pinentry-mode loopback --passphrase "gpg passphrase" --decrypt' >"$k/gpg.log" 2>&1 || die "gpg: $(cat "$k/gpg.log")"
}
forget_pin() { as_ring pin gpg-connect-agent reloadagent /bye >"$k/gpg.log" 2>&1; }
forget_pin
before=$(requests registration)
check "gpg without a terminal: a first login" 8 - 'hint:.*(gpg|pass|PIN|--keyring)' as_ring pin condor-token-helper login --keyring pass
unchanged "gpg without a terminal: no client was registered" registration "$before"
enter_pin
check "the passphrase is known to the agent: login" 0 - '' as_ring pin condor-token-helper login --keyring pass
check "the passphrase is known to the agent: get" 0 token '' as_ring pin condor-token-helper --ce a.example.org
forget_pin
before=$(requests token)
check "gpg without a terminal: get" 8 - 'hint:.*(gpg|pass|PIN|--keyring)' as_ring pin condor-token-helper --ce b.example.org
check "gpg without a terminal: a cached token needs no passphrase" 0 token '' as_ring pin condor-token-helper --ce a.example.org
check "gpg without a terminal: status names the keyring" 0 pass '' as_ring pin condor-token-helper status
check "gpg without a terminal: logout" 8 - 'hint:.*(gpg|pass|PIN|--keyring)' as_ring pin condor-token-helper logout
# A dialog that nobody answers.
printf '#!/bin/sh\necho $$ >>%s\nexec sleep 600\n' "$k/pin/asked" >"$k/pin/pinentry"
chmod 755 "$k/pin/pinentry"
echo "pinentry-program $k/pin/pinentry" >"$k/pin/home/.gnupg/gpg-agent.conf"
as_ring pin gpgconf --kill gpg-agent
check "gpg with an unanswered dialog: get" 8 - 'hint:.*(gpg|pass|PIN|--keyring)' as_ring pin condor-token-helper --no-prompt --timeout 5s --ce b.example.org
expect "gpg with an unanswered dialog: the dialog was opened" 0 '^[0-9]+$' cat "$k/pin/asked"
unchanged "gpg without its passphrase: no token was requested" token "$before"
rm "$k/pin/home/.gnupg/gpg-agent.conf"
as_ring pin gpgconf --kill gpg-agent
enter_pin
check "the passphrase is known again: the login is intact" 0 token '' as_ring pin condor-token-helper --ce b.example.org
restore_login pin pass
logged_out pin pass

# --- the kernel's key store

new_home keyctl
printf '#!/bin/sh\nkeyctl link @u @s && exec env "$@"\n' >"$k/linked"
chmod 755 "$k/linked"
session[keyctl]="keyctl session - $k/linked"
as_ring keyctl keyctl clear @u >/dev/null 2>&1 || true
as_ring keyctl sh -c 'keyctl pipe "$(keyctl add user token-helpers-e2e "a probe" @u)"; keyctl clear @u' >"$k/probe" 2>&1 || true
expect "the kernel's key store works on this machine" 0 'a probe$' cat "$k/probe"
suite keyctl keyctl

# A batch job's session has no link to the user's keyring.
session[keyctl]="keyctl session - env"
check "a session without a link to the user's keyring: get" 0 token '' as_ring keyctl condor-token-helper --ce c.example.org
check "a session without a link to the user's keyring: status" 0 keyctl '' as_ring keyctl condor-token-helper status
session[keyctl]="keyctl session - $k/linked"

# The user's quota is exhausted.
as_ring keyctl sh -c 'i=0; for size in 2000 100; do
	while head -c $size /dev/zero | keyctl padd user fill$i @u; do i=$((i + 1)); done
done' >"$k/fill" 2>&1
expect "full quota: the kernel refuses another key" 0 '[Qq]uota' tail -n 1 "$k/fill"
# A new value of the same size may need no further quota. Then a token is correct, too.
check "full quota: get" '0|8' token 'error:.*quota.*hint:' as_ring keyctl condor-token-helper --ce d.example.org
new_home full
session[full]=${session[keyctl]}
before=$(requests registration)
check "full quota: a first login" 8 - 'error:.*quota.*hint:' as_ring full condor-token-helper login --keyring keyctl
unchanged "full quota: no client was registered" registration "$before"
as_ring keyctl keyctl purge -p user fill >/dev/null 2>&1
check "quota free again: the login is intact" 0 token '' as_ring keyctl condor-token-helper --ce e.example.org
restore_login keyctl keyctl
logged_out keyctl keyctl

# After a reboot the key store is empty.
check "keyctl: login again" 0 - '' as_ring keyctl condor-token-helper login --keyring keyctl
as_ring keyctl keyctl clear @u >/dev/null 2>&1
check "an empty key store: get" 3 - 'hint:.* login' as_ring keyctl condor-token-helper --ce a.example.org
check "an empty key store: login" 0 - '' as_ring keyctl condor-token-helper login
check "an empty key store: the new login works" 0 token '' as_ring keyctl condor-token-helper --ce a.example.org
count_check "an empty key store: status shows one login" "$(backends keyctl)" keyctl
logged_out keyctl keyctl
as_ring keyctl keyctl clear @u >/dev/null 2>&1

# --- two keyrings with a login each

new_home two "TOKEN_HELPER_PASSPHRASE_FILE=$k/two/passphrase"
(umask 077 && head -c 32 /dev/urandom | base64 >"$k/two/passphrase")
chown $ring:$ring "$k/two/passphrase"
gpg_key two ''
check "two keyrings: login to encrypted files" 0 - '' as_ring two condor-token-helper login --keyring file
count_check "two keyrings: status names the first" "$(backends two)" file
revoked=$(requests revocation)
check "two keyrings: login to pass" 0 - '' as_ring two condor-token-helper login --keyring pass
count_check "two keyrings: status names the second" "$(backends two)" pass
count_check "two keyrings: the login in the first is gone" "$(items_file two)" ''
count_check "two keyrings: and revoked" "$(($(requests revocation) - revoked))" 1
check "two keyrings: get needs no passphrase of the first" 0 token '' \
	as_ring two TOKEN_HELPER_PASSPHRASE_FILE=/nonexistent condor-token-helper --ce a.example.org
check "two keyrings: without pass, get does not fall back to files" 8 - 'error:.*pass.*hint:' as_ring two PATH="$k/bin" condor-token-helper --ce b.example.org
logged_out two pass
count_check "two keyrings: the first one is empty, too" "$(items_file two)" ''

# Two clients of one issuer: the helper's client in files, and one that an administrator
# registered in pass. get, status and logout must use the same one.
curl -sS --cacert "$W/pki/ca.pem" -H 'Content-Type: application/json' -o "$k/client.json" https://localhost:18461/iam/api/client-registration -d '{
	"client_name": "e2e", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"], "token_endpoint_auth_method": "client_secret_basic",
	"scope": "openid offline_access wlcg compute.read compute.modify compute.create compute.cancel"}'
client=$(jq -r .client_id "$k/client.json")
(umask 077 && jq -r .client_secret "$k/client.json" >"$k/two/secret")
chown $ring:$ring "$k/two/secret"
# clients prints the clients in the output of status, one per line.
clients() { as_ring two condor-token-helper status -o json | jq -r '.logins[].clientId'; }
check "two clients: login to encrypted files" 0 - '' as_ring two condor-token-helper login --keyring file
own=$(clients)
check "two clients: login to pass with --client-id" 0 - '' \
	as_ring two condor-token-helper login --keyring pass --client-id "$client" --client-secret-file "$k/two/secret"
count_check "two clients: status shows both" "$(clients | sort | paste -sd ' ')" "$(printf '%s\n' "$own" "$client" | sort | paste -sd ' ')"
count_check "two clients: each in a different keyring" "$(backends two)" "file pass"
check "two clients: get" 0 token '' as_ring two condor-token-helper --ce a.example.org
count_check "two clients: get used the client that the helper registered" "$(client_of "$k/stdout")" "$own"
check "two clients: get with --client-id" 0 token '' as_ring two condor-token-helper --client-id "$client" --ce a.example.org
count_check "two clients: get used that client" "$(client_of "$k/stdout")" "$client"
check "two clients: logout" 0 - '' as_ring two condor-token-helper logout
count_check "two clients: logout removed the login that get had used" "$(clients)" "$client"
count_check "two clients: files contain no login" "$(items_file two)" ''
check "two clients: get finds the other" 0 token '' as_ring two condor-token-helper --ce b.example.org
count_check "two clients: and uses it" "$(client_of "$k/stdout")" "$client"
check "two clients: logout of the other" 0 - '' as_ring two condor-token-helper logout
nothing_left two pass

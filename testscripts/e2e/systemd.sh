# The units of packaging/systemd under a real systemd, which runs as the first process of
# namespaces of its own: the unit for the system with a robot's client, and the unit for
# users with a login. Tokens live for 20 seconds.
# shellcheck shell=bash
# shellcheck disable=SC2016  # each script is for a shell of its own
# shellcheck disable=SC2154  # root, here and pki come from the other parts

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

s=$W/systemd user=4305
mkdir "$s" "$s"/{etc,etc.work,var,var.work,units,issuer,cgroup}
mkdir -m 700 "$s/home"
start_issuer systemd/issuer 18471 -lifetime 20s -rotate
issuer=https://localhost:18471

# --- the files of the site and of the user, seen by this systemd only

units=$s/units
cp -r "$root"/packaging/systemd/* "$units"
sed -i 's,/usr/bin/,/usr/local/bin/,' "$units"/*/*.service
cat >"$units/lane.target" <<-'END'
	[Unit]
	DefaultDependencies=no
END
# A manager for the user, as user@.service starts one; PAM and logind are not needed for it.
cat >"$units/manager.service" <<-END
	[Unit]
	DefaultDependencies=no
	[Service]
	Type=notify
	User=$user
	Group=$user
	Delegate=yes
	Environment=XDG_RUNTIME_DIR=/run/user/$user HOME=/home/mine SYSTEMD_UNIT_PATH=/etc/systemd/user
	ExecStart=/lib/systemd/systemd --user --unit=lane.target
END
# Neither a journal nor a minute's patience is there.
for kind in system user; do
	mkdir "$units/$kind/condor-token-helper@.service.d"
	cat >"$units/$kind/condor-token-helper@.service.d/test.conf" <<-END
		[Unit]
		DefaultDependencies=no
		[Service]
		RestartSec=1s
		StandardError=append:/run/$kind.log
	END
done
sed -i "s,/run/user.log,/run/user/$user/log," "$units/user/condor-token-helper@.service.d/test.conf"
# The lines that the unit's comments offer.
grep -E '^#(LoadCredential|Environment)=' "$units/user/condor-token-helper@.service" | sed 's/^#//' >>"$units/user/condor-token-helper@.service.d/test.conf"

curl -sS --cacert "$pki/ca.pem" -H 'Content-Type: application/json' -o "$s/client.json" $issuer/iam/api/client-registration \
	-d '{"client_name":"service","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic","scope":"wlcg compute.read"}'
sed "\$amine:x:$user:$user::/home/mine:/bin/sh" /etc/passwd >"$s/etc/passwd"
sed "\$amine:x:$user:" /etc/group >"$s/etc/group"
mkdir "$s/etc/token-helpers"
cat >"$s/etc/token-helpers/config.toml" <<-END
	[token.jobs]
	issuer = "$issuer"
	audience = "ce.example.org:9619"
	scopes = ["compute.read"]
	file = "/run/condor-token-helper/jobs/token"
END
printf 'TOKEN_HELPER_CLIENT_ID=%s\nTOKEN_HELPER_CAFILE=/etc/token-helpers/ca.pem\n' "$(jq -r .client_id "$s/client.json")" >"$s/etc/token-helpers/jobs.env"
(umask 077 && jq -j .client_secret "$s/client.json" >"$s/etc/token-helpers/jobs.secret")
cp "$pki/ca.pem" "$s/etc/token-helpers"

mkdir -p "$s/home/.config/token-helpers"
cat >"$s/home/.config/token-helpers/config.toml" <<-END
	[defaults]
	issuer = "$issuer"
	cafile = "/etc/token-helpers/ca.pem"
	keyring = "file"
	[token.mine]
	audience = "ce.example.org:9619"
	scopes = ["compute.read"]
	file = "\${XDG_RUNTIME_DIR}/mine.token"
END
(umask 077 && head -c 32 /dev/urandom | base64 >"$s/home/.config/token-helpers/passphrase")
chown -R $user:$user "$s/home"

# The units above are the only ones that this systemd knows: the machine's own would set
# up the machine. For the same reason it sees other directories than the machine's, cannot
# change the kernel's settings, and has a control group of its own.
group=$s/cgroup/${W//[!A-Za-z0-9]/_}
cat >"$s/boot" <<-END
	#!/bin/bash
	set -e
	mount -t overlay -o lowerdir=/etc,upperdir=$s/etc,workdir=$s/etc.work overlay /etc
	mount -t overlay -o lowerdir=/var,upperdir=$s/var,workdir=$s/var.work overlay /var
	mount --bind $W/bin /usr/local/bin
	mount -t tmpfs -o mode=755 tmpfs /run
	mount -t tmpfs -o mode=755 tmpfs /home
	mkdir -m 700 /home/mine
	mount --bind $s/home /home/mine
	mkdir -p /run/systemd/system /run/user /etc/systemd/user
	mkdir -m 700 /run/user/$user
	chown $user:$user /run/user/$user
	cp -r $units/system/* $units/lane.target $units/manager.service /run/systemd/system
	cp -r $units/user/* $units/lane.target /etc/systemd/user
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t tmpfs -o mode=1777 tmpfs /tmp
	mount --bind /proc/sys /proc/sys
	mount -o remount,bind,ro /proc/sys
	# Credentials reach a service by propagation, which systemd leaves to a container's host.
	mount --make-rshared /
	export container=other SYSTEMD_UNIT_PATH=/run/systemd/system SYSTEMD_GENERATOR_PATH=/nonexistent
	exec /lib/systemd/systemd --system --unit=lane.target --log-target=console --show-status=no
END
chmod 755 "$s/boot"
bash -ec 'mount -t cgroup2 cgroup2 "${1%/*}"
	mkdir "$1"
	echo $$ >"$1/cgroup.procs"
	exec unshare --pid --fork --mount --mount-proc --propagation private --uts --ipc --cgroup "$2"' bash "$group" "$s/boot" >"$s/systemd.log" 2>&1 &
booted=$!

# inside COMMAND... runs a command beside this systemd, and mine COMMAND... as the user.
inside() { nsenter -t "$systemd" -m -p -u -i -C -- env -i PATH=/usr/local/bin:/usr/bin:/bin "$@"; }
mine() {
	inside setpriv --reuid "$user" --regid "$user" --clear-groups -- \
		env -C / HOME=/home/mine XDG_RUNTIME_DIR="/run/user/$user" "$@"
}
up() {
	systemd=$(pgrep -P "$booted") && inside systemctl is-active lane.target
}
end=$((SECONDS + 30))
until up >/dev/null 2>&1; do
	if [ $SECONDS -ge $end ] || ! kill -0 "$booted" 2>/dev/null; then
		# None of the units has run yet: it is the machine that does not allow it.
		echo "NOT RUN: systemd does not start on this machine: $(tail -n 3 "$s/systemd.log")"
		echo "NOT RUN: the part fresh checks the units with systemd-analyze, and Go tests the notifications with a socket"
		rmdir "$group" 2>/dev/null || true
		return
	fi
	sleep 0.2
done
export systemd user
export -f inside mine

# property WHO UNIT NAME prints a property of a unit: WHO is system or user.
property() {
	case $1 in
	system) inside systemctl show --value -p "$3" "$2" ;;
	user) mine systemctl --user show --value -p "$3" "$2" ;;
	esac
}
# shows WHO UNIT NAME PATTERN reports whether a property matches.
shows() { property "$1" "$2" "$3" | grep -qE -- "$4"; }
export -f property

# --- the unit for the system

unit=condor-token-helper@jobs
token=/run/condor-token-helper/jobs/token
expect "system: the unit starts, and is ready when the token is there" 0 '' inside systemctl start $unit
expect "system: the token is for the service" 0 '^\{' inside jwt-inspect --ce ce.example.org --read --issuer $issuer $token
expect "system: systemd shows how long the token is valid" 0 'valid' property system $unit StatusText
expect "system: the service has a user of its own, and so has the token" 0 '^600 [1-9][0-9]*$' inside bash -c 'f=$1; [ "$(stat -c %u "$f")" -ge 61184 ] && stat -c "%a %u" "$f"' bash $token
expect "system: the secret is not in the environment" 1 '^$' inside bash -c 'tr "\0" "\n" <"/proc/$1/environ" | grep -F "$(cat /etc/token-helpers/jobs.secret)"' bash "$(property system $unit MainPID)"
first=$(inside cat $token)
renewed() { [ "$(inside cat $token)" != "$first" ]; }
await "system: the token to be renewed" renewed
expect "system: a renewed token is there" 0 '^\{' inside jwt-inspect --ce ce.example.org --read $token

mode() { curl -sS --fail --max-time 10 --unix-socket "$control" -X POST "http://issuer/mode?$1"; }
mode server-error
await "system: the failed renewal in the status" shows system $unit StatusText 'renewal failed'
expect "system: the service runs on while the issuer fails" 0 '^active$' property system $unit ActiveState
mode ''
await "system: the token after the issuer's failure" shows system $unit StatusText 'valid'
inside systemctl kill -s KILL $unit
await "system: the service to be started again" shows system $unit NRestarts '^1$'
await "system: the service to be ready again" shows system $unit ActiveState '^active$'
expect "system: the token after the restart" 0 '^\{' inside jwt-inspect --ce ce.example.org --read $token
expect "system: the unit stops" 0 '' inside systemctl stop $unit
expect "system: and it stops in peace" 0 '^success$' property system $unit Result
expect "system: no token is left" 1 '' inside test -e $token
inside sed -i 's/TOKEN_HELPER_CLIENT_ID=.*/TOKEN_HELPER_CLIENT_ID=unknown/' /etc/token-helpers/jobs.env
expect "system: a wrong client does not start" 1 '' inside timeout 20 systemctl start $unit
expect "system: and the log says why" 0 'error: .*client' inside cat /run/system.log

# --- the unit for users

unit=condor-token-helper@mine token=/run/user/$user/mine.token
expect "user: the manager of the user starts" 0 '' inside systemctl start manager
expect "user: without a login the unit does not start" 1 '' mine timeout 20 systemctl --user start $unit
expect "user: and the log names the command" 0 'condor-token-helper login' mine cat /run/user/$user/log
mine systemctl --user stop $unit
expect "user: the login" 0 'logged in' mine env TOKEN_HELPER_PASSPHRASE_FILE=/home/mine/.config/token-helpers/passphrase condor-token-helper login --read
expect "user: the unit starts, and is ready when the token is there" 0 '' mine systemctl --user start $unit
expect "user: the token is for the service" 0 '^\{' mine jwt-inspect --ce ce.example.org --read --issuer $issuer $token
expect "user: only the user can read it" 0 "^600 $user\$" mine stat -c '%a %u' $token
first=$(mine cat $token)
renewed() { [ "$(mine cat $token)" != "$first" ]; }
await "user: the token to be renewed, with a rotated refresh token" renewed
expect "user: a renewed token is there" 0 '^\{' mine jwt-inspect --ce ce.example.org --read $token
expect "user: the passphrase is not in the environment" 1 '^$' inside bash -c 'tr "\0" "\n" <"/proc/$1/environ" | grep -F "$(cat /home/mine/.config/token-helpers/passphrase)"' bash "$(property user $unit MainPID)"
expect "user: another process uses the login meanwhile" 0 '^\{' mine bash -c 'TOKEN_HELPER_PASSPHRASE_FILE=~/.config/token-helpers/passphrase condor-token-helper --no-prompt --min-lifetime 5s --read --ce other.example.org | jwt-inspect'
expect "user: the unit stops" 0 '' mine systemctl --user stop $unit
expect "user: and it stops in peace" 0 '^success$' property user $unit Result
expect "user: the token stays for its readers" 0 '' mine test -s $token

kill -KILL "$systemd"
wait "$booted" || true
await "the end of this systemd's processes" grep -q 'populated 0' "$group/cgroup.events"
find "$group" -depth -type d -exec rmdir {} +

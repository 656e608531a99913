# The image with podman and crun: without root, on a read-only root file system, and with the
# login in a mounted directory.
# shellcheck shell=bash
# shellcheck disable=SC2086  # limits are several words
# shellcheck disable=SC2016  # each COMMAND is expanded by another shell
# shellcheck disable=SC2154  # pki and the issuers come from the other parts

c=$W/container
mkdir "$c"
if [ ! -d "${dist:-}" ]; then # the part packages did not run before
	dist=$c/dist
	(cd "$root" && env GOFLAGS= GOPROXY=off make image VERSION=1.0.0 ARCH="$(dpkg --print-architecture)" DIST="$dist") >"$c/build.log" 2>&1 || die "$(tail -n 5 "$c/build.log")"
fi
archive=$dist/token-helpers-1.0.0-linux-$(dpkg --print-architecture)-image.tar
image=localhost/token-helpers:1.0.0
export c archive image root

# crun requires the unified cgroup hierarchy. The mount is in this namespace only.
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 none /sys/fs/cgroup
fi
# crun changes the owner of the container's standard streams, for which podman opens /dev/null.
# The host's /dev/null must not change.
mknod -m 666 "$c/null" c 1 3
mount --bind "$c/null" /dev/null
# pod ARG... runs podman with a separate store.
pod() {
	env -u XDG_RUNTIME_DIR podman --root "$c/root" --runroot "$c/run" --storage-driver vfs --cgroup-manager cgroupfs --events-backend none "$@"
}
# This namespace does not support control groups, or limits above its own.
limits="--cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=1024:1024"
# contained ARG... runs the image as the user 4242, an arbitrary one, as in docs/containers.md.
contained() {
	pod run --rm --read-only $limits --network "${network:-host}" --user 4242:4242 -v "$c/login:/login" -v "$c/ca.pem:/ca.pem:ro" \
		-v "$c/passphrase:/passphrase:ro" -e TOKEN_HELPER_PASSPHRASE_FILE=/passphrase \
		-e TOKEN_HELPER_ISSUER -e TOKEN_HELPER_CAFILE=/ca.pem "$@"
}
export limits
export -f pod contained

mkdir -m 700 "$c/login"
cp "$pki/ca.pem" "$c/ca.pem"
install -m 600 "$W/passphrase" "$c/passphrase"
chown 4242:4242 "$c/login" "$c/passphrase"
chmod 711 "$W" "$c"

# An issuer that rotates refresh tokens.
rotating=https://localhost:18449
"$W/bin/demo" serve --addr 127.0.0.1:18449 --dir "$pki" --no-trailing-slash --interval 1 --auto-approve --rotate >"$W/rotating.log" 2>&1 &
await "the rotating issuer" grep -q ready "$W/rotating.log"
export TOKEN_HELPER_ISSUER=$rotating

expect "podman loads the image" 0 "$image" pod load -i "$archive"
expect "it is smaller than 15 MB" 0 '' test "$(stat -c %s "$archive")" -lt 15000000
expect "it has a user and a version" 0 '^65532:65532 1.0.0$' pod inspect --format '{{.Config.User}} {{index .Config.Labels "org.opencontainers.image.version"}}' "$image"
expect "without arguments it shows the help" 0 'condor-token-helper' pod run --rm --read-only $limits --network none "$image"
expect "the helper knows its version" 0 '^condor-token-helper 1.0.0$' pod run --rm --read-only $limits --network none "$image" condor-token-helper --version
expect "the image has CA certificates" 0 '^1[0-9][0-9]$' bash -c 'm=$(pod image mount "$image") && grep -c "BEGIN CERTIFICATE" "$m/etc/ssl/certs/ca-certificates.crt"'

run=(contained "$image")
expect "the root file system is read-only" 8 'read-only file' contained -e HOME=/home -e TOKEN_HELPER_KEYRING=file "$image" condor-token-helper login
expect "a first login" 0 'logged in at https://localhost:18449' "${run[@]}" condor-token-helper login
expect "the login is written to the mounted directory" 0 '^4242 700$' bash -c 'stat -c "%u %a" "$c/login/.local/share/token-helpers/keyring"'
expect "a token from the mounted login" 0 '^eyJ' "${run[@]}" condor-token-helper --no-prompt --ce localhost
expect "a second token, with the rotated refresh token" 0 '^eyJ' "${run[@]}" condor-token-helper --no-prompt --force-new --ce localhost
expect "a third token" 0 '^eyJ' "${run[@]}" condor-token-helper --no-prompt --force-new --ce localhost
expect "a cached token, without a network" 0 '^eyJ' env network=none bash -c 'contained "$@"' contained "$image" condor-token-helper --no-prompt --ce localhost
expect "a token in a file in the mounted directory" 0 '' "${run[@]}" condor-token-helper --no-prompt --ce localhost --file /login/token
expect "which only the owner can read" 0 '^4242 600$' stat -c '%u %a' "$c/login/token"
expect "jwt-inspect reads a token on its standard input" 0 '"aud": ?"localhost:9619"' bash -c 'pod run --rm -i --read-only $limits --network none "$image" jwt-inspect <"$c/login/token"'
expect "the user of the image cannot use another user's login" 2 'denied' contained --user 65532:65532 "$image" condor-token-helper --no-prompt --ce localhost

# The owner's user ID is mapped to that of the image, as with
# --userns=keep-id:uid=65532,gid=65532 for users without root.
map=(--uidmap 65532:4242:1 --uidmap 0:100000:1000 --gidmap 65532:4242:1 --gidmap 0:100000:1000)
expect "the owner mapped to the user of the image" 0 '^eyJ' contained "${map[@]}" --user 65532:65532 "$image" condor-token-helper --no-prompt --force-new --ce localhost
expect "writes files that belong to the owner" 0 '^4242$' bash -c 'find "$c/login" -printf "%U\n" | sort -u'

# A robot, for which only its secret is mounted.
metadata=$(curl -s --cacert "$pki/ca.pem" "$wlcg/.well-known/openid-configuration")
client=$(curl -s --cacert "$pki/ca.pem" -H 'Content-Type: application/json' -d '{"client_name":"robot","grant_types":["client_credentials"],"scope":"compute.read compute.create compute.modify compute.cancel"}' "$(jq -r .registration_endpoint <<<"$metadata")")
(umask 077 && jq -rj .client_secret <<<"$client" >"$c/secret")
chown 4242:4242 "$c/secret"
robot=$(jq -r .client_id <<<"$client")
expect "a robot's token" 0 '^eyJ' pod run --rm --read-only $limits --network host --tmpfs /tmp -e HOME=/tmp --user 4242:4242 \
	-v "$c/secret:/secret:ro" -v "$c/ca.pem:/ca.pem:ro" -e TOKEN_HELPER_ISSUER="$wlcg" -e TOKEN_HELPER_CAFILE=/ca.pem \
	"$image" condor-token-helper --from client-credentials --client-id "$robot" --client-secret-file /secret --ce localhost

# The same image from the Containerfile.
expect "podman builds the Containerfile" 0 '' bash -c 'pod build --quiet --isolation chroot --build-arg TARGETARCH="$(dpkg --print-architecture)" -t built -f "$root/packaging/Containerfile" "${archive%/*}/build"'
# settings IMAGE prints the configuration and the files of an image.
settings() {
	local m
	pod inspect --format '{{.Config.User}} {{.Config.Env}} {{.Config.Cmd}} {{.Config.WorkingDir}}' "$1"
	m=$(pod image mount "$1")
	(cd "$m" && find . -printf '%p %M %U:%G %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
}
export -f settings
expect "both images run in the same way" 0 '^65532:65532 \[PATH=/usr/bin HOME=/login\]' settings "$image"
expect "and have the same files" 0 '' bash -c 'diff <(settings "$image") <(settings localhost/built)'
export TOKEN_HELPER_ISSUER=$wlcg

# Problems of a host: a disk that is full or read-only, a directory that belongs to another
# user, a planted link. Each must result in the right exit code and message, and afterwards the
# login must work.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the issuers come from issuers.sh

f=$W/faults
mkdir -p "$f"
mount -t tmpfs -o size=1m,mode=755 tmpfs "$f"
rotating=https://localhost:18446
"$W/bin/demo" serve --addr 127.0.0.1:18446 --dir "$pki" --no-trailing-slash --interval 1 --auto-approve --rotate >"$W/rotating.log" 2>&1 &
await "the rotating issuer" grep -q ready "$W/rotating.log"

# on_small_disk ARG... runs condor-token-helper with HOME in the small file system.
on_small_disk() {
	HOME=$f/home XDG_RUNTIME_DIR=$f/run XDG_CACHE_HOME='' TOKEN_HELPER_ISSUER=https://localhost:18446 \
		condor-token-helper "$@"
}
export f
export -f on_small_disk
mkdir -m 700 "$f/home" "$f/run"

expect "a login on a small disk" 0 'logged in' on_small_disk login
expect "a token on a small disk" 0 '^eyJ' on_small_disk --ce a.example.org

head -c 2m /dev/zero >"$f/fill" 2>/dev/null || true
expect "a full disk: no request for a token that could not be saved" 8 'the issuer was not asked' on_small_disk --ce b.example.org
expect "a full disk: cached tokens are available" 0 '^eyJ' on_small_disk --ce a.example.org
expect "a full disk: no partial file" 1 'space left on device' on_small_disk --ce a.example.org --file "$f/token"
[ ! -e "$f/token" ]
result "  … and the file does not exist" $?
rm "$f/fill"
expect "space again: the login works" 0 '^eyJ' on_small_disk --ce b.example.org

mount -o remount,ro "$f"
expect "a read-only home: cached tokens are available" 0 '^eyJ' on_small_disk --ce b.example.org
expect "a read-only home: no new token" 8 'read-only file system' on_small_disk --ce c.example.org
expect "a read-only home: status" 0 'login at' on_small_disk status
mount -o remount,rw "$f"
expect "writable again: the login works" 0 '^eyJ' on_small_disk --ce c.example.org

chown 4242 "$f/run/token-helpers"
expect "a cache directory of another user is refused" 8 'token-helpers' on_small_disk --ce a.example.org
chown 0 "$f/run/token-helpers"
chmod 755 "$f/run/token-helpers"
expect "a cache directory that others can read is refused" 8 'chmod 700' on_small_disk --ce a.example.org
chmod 700 "$f/run/token-helpers"
mv "$f/run/token-helpers" "$f/run/elsewhere"
ln -s elsewhere "$f/run/token-helpers"
expect "a link in place of the cache is refused" 8 'symbolic link' on_small_disk --ce a.example.org
rm "$f/run/token-helpers"
mv "$f/run/elsewhere" "$f/run/token-helpers"
expect "afterwards the cache works" 0 '^eyJ' on_small_disk --ce a.example.org
expect "and so does the login" 0 '^eyJ' on_small_disk --force-new --ce a.example.org

# Problems of a machine: a disk that is full or read-only, a directory that belongs to
# another user, a planted link. Each has its exit code and its message, and afterwards the
# login works: nothing is lost.
# shellcheck shell=bash
# shellcheck disable=SC2154  # pki and the issuers come from issuers.sh

f=$W/faults
mkdir -p "$f"
mount -t tmpfs -o size=1m,mode=755 tmpfs "$f"
rotating=https://localhost:18446
"$W/bin/demo" serve --addr 127.0.0.1:18446 --dir "$pki" --no-trailing-slash --interval 1 --auto-approve --rotate >"$W/rotating.log" 2>&1 &
await "the rotating issuer" grep -q ready "$W/rotating.log"

# there ARG... runs condor-token-helper with its home in the small file system.
there() {
	HOME=$f/home XDG_RUNTIME_DIR=$f/run XDG_CACHE_HOME='' TOKEN_HELPER_ISSUER=https://localhost:18446 \
		condor-token-helper "$@"
}
export f
export -f there
mkdir -m 700 "$f/home" "$f/run"

expect "a login on a small disk" 0 'logged in' there login
expect "a token on a small disk" 0 '^eyJ' there --ce a.example.org

head -c 2m /dev/zero >"$f/fill" 2>/dev/null || true
expect "a full disk: the issuer is not asked for what could not be kept" 8 'the issuer was not asked' there --ce b.example.org
expect "a full disk: what is cached is there" 0 '^eyJ' there --ce a.example.org
expect "a full disk: no partial file" 1 'space left on device' there --ce a.example.org --file "$f/token"
[ ! -e "$f/token" ]
result "  … and none is there" $?
rm "$f/fill"
expect "space again: the login works" 0 '^eyJ' there --ce b.example.org

mount -o remount,ro "$f"
expect "a read-only home: what is cached is there" 0 '^eyJ' there --ce b.example.org
expect "a read-only home: nothing new" 8 'read-only file system' there --ce c.example.org
expect "a read-only home: status" 0 'login at' there status
mount -o remount,rw "$f"
expect "writable again: the login works" 0 '^eyJ' there --ce c.example.org

chown 4242 "$f/run/token-helpers"
expect "a cache directory of another user is refused" 8 'token-helpers' there --ce a.example.org
chown 0 "$f/run/token-helpers"
chmod 755 "$f/run/token-helpers"
expect "a cache directory that others can read is refused" 8 'chmod 700' there --ce a.example.org
chmod 700 "$f/run/token-helpers"
mv "$f/run/token-helpers" "$f/run/elsewhere"
ln -s elsewhere "$f/run/token-helpers"
expect "a link in the cache's place is refused" 8 'symbolic link' there --ce a.example.org
rm "$f/run/token-helpers"
mv "$f/run/elsewhere" "$f/run/token-helpers"
expect "afterwards everything works as before" 0 '^eyJ' there --ce a.example.org
expect "and so is the login" 0 '^eyJ' there --force-new --ce a.example.org

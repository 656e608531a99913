# The programs for Windows, and the tests of the packages whose code differs there, under Wine.
# The issuer, on Linux, rotates refresh tokens.
# shellcheck shell=bash
# shellcheck disable=SC2154  # root and here come from run

# shellcheck source=keyrings/lib.sh
. "$here/keyrings/lib.sh"

v=$W/wine
mkdir "$v" "$v/issuer" "$v/short" "$v/bin"
start_issuer wine/short 18472 -rotate -lifetime 20s
start_issuer wine/issuer 18473 -rotate
cp "$W/pki/ca.pem" "$v"

# --- the programs, the tests, and a new Windows

tested=(private store bearer cli fresh output prompt)
(cd "$root" && export GOFLAGS="" GOPROXY=off GOOS=windows GOARCH=amd64 CGO_ENABLED=0 &&
	go build -o "$v/bin/" ./cmd/... && go test -c -o "$v/bin/" "${tested[@]/#/./shared/}") >"$v/build.log" 2>&1 || die "$(tail -n 5 "$v/build.log")"

# In the tree, $W/wine is /e2e, which is Z:\e2e on Windows, and the checkout is /src.
tree=$E2E_CACHE/wine-trixie
mount --bind "$tree" "$tree"
mount --bind "$v" "$tree/e2e"
mount --bind "$root" "$tree/src"
mount --bind /dev "$tree/dev"
mount --bind /sys "$tree/sys"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
home=$v/prefix/drive_c/users/root # C:\users\root

# wine DIRECTORY [VARIABLE=VALUE...] COMMAND... runs a program of Windows in a directory of the tree.
wine() {
	local dir=$1 variables=()
	shift
	while [[ $1 == *=* ]]; do
		variables+=("$1")
		shift
	done
	env -i PATH=/usr/sbin:/usr/bin HOME=/e2e USER=root WINEPREFIX=/e2e/prefix WINEARCH=win64 WINEDEBUG=-all \
		WINESERVER=/usr/lib/wine/wineserver64 WINEDLLOVERRIDES='winemenubuilder.exe=d;mscoree,mshtml=' \
		TOKEN_HELPER_ISSUER=https://localhost:18473 TOKEN_HELPER_CAFILE='Z:\e2e\ca.pem' "${variables[@]}" \
		nsenter --root="$tree" --wd="$tree$dir" /usr/lib/wine/wine64 "$@" </dev/null
}
# condor, xrd and inspect ARG... run the programs.
condor() { wine /e2e 'Z:\e2e\bin\condor-token-helper.exe' "$@"; }
xrd() { wine /e2e 'Z:\e2e\bin\xrd-token-helper.exe' "$@"; }
inspect() { wine /e2e 'Z:\e2e\bin\jwt-inspect.exe' "$@"; }
export tree
export -f wine condor xrd inspect

# Wine's services stay. They must not keep the output of a check open.
# Wine's user32.dll needs zlib1.dll, which is in another package.
mkdir -p "$v/prefix/drive_c/windows/system32"
cp "$tree/usr/x86_64-w64-mingw32/lib/zlib1.dll" "$v/prefix/drive_c/windows/system32/"
timeout 90 bash -c 'wine /e2e wineboot -i' >"$v/wineboot.log" 2>&1 && status=0 || status=$?
result "a new Windows" "$status"

# --- the tests

# These tests check modes of files, links, other keyrings, or the locale of Unix.
skipped='^(TestSaveLoadDelete|TestPassphrase|TestPassphraseFile|TestBackendChoice|TestIndexDamaged|TestCacheDirectory|TestCacheRejectsUnsafeFiles|TestWriteFile|TestLocaleAndTerm)$'
for t in "${tested[@]}"; do
	expect "tests of $t" 0 '^PASS' wine "/src/shared/$t" 'Z:\e2e\bin\'"$t.test.exe" -test.short -test.skip "$skipped"
done

# --- the programs

# audience FILE prints the audience of the token in a file.
audience() { "$W/bin/jwt-inspect" -o claims "$1" | jq -r .aud; }

expect "a login" 0 'logged in at https://localhost:18473' condor login
expect "the Credential Manager has it" 0 'saved in +wincred' condor status
condor --ce a.example.org >"$v/first" 2>"$v/err" || cat "$v/err"
count_check "a token" "$(audience "$v/first")" a.example.org:9619
before=$(requests token)
condor --ce a.example.org >"$v/cached" 2>"$v/err" || cat "$v/err"
result "the same token from the cache" "$([ -s "$v/cached" ] && cmp -s "$v/first" "$v/cached" && echo 0 || echo 1)"
count_check "no request for the cached token" "$(requests token)" "$before"
for i in 1 2 3; do
	expect "refresh $i, which rotates the refresh token" 0 '^eyJ' condor --ce a.example.org --force-new
done
count_check "refreshes: one request each" "$(requests token)" "$((before + 3))"

# at_once HOST... runs a helper for each host at the same time, and prints how many got a token for it.
at_once() {
	local i right=0 pids=()
	for ((i = 1; i <= $#; i++)); do
		timeout 60 bash -c 'condor "$@"' condor --ce "${!i}" >"$v/out.$i" 2>"$v/err.$i" &
		pids+=($!)
	done
	for ((i = 1; i <= $#; i++)); do
		if wait "${pids[i - 1]}" && [ "$(audience "$v/out.$i")" = "${!i}:9619" ]; then
			right=$((right + 1))
		else
			sed 's/^/     ! /' "$v/err.$i" >&2
		fi
	done
	echo "$right"
}
before=$(requests token)
count_check "six processes for six tokens" "$(at_once s{1..6}.example.org)" 6
count_check "six processes for the same token" "$(at_once s.example.org{,,,,,})" 6
count_check "seven tokens: seven requests" "$(requests token)" "$((before + 7))"

expect "a file" 0 '' condor --ce f.example.org --file 'C:\users\root\token'
count_check "the token in the file" "$(audience "$home/token")" f.example.org:9619
expect "the file is replaced" 0 '' condor --ce g.example.org --file 'C:\users\root\token'
count_check "the new token in the file" "$(audience "$home/token")" g.example.org:9619
expect "jwt-inspect accepts the file" 0 'verdict: accepted' inspect --ce g.example.org 'C:\users\root\token'
expect "jwt-inspect refuses another audience" 1 'audience is g.example.org:9619' inspect --ce f.example.org 'C:\users\root\token'

expect "a command reads its token" 0 '^eyJ' condor --ce a.example.org -- cmd /c 'type %BEARER_TOKEN_FILE%'
expect "the status of a command" 7 '' condor --ce a.example.org -- cmd /c 'exit 7'
expect "a command that does not exist" 127 'command not found' condor --ce a.example.org -- nonesuch
count_check "no token of a command is left" "$(find "$home/.cache/token-helpers/tokens/run" -mindepth 1)" ''

expect "a login with storage scopes" 0 'logged in' xrd login --write --path /
expect "a token for XRootD" 0 '^eyJ' xrd --write --server root://x.example.org:1094
expect "the doctor" 0 'ok +login' condor doctor

# --- a file that stays fresh, and encrypted files

# short ARG... runs the helper with a login in encrypted files.
short() {
	wine /e2e TOKEN_HELPER_ISSUER=https://localhost:18472 TOKEN_HELPER_KEYRING=file 'TOKEN_HELPER_PASSPHRASE_FILE=Z:\e2e\passphrase' \
		'Z:\e2e\bin\condor-token-helper.exe' "$@"
}
export -f short
(umask 077 && head -c 32 /dev/urandom | base64 >"$v/passphrase")
expect "a login in encrypted files" 0 'logged in' short login
short --ce w.example.org --watch --file 'Z:\e2e\watched' >"$v/watch.log" 2>&1 &
watcher=$!
await "the first token" test -s "$v/watched"
cp "$v/watched" "$v/first"
renewed() { ! cmp -s "$v/watched" "$v/first"; }
await "the renewed token" renewed
count_check "a renewed token" "$(audience "$v/watched")" w.example.org:9619
kill -KILL "$(pgrep -f 'condor-token-helper.exe --ce w.example.org')" # as Windows' TerminateProcess
wait "$watcher" 2>/dev/null || true
expect "the login after the helper was killed" 0 '^eyJ' short --ce w.example.org --force-new --min-lifetime 5s
expect "logout from encrypted files" 0 'logged out' short logout
expect "logout from the Credential Manager" 0 'logged out' condor logout
expect "nothing is left" 0 'no logins' condor status

# The process namespace of the lane would kill Wine's services, too.
wine /e2e wineboot -k >>"$v/wineboot.log" 2>&1 || true

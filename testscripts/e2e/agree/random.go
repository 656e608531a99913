//go:build unix

package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/issuertest"
	rules "example.org/token-helpers/shared/scitokens"
	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/token"
)

// The issuer and audience of random tokens. The issuer's key is in the library's cache, so
// that nothing is fetched.
const (
	randomIssuer   = "https://issuer.example.org"
	randomAudience = "https://service.example.org"
)

// pick returns one of the values.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomTime returns the JSON of a time, mostly an unusual one. It is never so close to now
// that the result depends on the speed of the machine.
func randomTime(r *rand.Rand, now time.Time) string {
	at := now.Unix() + int64(pick(r, -86400, -3600, -600, 600, 3600, 86400))
	switch r.IntN(8) {
	case 0:
		return fmt.Sprintf("%d.%d", at, r.IntN(100))
	case 1:
		return fmt.Sprintf("%de0", at)
	case 2:
		return pick(r, "0", "-1", "1e9", "1.8e9", "1e10", "9223372036", "9223372037", "1e30", "-1e30", "18446744073709551616", "253402300799", "0.5", "-0.5", "4e9", "1e300")
	case 3:
		return pick(r, "null", "true", `""`, `"x"`, "[]", "{}", quote(fmt.Sprint(at)))
	}
	return fmt.Sprint(at)
}

// randomPath returns a path for a scope.
func randomPath(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(pick(r, "/", "/", "/", "/", "", "//"))
		b.WriteString(pick(r, "a", "b", "store", ".", "..", "...", "%2e", "%2E%2e", ".%2e", "%252e%252e", "%41", "%2541", "%25252541", "%2525252541", "%252525252541", "%", "%4", "%zz", "%2f", "%5c", `\`, "%00", "%25", "é", "%C3%A9", "a:b", "~", "a..b", "%20"))
	}
	return b.String()
}

func randomScope(r *rand.Rand) string {
	var b strings.Builder
	for i := range r.IntN(4) + 1 {
		if i > 0 {
			b.WriteString(pick(r, " ", " ", " ", "  ", "\t", "\n"))
		}
		b.WriteString(pick(r, "storage.read", "storage.modify", "storage.create", "storage.stage", "storage.poll", "read", "write", "modify", "foo", "queue", "", "condor", "READ", "compute.read", "a/../b"))
		if r.IntN(5) > 0 {
			b.WriteString(":" + randomPath(r))
		}
	}
	return b.String()
}

// mutations make one change to a draft each.
var mutations = []func(*rand.Rand, *draft){
	func(r *rand.Rand, d *draft) { d.claims.set(pick(r, "exp", "iat", "nbf"), randomTime(r, d.now)) },
	func(r *rand.Rand, d *draft) { d.claims.set("scope", quote(randomScope(r))) },
	func(r *rand.Rand, d *draft) { d.claims.set("scope", quote(randomScope(r))) },
	func(r *rand.Rand, d *draft) {
		d.claims.drop(pick(r, "exp", "iat", "nbf", "jti", "aud", "scope", "iss"))
	},
	func(r *rand.Rand, d *draft) {
		good := quote(randomAudience)
		d.claims.set("aud", pick(r, "null", "7", `""`, "[]", "{}", `"x"`, `"ANY"`, quote(token.AnyAudience), "["+good+"]", `["x",`+good+"]", "["+good+",null]", "["+good+",1]", `["ANY"]`, quote(strings.ToUpper(randomAudience)), `["`+token.AnyAudience+`","x"]`))
	},
	func(r *rand.Rand, d *draft) {
		d.claims.set(pick(r, "ver", "wlcg.ver"), pick(r, "null", "1.0", `"1.0"`, `"1.1"`, `"1.2"`, `""`, `"scitoken:2.0"`, `"scitokens:2.0"`, `"scitokens:1.0"`, `"scitoken:1.0"`, `"foo:1"`))
	},
	func(r *rand.Rand, d *draft) {
		d.claims.set(pick(r, "client_id", "wlcg.groups", "opt", "act", "x"), pick(r, "null", `"c"`, "7", `["a"]`, "{}"))
	},
	func(r *rand.Rand, d *draft) {
		d.claims.set(pick(r, "sub", "jti", "scope", "iss"), pick(r, "null", "7", `""`, `["a"]`, "true"))
	},
	func(r *rand.Rand, d *draft) {
		d.header.set("typ", pick(r, "null", "7", `"at+jwt"`, `"application/at+jwt"`, `"AT+JWT"`, `"JWT"`, `""`, `["JWT"]`))
	},
	func(r *rand.Rand, d *draft) {
		d.claims = append(d.claims, member{pick(r, "exp", "nbf"), randomTime(r, d.now)}, member{"scope", quote(randomScope(r))})
	},
	func(_ *rand.Rand, d *draft) { d.header.drop("typ") },
	func(r *rand.Rand, d *draft) {
		n := 98 + r.IntN(5)
		part := pick(r, &d.claims, &d.header)
		part.set("y", pick(r, `"\ud800"`, `"x\udfff"`, `"\ud83d\ude00"`, `["\ud83d\u0041"]`, `"\\ud800"`, "1e308", "1e309", "[-1e999]", "1e-999", strings.Repeat("9", 306+n-98),
			strings.Repeat("[", n)+strings.Repeat("]", n), strings.Repeat("[", n)+"{}"+strings.Repeat("]", n), strings.Repeat(`{"a":[`, n)+strings.Repeat("]}", n)))
	},
}

// library is an installed version of scitokens-cpp.
type library struct {
	version string
	// machine contains the library; the zero value is the host.
	machine machine
}

// random presents random tokens to each version of the library, and compares its verdicts
// with the rules.
func (p options) random(seed uint64, count int, probe string) error {
	keys, err := issuertest.LoadKeys(p.pki)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(keys.Signing.Public())
	if err != nil {
		return err
	}
	pub := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	r := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // repeatable tokens, not secrets
	now := time.Now().Truncate(time.Second)
	var raws []string
	for range count {
		d := shape{}.draft(pick(r, wlcg, wlcg, scitokens, scitokens, plain, atjwt), "xrd", now)
		d.claims.set("iss", quote(randomIssuer))
		d.claims.set("aud", quote(randomAudience))
		d.kid = "k1"
		for range r.IntN(3) + 1 {
			pick(r, mutations...)(r, d)
		}
		if slices.ContainsFunc(d.claims, func(m member) bool { return m.name == "iss" && m.raw != quote(randomIssuer) }) {
			d.claims.set("iss", quote(randomIssuer)) // another issuer's keys would be fetched
		}
		raw, err := sign(d, keys, keys)
		if err != nil {
			return err
		}
		raws = append(raws, raw)
	}
	disagreements := 0
	for _, lib := range []library{{"0.7.3", machine{}}, {"1.1.3", p.debian13}, {"1.4.1", p.today}} {
		if lib.machine == p.today {
			v, err := p.today.versions()
			if err != nil {
				return err
			}
			lib.version = v["scitokens"]
		}
		lines, err := lib.probe(probe, pub, raws, p.work)
		if err != nil {
			return fmt.Errorf("scitokens-cpp %s: %w", lib.version, err)
		}
		v, err := service.ParseVersion("--scitokens-cpp", lib.version)
		if err != nil {
			return err
		}
		disagreements += compareLibrary(v, raws, lines, now)
	}
	if disagreements > 0 {
		return errors.New("the rules and the library disagree")
	}
	return nil
}

// compareLibrary prints the disagreements with one version by kind, and returns their
// number. It does not count results of undefined behaviour in an old library.
func compareLibrary(v service.Version, raws, lines []string, now time.Time) int {
	kinds, undefined, refused, total := map[string]int{}, 0, 0, 0
	example := map[string]string{}
	for i, raw := range raws {
		j, err := token.Decode([]byte(raw))
		if err != nil {
			kinds["does not decode"]++
			continue
		}
		found := rules.Library{Version: v, Audiences: []string{randomAudience}, IssuersKnown: true}.Judge(service.Presented{JWT: j, Size: len(raw), Now: now, KeyChecked: true})
		var causes []string
		for _, f := range found {
			// The servers require a subject, but the library does not.
			if f.Refuses() && (j.Has("sub") || !slices.Equal(f.Missing, []string{"sub"})) {
				causes = append(causes, string(f.Code))
			}
		}
		if len(causes) > 0 {
			refused++
		}
		ok := strings.HasPrefix(lines[i], "ok")
		kind := ""
		switch {
		case ok && slices.Equal(causes, []string{string(finding.PathDots)}) && v.Before(rules.Newest):
			undefined++
		case ok && len(causes) > 0:
			kind = "accepted, but the rules say " + strings.Join(causes, " ")
		case !ok && len(causes) == 0:
			kind = "refused, but the rules accept: " + lines[i]
		case ok && !sameRights(j, v, lines[i]):
			kind = "other rights"
		}
		if kind != "" {
			kinds[kind]++
			total++
			example[kind] = string(j.Header) + " " + string(j.Claims) + " => " + lines[i]
		}
	}
	fmt.Printf("     scitokens-cpp %s: %d tokens, %d refused, %d disagreements, %d with undefined behaviour of the library\n", v, len(raws), refused, total, undefined)
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Printf("DISAGREE %s: %d, such as %s\n", k, kinds[k], example[k])
	}
	return total
}

// sameRights compares the rights according to the library and the rules. Names that the
// library translates are not compared.
func sameRights(j *token.JWT, v service.Version, line string) bool {
	kind, _ := rules.ProfileOf(j)
	theirs := strings.Fields(line)[1:]
	for _, s := range rules.Scopes(j, v) {
		authz := s.Authz
		if kind == rules.WLCG {
			if strings.HasPrefix(authz, "compute.") {
				continue
			}
			if short := map[string]string{"storage.read": "read", "storage.modify": "modify", "storage.create": "create"}[authz]; short != "" {
				authz = short
			}
		}
		want := escaped(authz) + ":" + escaped(s.Path)
		if !slices.Contains(theirs, want) {
			return false
		}
	}
	return true
}

// escaped escapes a text as the probe does.
func escaped(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c == '\\' || c > '~' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// probe runs the probe with the library, and returns a line for each token.
func (l library) probe(program string, pub []byte, raws []string, work string) ([]string, error) {
	inside, outside := work, work
	if l.machine.tree != "" {
		inside, outside = "/e2e/client", filepath.Join(l.machine.work, "client")
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{"probe": binary, "key.pem": pub} {
		if err := os.WriteFile(filepath.Join(outside, name), b, 0o755); err != nil { //nolint:gosec // run by another user, in the tree
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(outside, "probe-cache"), 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(inside+"/probe", randomIssuer, "k1", inside+"/key.pem", randomAudience) //nolint:gosec // a path of the test
	cmd.Path, cmd.Err, cmd.Dir = inside+"/probe", nil, "/"
	cmd.Env = []string{"XDG_CACHE_HOME=" + inside + "/probe-cache", "HOME=" + inside + "/probe-cache"}
	if l.machine.tree != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: l.machine.tree}
	}
	cmd.Stdin = strings.NewReader(strings.Join(raws, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(raws) {
		return nil, fmt.Errorf("%d tokens, but %d lines", len(raws), len(lines))
	}
	return lines, nil
}

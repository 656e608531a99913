//go:build unix

// Command agree presents tokens with one difference each to a real HTCondor and to real XRootD
// servers, and compares the results with the verdicts of jwt-inspect. The end-to-end tests run
// it and start the servers (agree.sh).
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"example.org/token-helpers/shared/issuertest"
)

// The issuers that agree.sh starts, and the audiences of the services.
const (
	wlcgIssuer = "https://localhost:18444"
	moreIssuer = "https://localhost:18448"
)

var audiences = map[string]string{"ce": "localhost:9619", "xrd": "https://localhost:11094"}

// options are the values of the flags.
type options struct {
	work, pki, mapfile, config, part string
	// debian13 and today are the trees with servers and clients of these versions.
	debian13, today machine
	// what is the comparison: debian (the servers of Debian 12 and 13), today, htconfig, namemap
	// or random.
	what string
	// seed, count and probe are for random tokens.
	seed  uint64
	count int
	probe string
	// only is a pattern that limits the questions by name, for debugging.
	only string
}

// machine is a directory tree in which programs run. work is the directory that is /e2e there.
type machine struct{ tree, work string }

// sample is a token and its file.
type sample struct {
	name, service string
	file          string
	mode          uint32
	link          bool
	raw           string
	// content is what a shell passes to curl, if it is not the token: the file without trailing
	// newlines.
	content string
	shape   shape
}

// A question is one access to one server.
type question struct {
	name, service string
	// flags are jwt-inspect's flags for the question, known its flags for keys and configuration,
	// and versions its flags for the versions of the server.
	flags, known, versions []string
	// newest means that the server is the newest: the verdicts must be the same without
	// versions.
	newest bool
	// rights means that only samples with rights set are presented.
	rights bool
	dir    string
	// configured means that the server's configuration changes the meaning of scopes.
	configured bool
	// alone means that only one sample is presented at a time, because servers lock files
	// during writes.
	alone bool
	// ask presents a sample to the server. It reports whether the server accepted it, and its
	// output.
	ask func(ctx context.Context, s sample) (ok bool, msg string)
}

func main() {
	var p options
	flag.StringVar(&p.work, "work", "", "a directory for the tokens")
	flag.StringVar(&p.pki, "pki", "", "the issuers' directory")
	flag.StringVar(&p.what, "servers", "debian", "what to compare: debian, today, htconfig, namemap or random")
	flag.StringVar(&p.only, "only", "", "ask only questions whose names match this expression")
	flag.Uint64Var(&p.seed, "seed", 1, "the seed of random tokens")
	flag.IntVar(&p.count, "count", 5000, "the number of random tokens")
	flag.StringVar(&p.probe, "probe", "", "the program that calls scitokens-cpp")
	flag.StringVar(&p.debian13.tree, "tree", "", "the tree with Debian 13's servers")
	flag.StringVar(&p.debian13.work, "condor", "", "HTCondor's directory, /e2e in that tree")
	flag.StringVar(&p.today.tree, "today-tree", "", "the tree with today's servers")
	flag.StringVar(&p.today.work, "today", "", "the directory that is /e2e in that tree")
	flag.StringVar(&p.mapfile, "mapfile", "", "HTCondor's map file")
	flag.StringVar(&p.config, "scitokens-cfg", "", "XRootD's scitokens.cfg")
	flag.StringVar(&p.part, "part-cfg", "", "the scitokens.cfg of the servers with base_path and restricted_path")
	flag.Parse()
	if err := run(p); err != nil {
		fmt.Fprintf(os.Stderr, "agree: error: %s\n", err)
		os.Exit(1)
	}
}

func run(p options) error {
	switch p.what {
	case "htconfig":
		return p.configurations()
	case "namemap":
		return p.names()
	case "random":
		return p.random(p.seed, p.count, p.probe)
	}
	samples, err := p.mint()
	if err != nil {
		return err
	}
	r := report{tokens: map[string]bool{}, codes: map[string]int{}}
	questions, err := p.questions()
	if err != nil {
		return err
	}
	only, err := regexp.Compile(p.only)
	if err != nil {
		return err
	}
	for _, q := range questions {
		if !only.MatchString(q.name) {
			continue
		}
		list := slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !q.concerns(s) })
		// Once with all flags, and once with the token only.
		verdicts, err := p.inspect(slices.Concat(q.known, q.flags, q.versions), list)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		offline, err := p.inspect(slices.Concat(q.flags, q.versions), list)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		if q.newest {
			unversioned, err := p.inspect(slices.Concat(q.known, q.flags), list)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			for i, v := range unversioned {
				if v.Verdict != verdicts[i].Verdict {
					r.disagree(q, list[i], "without versions, jwt-inspect says %s instead of %s", v.Verdict, verdicts[i].Verdict)
				}
			}
		}
		agreed := 0
		for i, a := range askAll(q, list) {
			if r.compare(q, list[i], a, verdicts[i], offline[i]) {
				agreed++
			}
		}
		fmt.Printf("     %-44s %3d of %3d tokens agree\n", q.name, agreed, len(list))
	}
	return r.print(p.only != "")
}

// concerns reports whether to present the sample in the question.
func (q question) concerns(s sample) bool {
	places := s.shape.places
	if places == nil {
		places = []string{"/store/user"}
	}
	return s.service == q.service && (!q.rights || s.shape.rights) && (q.dir == "" || slices.Contains(places, q.dir))
}

// report counts the results.
type report struct {
	tokens map[string]bool
	codes  map[string]int
	asked  int
	// refused counts refusals by a server, and found those that jwt-inspect finds with the token
	// only.
	refused, found int
	// explained counts verdicts that depend on what is unknown offline.
	explained int
	disagreed []string
}

func (r *report) disagree(q question, s sample, format string, a ...any) {
	r.disagreed = append(r.disagreed, fmt.Sprintf("%s: %s: ", q.name, s.name)+fmt.Sprintf(format, a...))
}

// compare compares the answer of a server with the verdicts, and reports whether the verdict
// with all flags agrees.
func (r *report) compare(q question, s sample, a answer, v, offline verdict) bool {
	r.asked++
	r.tokens[s.name] = true
	for _, c := range v.Causes {
		r.codes[c.Code]++
	}
	if !a.ok {
		r.refused++
	}
	switch refused := offline.Verdict != "ok"; {
	case a.ok && refused && !q.configured:
		r.disagree(q, s, "the server says ok, jwt-inspect offline %v", offline.Causes)
	case !a.ok && refused:
		r.found++
	}
	if want := expected(s.shape.name); !a.ok && v.Verdict != "ok" && want != nil && !slices.ContainsFunc(v.Causes, func(c cause) bool { return want.MatchString(c.Code) }) {
		r.disagree(q, s, "jwt-inspect gives the causes %v instead of %s", v.Causes, want)
	}
	if a.ok != (v.Verdict == "ok") {
		r.disagree(q, s, "the server says %s, jwt-inspect %s %v\n       server: %s", word(a.ok), v.Verdict, v.Causes, a.msg)
		return false
	}
	return true
}

// print prints the results. It returns an error if there are disagreements or, unless partial
// is set, too few questions.
func (r *report) print(partial bool) error {
	for _, d := range r.disagreed {
		fmt.Printf("DISAGREE %s\n", d)
	}
	var seen []string
	for _, c := range slices.Sorted(maps.Keys(r.codes)) {
		seen = append(seen, fmt.Sprintf("%s %d", c, r.codes[c]))
	}
	fmt.Printf("causes: %s\n", strings.Join(seen, ", "))
	fmt.Printf("offline, %d of %d refusals were found; the others require the issuer's keys or the server's configuration\n", r.found, r.refused)
	fmt.Printf("%d tokens, %d questions to real servers, %d disagreements\n", len(r.tokens), r.asked, len(r.disagreed))
	if len(r.disagreed) > 0 {
		return errors.New("jwt-inspect and the servers disagree")
	}
	if !partial && (len(r.tokens) < 320 || r.asked < 1000) {
		return errors.New("too few questions were asked")
	}
	return nil
}

func word(ok bool) string {
	if ok {
		return "ok"
	}
	return "fail"
}

// mint creates all tokens, and writes each to a file.
func (p options) mint() ([]sample, error) {
	keys, err := issuertest.LoadKeys(p.pki)
	if err != nil {
		return nil, err
	}
	other, err := issuertest.LoadKeys(filepath.Join(p.work, "other"))
	if err != nil {
		return nil, err
	}
	now := time.Now().Truncate(time.Second)
	var out []sample
	for _, s := range slices.Concat(shapes, unusual) {
		profiles := s.profiles
		if profiles == nil {
			profiles = []string{wlcg}
		}
		for _, service := range []string{"ce", "xrd"} {
			if s.on != "" && s.on != service {
				continue
			}
			for _, profile := range profiles {
				d := s.draft(profile, service, now)
				raw, err := sign(d, keys, other)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				one := sample{name: profile + ", " + s.name, service: service, mode: d.mode, link: d.link, raw: raw, shape: s, content: strings.TrimRight(string(d.contents(raw)), "\n"),
					file: filepath.Join(p.work, fmt.Sprintf("%03d", len(out)))}
				if err := one.write(d.contents(raw)); err != nil {
					return nil, err
				}
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// contents returns the contents of the token file.
func (d *draft) contents(raw string) []byte {
	if d.file != folded {
		return fmt.Appendf(nil, d.file, raw)
	}
	var b []byte
	for part := range slices.Chunk([]byte(raw), 64) {
		b = append(append(b, part...), '\n')
	}
	return b
}

// write writes the sample's file.
func (s sample) write(content []byte) error {
	name := s.file
	if s.link {
		name += ".real"
		if err := os.Symlink(name, s.file); err != nil {
			return err
		}
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		return err
	}
	return os.Chmod(name, os.FileMode(s.mode))
}

func sign(d *draft, keys, other *issuertest.Keys) (string, error) {
	var method jwt.SigningMethod = jwt.SigningMethodES256
	var key any = keys.Signing
	kid := issuertest.KeyID(keys.Signing)
	rsa := func(m jwt.SigningMethod) {
		method, key, kid = m, keys.RSA, issuertest.KeyID(keys.RSA)
	}
	switch d.key {
	case "another":
		key = other.Signing
	case "none":
		method, key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
	case "hs256":
		method, key = jwt.SigningMethodHS256, []byte("a secret unknown to the server...")
	case "es384":
		method, key, kid = jwt.SigningMethodES384, keys.P384, issuertest.KeyID(keys.P384)
	case "rs256":
		rsa(jwt.SigningMethodRS256)
	case "ps256":
		rsa(jwt.SigningMethodPS256)
	case "rs512":
		rsa(jwt.SigningMethodRS512)
	}
	if d.key != "es256" {
		d.header.set("alg", quote(method.Alg()))
	}
	if d.kid != "" {
		kid = d.kid
	}
	if _, has := d.find("kid"); !has && !d.noKID {
		d.header.set("kid", quote(kid))
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64(d.header.json()) + "." + b64(d.claims.json())
	sig, err := method.Sign(text, key)
	if err != nil {
		return "", err
	}
	if d.spoil {
		sig[len(sig)/2] ^= 1
	}
	return text + "." + b64(sig), nil
}

func (d *draft) find(name string) (string, bool) {
	for _, m := range d.header {
		if m.name == name {
			return m.raw, true
		}
	}
	return "", false
}

type verdict struct {
	File    string  `json:"file"`
	Verdict string  `json:"verdict"`
	Causes  []cause `json:"causes"`
	Remarks []cause `json:"remarks"`
}

type cause struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// String returns the code, for lists of causes.
func (c cause) String() string { return c.Code }

// reasons are the codes that the causes must include, by the prefix of a token's name. They
// detect a correct verdict with a wrong cause.
var reasons = []struct{ name, codes string }{
	{"scope set to null", "scope-not-string"}, {"iat set", "time-|not-yet-valid"}, {"nbf set", "time-|not-yet-valid"},
	{"aud ", "aud-mismatch|aud-missing|claim-missing"}, {"no aud", "aud-missing"},
	{"wlcg.ver", "version-unknown"}, {"ver ", "version-unknown|path-"}, {"an extra claim", "version-missing"},
	{"no scope", "claim-missing"}, {"no kid", "kid-missing"}, {"no compute", "write-incomplete|scope-missing"}, {"no typ", "."}, {"no ", "claim-missing"},
	{"groups only", "groups-only"}, {"scope a list", "scope-not-string"}, {"scope ", "scope-missing"}, {"sub of another", "map-missing"}, {"sub empty", "map-missing"}, {"sub ", "claim-missing"},
	{"jti ", "claim-missing"}, {"iss with", "iss-not-configured|map-missing"}, {"iss not https", "iss-not-https"}, {"iss not conf", "keys-unavailable|iss-not-configured"}, {"iss ", "claim-missing"},
	{"expired", "expired"}, {"iat in", "not-yet-valid|time-range|time-not-integer"}, {"nbf in", "not-yet-valid"}, {"exp in milli", "time-range"}, {"exp twice", "expired"}, {"exp ", "time-|expired"}, {"iat ", "time-"}, {"nbf ", "time-"},
	{"signature", "signature-invalid"}, {"signed by", "signature-invalid"}, {"unsigned", "unsigned"}, {"HS256", "alg-refused"}, {"alg set", "alg-mismatch|signature-invalid"},
	{"unknown kid", "kid-unknown"}, {"several keys, no", "kid-missing"}, {"PS256", "alg-refused"}, {"RS512", "alg-refused"}, {"ES384", "alg-refused"},
	{"file with a tab", "."}, {"file with no", "."}, {"file with carr", "."}, {"file with", "file-form"},
	{"kid a", "kid-missing"}, {"Bearer", "file-form"}, {"long", "too-long"}, {"file mode", "file-mode"}, {"file behind", "file-link"},
	{"condor:/ALLOW", "condor-allow"}, {"compute.*", "compute-without-wlcg"}, {"storage.*", "storage-without-wlcg|path-"},
}

func expected(name string) *regexp.Regexp {
	for _, r := range reasons {
		if strings.HasPrefix(name, r.name) {
			return regexp.MustCompile(r.codes)
		}
	}
	return nil
}

// inspect runs jwt-inspect on all samples at once.
func (p options) inspect(flags []string, list []sample) ([]verdict, error) {
	args := append([]string{"-o", "ndjson"}, flags...)
	for _, s := range list {
		args = append(args, s.file)
	}
	cmd := exec.Command("jwt-inspect", args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 2 {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var all []verdict
	for d := json.NewDecoder(&out); ; {
		var v verdict
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if len(all) != len(list) {
		return nil, fmt.Errorf("%d tokens, %d verdicts: %s", len(list), len(all), stderr.String())
	}
	for i, v := range all {
		if v.File != list[i].file {
			return nil, fmt.Errorf("verdict %d is about %s", i, v.File)
		}
	}
	return all, nil
}

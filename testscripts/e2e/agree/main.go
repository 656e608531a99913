//go:build unix

// Command agree presents tokens, which differ in one thing each, to a real HTCondor and to
// real XRootD servers, and compares the results with the verdicts of jwt-inspect. It runs
// in the end-to-end tests, which start the servers (agree.sh).
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
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
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

// place holds the paths that the shell script passes.
type place struct {
	work, pki, tree, condor, mapfile, config, part string
}

// sample is a token and its file.
type sample struct {
	name, service string
	file          string
	mode          uint32
	link          bool
	raw           string
	shape         shape
}

// A question is one access to one server.
type question struct {
	name, service string
	// flags are jwt-inspect's flags; known are those for keys and configuration.
	flags, known []string
	// rights says that only samples about rights are presented.
	rights bool
	folder string
	// configured says that the server's configuration changes the meaning of scopes.
	configured bool
	// alone says that only one is presented at a time, because servers lock files that are
	// written.
	alone bool
	// ask presents a sample to the server. It reports whether the server accepted it, and its
	// output.
	ask func(ctx context.Context, s sample) (ok bool, said string)
}

func main() {
	var p place
	flag.StringVar(&p.work, "work", "", "a directory for the tokens")
	flag.StringVar(&p.pki, "pki", "", "the issuers' directory")
	flag.StringVar(&p.tree, "tree", "", "the tree that HTCondor and the newer XRootD run in")
	flag.StringVar(&p.condor, "condor", "", "HTCondor's directory, /e2e in that tree")
	flag.StringVar(&p.mapfile, "mapfile", "", "HTCondor's map file")
	flag.StringVar(&p.config, "scitokens-cfg", "", "XRootD's scitokens.cfg")
	flag.StringVar(&p.part, "part-cfg", "", "the scitokens.cfg of the servers with base_path and restricted_path")
	flag.Parse()
	if err := run(p); err != nil {
		fmt.Fprintf(os.Stderr, "agree: error: %s\n", err)
		os.Exit(1)
	}
}

func run(p place) error {
	samples, err := p.mint()
	if err != nil {
		return err
	}
	r := report{tokens: map[string]bool{}, codes: map[string]int{}}
	for _, q := range p.questions() {
		list := slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return !q.concerns(s) })
		// Once with everything that is known, and once with the token only.
		verdicts, err := p.inspect(slices.Concat(q.known, q.flags), list)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		offline, err := p.inspect(q.flags, list)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		agreed := 0
		for i, a := range askAll(q, list) {
			if r.compare(q, list[i], a, verdicts[i], offline[i]) {
				agreed++
			}
		}
		fmt.Printf("     %-44s %3d of %3d tokens agree\n", q.name, agreed, len(list))
	}
	return r.print()
}

// concerns reports whether the question is asked with the sample.
func (q question) concerns(s sample) bool {
	places := s.shape.places
	if places == nil {
		places = []string{"/store/user"}
	}
	return s.service == q.service && (!q.rights || s.shape.rights) && (q.folder == "" || slices.Contains(places, q.folder))
}

// report counts the results.
type report struct {
	tokens map[string]bool
	codes  map[string]int
	asked  int
	// refused counts refusals by a server, found those of them that jwt-inspect found with
	// the token only.
	refused, found int
	disagreed      []string
}

func (r *report) disagree(q question, s sample, format string, a ...any) {
	r.disagreed = append(r.disagreed, fmt.Sprintf("%s: %s: ", q.name, s.name)+fmt.Sprintf(format, a...))
}

// compare compares the answer of a server with the verdicts, and reports whether the one
// with everything that is known agrees.
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
		r.disagree(q, s, "the server says %s, jwt-inspect %s %v\n       server: %s", word(a.ok), v.Verdict, v.Causes, a.said)
		return false
	}
	return true
}

// print prints the results, and returns an error if there are disagreements.
func (r *report) print() error {
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
	if len(r.tokens) < 60 || r.asked < 600 {
		return errors.New("too few questions were asked to show anything")
	}
	return nil
}

func word(ok bool) string {
	if ok {
		return "ok"
	}
	return "fail"
}

// mint makes all tokens, and writes each to a file.
func (p place) mint() ([]sample, error) {
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
	for _, s := range shapes {
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
				one := sample{name: profile + ", " + s.name, service: service, mode: d.mode, link: d.link, raw: raw, shape: s,
					file: filepath.Join(p.work, fmt.Sprintf("%03d", len(out)))}
				if err := one.write(fmt.Appendf(nil, d.file, raw)); err != nil {
					return nil, err
				}
				out = append(out, one)
			}
		}
	}
	return out, nil
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
		method, key = jwt.SigningMethodHS256, []byte("a secret that the server lacks...")
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

// server is an XRootD server.
type server struct {
	name, version, config string
	root, web             string
	// client runs the programs of its client.
	client func(s sample, args ...string) *exec.Cmd
}

// questions returns all questions.
func (p place) questions() []question {
	var out []question
	keys := []string{"--fetch-keys", "--cafile", filepath.Join(p.pki, "ca.pem")}
	ce := []string{"--ce", audiences["ce"], "--server-version", "23.9.6"}
	for _, level := range []string{"READ", "WRITE"} {
		flags := append(slices.Clone(ce), "--"+strings.ToLower(level))
		out = append(out, question{name: "HTCondor 23.9.6 " + level, service: "ce", flags: flags, known: append(slices.Clone(keys), "--mapfile", p.mapfile), ask: p.ping(level)})
	}
	for _, srv := range []server{
		{"XRootD 5.5.3", "5.5.3", p.config, "root://localhost:11094", "https://localhost:11443", p.local},
		{"XRootD 5.8.1", "5.8.1", p.config, "root://localhost:21094", "https://localhost:21443", p.inTree},
		{"XRootD 5.5.3, a part", "5.5.3", p.part, "root://localhost:31094", "https://localhost:31443", p.local},
		{"XRootD 5.8.1, a part", "5.8.1", p.part, "root://localhost:41094", "https://localhost:41443", p.inTree},
	} {
		for _, folder := range []string{"/store/user", "/store/user/sub", "/store/user2", "/store", "/store/user x"} {
			for _, access := range []string{"read", "write", "create"} {
				for _, door := range []string{"root", "https"} {
					base := srv.root
					if door == "https" {
						base = srv.web
					}
					file := folder + "/have.txt"
					if access == "create" {
						file = folder + "/new.txt"
					}
					q := question{
						name: strings.TrimSpace(fmt.Sprintf("%s %s:// %s %s", srv.name, door, access, strings.TrimPrefix(folder, "/store/user"))), service: "xrd", folder: folder,
						rights: access != "read" || folder != "/store/user" || srv.config == p.part, alone: access == "write", configured: srv.config == p.part,
						flags: []string{"--xrd", base, "--" + access, "--path", file, "--server-version", srv.version, "--aud", audiences["xrd"]},
						known: append(slices.Clone(keys), "--scitokens-cfg", srv.config),
					}
					if door == "root" {
						q.ask = p.rooted(srv, access, folder)
					} else {
						q.ask = p.web(srv, access, folder)
					}
					out = append(out, q)
				}
			}
		}
	}
	return out
}

type verdict struct {
	File    string  `json:"file"`
	Verdict string  `json:"verdict"`
	Causes  []cause `json:"causes"`
}

type cause struct {
	Code string `json:"code"`
}

// reasons are the codes that the causes must include, by the beginning of a token's name: a
// correct verdict with a wrong cause would not help.
var reasons = []struct{ name, codes string }{
	{"aud ", "aud-mismatch|aud-missing|claim-missing"}, {"no aud", "aud-missing"},
	{"wlcg.ver", "version-unknown"}, {"ver ", "version-unknown|path-"}, {"an extra claim", "version-missing"},
	{"no scope", "claim-missing"}, {"no kid", "kid-missing"}, {"no compute", "write-incomplete|scope-missing"}, {"no typ", "."}, {"no ", "claim-missing"},
	{"groups only", "groups-only"}, {"scope a list", "scope-not-string"}, {"scope ", "scope-missing"}, {"sub of another", "map-missing"}, {"sub empty", "map-missing"}, {"sub ", "claim-missing"},
	{"jti ", "claim-missing"}, {"iss with", "iss-not-configured|map-missing"}, {"iss not https", "iss-not-https"}, {"iss not conf", "keys-unavailable|iss-not-configured"}, {"iss ", "claim-missing"},
	{"ended", "expired"}, {"iat in", "not-yet-valid|time-range|time-not-integer"}, {"nbf in", "not-yet-valid"}, {"exp in milli", "time-range"}, {"exp twice", "expired"}, {"exp ", "time-|expired"}, {"iat ", "time-"}, {"nbf ", "time-"},
	{"signature", "signature-invalid"}, {"signed by", "signature-invalid"}, {"unsigned", "unsigned"}, {"HS256", "alg-refused"}, {"alg says", "alg-mismatch|signature-invalid"},
	{"unknown kid", "kid-unknown"}, {"several keys, no", "kid-missing"}, {"PS256", "alg-refused"}, {"RS512", "alg-refused"}, {"ES384", "alg-refused"},
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
func (p place) inspect(flags []string, list []sample) ([]verdict, error) {
	args := append([]string{"-o", "ndjson"}, flags...)
	for _, s := range list {
		args = append(args, s.file)
	}
	cmd := exec.Command("jwt-inspect", args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 2 {
		return nil, fmt.Errorf("%w: %s", err, said.String())
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
		return nil, fmt.Errorf("%d tokens, %d verdicts: %s", len(list), len(all), said.String())
	}
	for i, v := range all {
		if v.File != list[i].file {
			return nil, fmt.Errorf("verdict %d is about %s", i, v.File)
		}
	}
	return all, nil
}

type answer struct {
	ok   bool
	said string
}

// askAll presents the samples to the server, a few at a time.
func askAll(q question, list []sample) []answer {
	out := make([]answer, len(list))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU()+1)
	if q.alone {
		slots = make(chan struct{}, 1)
	}
	for i, s := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for range 5 {
				if out[i].ok, out[i].said = q.ask(ctx, s); !noVerdict.MatchString(out[i].said) {
					break
				}
			}
		})
	}
	wg.Wait()
	return out
}

// noVerdict matches output that is not a verdict, because a server or client was too busy:
// HTCondor dropped the connection or a timeout expired, XRootD has not yet closed a file, a
// connection broke.
var noVerdict = regexp.MustCompile(`AUTHENTICATE:100[26]:|already opened by|^423$|Operation expired|Connection error|[Ss]ocket timeout|curl: \(|no answer within`)

// output runs a command, and returns its exit code and the last lines of its output.
func output(ctx context.Context, cmd *exec.Cmd) (code int, said string) {
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	if err := cmd.Start(); err != nil {
		return -1, err.Error()
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	_ = cmd.Wait()
	if ctx.Err() != nil {
		return -1, "no answer within the time"
	}
	said = strings.TrimSpace(b.String())
	if len(said) > 300 {
		said = "…" + said[len(said)-300:]
	}
	return cmd.ProcessState.ExitCode(), strings.ReplaceAll(said, "\n", " / ")
}

// inTree runs a command in the tree as its user tester, with the token where it is found.
func (p place) inTree(s sample, args ...string) *exec.Cmd {
	inside := filepath.Join("/e2e/client", filepath.Base(s.file))
	outside := filepath.Join(p.condor, "client", filepath.Base(s.file))
	if b, err := os.ReadFile(s.file); err == nil {
		if s.link {
			_ = os.Symlink(filepath.Base(outside)+".real", outside)
		}
		_ = os.WriteFile(outside, b, 0o600) // through the link
		_ = os.Chmod(outside, os.FileMode(s.mode))
		_ = os.Chown(outside, 4242, 4242)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path = args[0]
	cmd.Err = nil
	cmd.Dir = "/"
	cmd.Env = []string{
		"PATH=/usr/bin:/usr/sbin", "HOME=/home/tester", "CONDOR_CONFIG=/etc/condor/condor_config",
		"BEARER_TOKEN_FILE=" + inside, "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS",
		"X509_CERT_DIR=/e2e/certificates", "XRD_CONNECTIONRETRY=1", "XRD_REQUESTTIMEOUT=20", "XRD_STREAMTIMEOUT=20",
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: p.tree, Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	return cmd
}

// local runs a command of this machine.
func (p place) local(s sample, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "BEARER_TOKEN_FILE="+s.file)
	return cmd
}

func (p place) ping(level string) func(context.Context, sample) (bool, string) {
	return func(ctx context.Context, s sample) (bool, string) {
		cmd := p.inTree(s, "/usr/bin/condor_ping", "-verbose", "-pool", audiences["ce"], "-type", "COLLECTOR", level)
		code, said := output(ctx, cmd)
		return code == 0 && strings.Contains(said, "SCITOKENS") && !strings.Contains(said, "FAIL"), said
	}
}

var (
	counter int
	counts  sync.Mutex
)

// fresh returns the name of a file that does not exist yet.
func fresh(folder string) string {
	counts.Lock()
	defer counts.Unlock()
	counter++
	return fmt.Sprintf("%s/new-%d.txt", folder, counter)
}

func (p place) rooted(srv server, access, folder string) func(context.Context, sample) (bool, string) {
	return func(ctx context.Context, s sample) (bool, string) {
		var cmd *exec.Cmd
		in := filepath.Join(p.work, "in.txt")
		if srv.version == "5.8.1" {
			in = "/e2e/client/in.txt"
		}
		switch access {
		case "read":
			cmd = srv.client(s, "/usr/bin/xrdfs", srv.root, "cat", folder+"/have.txt")
		case "write":
			cmd = srv.client(s, "/usr/bin/xrdcp", "-N", "-f", in, srv.root+"/"+folder+"/have.txt")
		case "create":
			cmd = srv.client(s, "/usr/bin/xrdcp", "-N", in, srv.root+"/"+fresh(folder))
		}
		code, said := output(ctx, cmd)
		return code == 0, said
	}
}

func (p place) web(srv server, access, folder string) func(context.Context, sample) (bool, string) {
	return func(ctx context.Context, s sample) (bool, string) {
		// In a file, because an argument could be too long, and everybody could read it.
		config := fmt.Sprintf("header = \"Authorization: Bearer %s\"\n", s.raw)
		args := []string{"curl", "-sS", "--cacert", filepath.Join(p.pki, "ca.pem"), "-K", "-", "-o", os.DevNull, "-w", "%{http_code}"}
		switch access {
		case "read":
			args = append(args, srv.web+folder+"/have.txt")
		case "write":
			args = append(args, "-T", filepath.Join(p.work, "in.txt"), srv.web+folder+"/have.txt")
		case "create":
			args = append(args, "-T", filepath.Join(p.work, "in.txt"), srv.web+fresh(folder))
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(config)
		code, said := output(ctx, cmd)
		return code == 0 && strings.HasPrefix(said, "2"), said
	}
}

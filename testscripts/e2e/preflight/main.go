//go:build unix

// Command preflight compares the verdicts of condor-token-helper preflight with what the
// real credd, CE and XRootD do, for each submit file of a directory:
//
//   - condor_submit -dry-run prints the attributes and the requests for tokens, which the
//     reader must find, too;
//   - the requested tokens are stored at the real credd, and condor_submit must find them;
//   - HTCondor's curl_plugin transfers the files that the job's ClassAd names;
//   - the token for the CE is presented to the CE.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
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
	"example.org/token-helpers/shared/submit"
)

// setup is the addresses of the servers, the directories and the other flags.
type setup struct {
	// work is the directory that is /e2e inside of tree.
	work, tree, pki, rows string
	// web is the address of XRootD, pool the address of the CE, and flags are for preflight.
	web, pool, flags string
	// old means that HTCondor is version 23, whose condor_submit prints requests.
	old bool
	// only is a pattern that selects rows.
	only string
	// count is the number of random submit files, and seed their seed.
	count int
	seed  uint64

	keys *issuertest.Keys
}

func main() {
	var p setup
	flag.StringVar(&p.work, "work", "", "the directory that is /e2e in the tree")
	flag.StringVar(&p.tree, "tree", "", "the tree with HTCondor")
	flag.StringVar(&p.pki, "pki", "", "the issuers' directory")
	flag.StringVar(&p.rows, "rows", "", "the submit files")
	flag.StringVar(&p.web, "web", "", "HOST:PORT of XRootD over https")
	flag.StringVar(&p.pool, "pool", "", "HOST:PORT of the CE")
	flag.StringVar(&p.flags, "flags", "", "flags for preflight")
	flag.StringVar(&p.only, "only", "", "ask only rows whose names match this expression")
	flag.IntVar(&p.count, "random", 0, "compare the reader with condor_submit for this many random submit files, and nothing else")
	flag.Uint64Var(&p.seed, "seed", 1, "the seed of random submit files")
	flag.BoolVar(&p.old, "old", false, "HTCondor 23")
	flag.Parse()
	if err := p.run(); err != nil {
		fmt.Fprintf(os.Stderr, "preflight: error: %s\n", err)
		os.Exit(1)
	}
}

func (p *setup) run() error {
	var err error
	if p.count > 0 {
		return p.random()
	}
	if p.keys, err = issuertest.LoadKeys(p.pki); err != nil {
		return err
	}
	only, err := regexp.Compile(p.only)
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(p.rows, "*.sub"))
	if err != nil {
		return err
	}
	count, wrong := 0, 0
	seen := map[string]int{}
	for _, name := range names {
		if !only.MatchString(filepath.Base(name)) {
			continue
		}
		count++
		problems, err := p.row(name, seen)
		if err != nil {
			problems = append(problems, err.Error())
		}
		if len(problems) > 0 {
			wrong++
		}
		for _, s := range problems {
			fmt.Printf("     %s: %s\n", filepath.Base(name), s)
		}
	}
	fmt.Printf("     %d submit files, %d accepted and %d refused endpoints agree, %d files with differences\n", count, seen["ok"], seen["fail"], wrong)
	if wrong > 0 || count == 0 || p.only == "" && (seen["ok"] < 10 || seen["fail"] < 15) {
		return fmt.Errorf("%d of %d submit files differ", wrong, count)
	}
	return nil
}

// row is a submit file and its directives.
type row struct {
	name, text string
	// dir contains its files. In the tree it is /e2e/client/pf.
	dir string
	// exit is the expected exit code, codes the expected codes of causes.
	exit  string
	codes []string
	// use are tokens that the credmon writes instead of the requested ones.
	use map[string]string
	// noLogin means that there is no login.
	noLogin bool
}

const inside = "/e2e/client/pf"

func (p *setup) read(name string) (*row, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := &row{name: filepath.Base(name), dir: filepath.Join(p.work, "client", "pf"), use: map[string]string{}}
	r.text = strings.NewReplacer("@SE@", p.web).Replace(string(b))
	if err := os.RemoveAll(r.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(r.dir, "creds"), 0o755); err != nil {
		return nil, err
	}
	for line := range strings.Lines(r.text) {
		directive, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !strings.HasPrefix(directive, "#") || !ok {
			break
		}
		fields := strings.Fields(value)
		switch directive {
		case "# exit":
			r.exit = fields[0]
			if !p.old {
				r.exit = fields[len(fields)-1]
			}
		case "# codes":
			r.codes = fields
		case "# login":
			r.noLogin = value == "none"
		case "# file":
			name, content, _ := strings.Cut(value, " ")
			err = os.WriteFile(filepath.Join(r.dir, name), []byte(strings.ReplaceAll(content, `\n`, "\n")), 0o644)
		case "# use":
			r.use[fields[0]], err = p.sign(fields[1:])
		case "# token":
			var t string
			if t, err = p.sign(fields[1:]); err == nil {
				err = os.WriteFile(filepath.Join(r.dir, fields[0]), []byte(t+"\n"), 0o644)
			}
		default:
			err = fmt.Errorf("unknown directive %s", directive)
		}
		if err != nil {
			return nil, err
		}
	}
	for name, dir := range map[string]string{"inside.sub": inside, "outside.sub": r.dir} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(strings.ReplaceAll(r.text, "@DIR@", dir)), 0o644); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// sign returns a token for AUDIENCE SCOPES [expired]; the scopes are separated by commas.
func (p *setup) sign(fields []string) (string, error) {
	now := time.Now()
	exp := now.Add(time.Hour)
	if slices.Contains(fields, "expired") {
		exp = now.Add(-5 * time.Minute)
	}
	claims := jwt.MapClaims{"iss": "https://localhost:18444", "sub": "e2e-user", "jti": fmt.Sprint(now.UnixNano()), "wlcg.ver": "1.0",
		"iat": now.Add(-time.Hour).Unix(), "nbf": now.Add(-time.Hour).Unix(), "exp": exp.Unix(), "scope": strings.ReplaceAll(fields[1], ",", " ")}
	if fields[0] != "-" {
		claims["aud"] = fields[0]
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["kid"] = issuertest.KeyID(p.keys.Signing)
	return t.SignedString(p.keys.Signing)
}

// inTree runs a program in the tree as tester. Its output is stdout and stderr.
func (p *setup) inTree(config string, env []string, stdin string, args ...string) (string, int) {
	cmd := exec.Command("timeout", append([]string{"-k", "5", "60", "chroot", "--userspec=4242:4242", p.tree}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/bin:/usr/sbin", "HOME=/home/tester", "CONDOR_CONFIG=" + config}, env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		return err.Error(), -1
	}
	return strings.ToValidUTF8(string(out), "?"), cmd.ProcessState.ExitCode()
}

const (
	apConfig = "/e2e/ap/condor_config"
	ceConfig = "/etc/condor/condor_config"
)

// row compares one submit file.
func (p *setup) row(name string, seen map[string]int) (problems []string, err error) {
	r, err := p.read(name)
	if err != nil {
		return nil, err
	}
	say := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	ours, readErr := submit.Read("outside.sub", []byte(strings.ReplaceAll(r.text, "@DIR@", r.dir)), submit.Options{Dir: "/", FS: os.DirFS("/"), Getenv: os.LookupEnv})
	report, code, output := p.preflight(r)
	if fmt.Sprint(code) != r.exit {
		say("preflight exits with %d, expected %s: %s", code, r.exit, output)
	}
	for _, want := range r.codes {
		if !strings.Contains(output, `"code":"`+want+`"`) && !strings.Contains(output, want) {
			say("the report does not contain %s: %s", want, output)
		}
	}
	if readErr != nil {
		// condor_submit must reject it, too.
		out, rc := p.inTree(apConfig, nil, "", "condor_submit", "-dry-run:oauth=1", "-", inside+"/inside.sub")
		if rc == 0 {
			say("condor_submit accepts what the reader rejects (%v): %s", readErr, out)
		}
		seen["fail"]++
		return problems, nil
	}
	if p.old {
		if diff := p.requests(ours); diff != "" {
			say("%s", diff)
		}
	}
	stored, err := p.store(r, ours)
	if err != nil {
		return problems, err
	}
	out, rc := p.inTree(apConfig, nil, "", "condor_submit", "-dry-run", "-", inside+"/inside.sub")
	submitted := rc == 0
	ads := parseAds(out)
	if submitted {
		if diff := p.compareAds(r, ours, ads); diff != "" {
			say("%s", diff)
		}
	} else if code == 0 {
		say("condor_submit fails: %s", out)
	}
	for _, e := range report.Endpoints {
		real, why := p.real(e, stored, r, submitted)
		if real == "" {
			if e.Verdict != "unknown" && !e.Implied {
				say("%s (%s): the verdict is %s, but there is nothing to compare it with", e.Endpoint, e.Purpose, e.Verdict)
			}
			continue
		}
		switch {
		case e.Verdict == "unknown":
		case e.Verdict != real:
			say("%s (%s): the verdict is %s, the real one %s: %s", e.Endpoint, e.Purpose, e.Verdict, real, why)
		default:
			seen[real]++
		}
	}
	return problems, p.complete(ads, report)
}

// endpoint and result are the compared parts of the report.
type endpoint struct {
	Endpoint, Purpose, Credential, Verdict string
	Implied                                bool
}

type result struct {
	Endpoints []endpoint
	ExitCode  int
}

// preflight runs the helper.
func (p *setup) preflight(r *row) (rep result, code int, output string) {
	args := append([]string{"preflight", "-o", "json", r.dir + "/outside.sub"}, strings.Fields(p.flags)...)
	if len(r.use) > 0 {
		for name, t := range r.use {
			_ = os.WriteFile(filepath.Join(r.dir, "creds", name+".use"), []byte(t+"\n"), 0o600) // a failure shows in the verdict
		}
		args = append(args, "--creds", r.dir+"/creds")
	}
	cmd := exec.Command("condor-token-helper", args...)
	cmd.Env = r.environ()
	out, _ := cmd.Output() // the exit code is compared
	code = cmd.ProcessState.ExitCode()
	if err := json.Unmarshal(out, &rep); err != nil && code != 2 {
		return rep, code, "not JSON: " + string(out)
	}
	return rep, code, string(out)
}

// environ returns the environment of the helper, with or without the login.
func (r *row) environ() []string {
	env := os.Environ()
	if r.noLogin {
		env = append(env, "HOME="+r.dir, "XDG_CACHE_HOME="+r.dir+"/cache", "XDG_RUNTIME_DIR="+r.dir)
	}
	return env
}

// requests compares the requested tokens with those of condor_submit.
func (p *setup) requests(f *submit.File) string {
	out, _ := p.inTree(apConfig, nil, "", "condor_submit", "-dry-run:oauth=1", "-", inside+"/inside.sub")
	var theirs []string
	for block := range strings.SplitSeq(out, "\n# ") {
		fields := map[string]string{}
		for line := range strings.Lines(block) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), " = "); ok {
				fields[name] = strings.Trim(value, `"`)
			}
		}
		if fields["Service"] != "" {
			scopes := strings.FieldsFunc(fields["Scopes"], func(c rune) bool { return c == ',' || c == ' ' })
			theirs = append(theirs, fmt.Sprintf("%s %s %v %s", fields["Service"], fields["Handle"], scopes, fields["Audience"]))
		}
	}
	var ours []string
	for _, c := range f.Credentials {
		scopes := c.Scopes
		if c.Handle == "" && len(scopes) == 0 {
			scopes = []string{}
		}
		ours = append(ours, fmt.Sprintf("%s %s %v %s", c.Service, c.Handle, scopes, c.Audience))
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	if !slices.Equal(ours, theirs) {
		return fmt.Sprintf("requests %q, condor_submit %q", ours, theirs)
	}
	return ""
}

// parseAds parses the output of -dry-run: the first ClassAd is complete, and the others
// contain only the attributes that differ from it.
func parseAds(out string) []map[string]string {
	var ads []map[string]string
	ad := map[string]string{}
	var first map[string]string
	scanner := bufio.NewScanner(strings.NewReader(out))
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		line := strings.TrimPrefix(scanner.Text(), "Dry-Run job(s)")
		if line == "." {
			if first == nil {
				first = ad
			}
			ads = append(ads, ad)
			ad = maps.Clone(first)
			continue
		}
		if name, value, ok := strings.Cut(line, "="); ok && !strings.ContainsAny(name, " #\"") {
			ad[name] = value
		}
	}
	return ads
}

// compareAds compares the attributes that the reader reads.
func (p *setup) compareAds(r *row, f *submit.File, ads []map[string]string) string {
	if len(ads) != len(f.Jobs) {
		return fmt.Sprintf("%d jobs, condor_submit %d", len(f.Jobs), len(ads))
	}
	for i, j := range f.Jobs {
		for name, value := range j.Attributes {
			if slices.Contains([]string{"In", "Out", "Err"}, name) {
				continue
			}
			theirs := ads[i][name]
			for a, v := range ads[i] {
				if strings.EqualFold(a, name) {
					theirs = v
				}
			}
			if ours := strings.ReplaceAll(value, r.dir, inside); ours != theirs {
				return fmt.Sprintf("job %d: %s = %s, condor_submit %s", i, name, ours, theirs)
			}
		}
		for _, name := range []string{"TransferInput", "TransferOutputRemaps", "OutputDestination", "OAuthServicesNeeded", "GridResource", "ScitokensFile"} {
			if _, ok := j.Attributes[name]; !ok && ads[i][name] != "" && !(name == "TransferInput" && ads[i][name] == `""`) {
				return fmt.Sprintf("job %d: condor_submit sets %s = %s", i, name, ads[i][name])
			}
		}
	}
	return ""
}

var isURL = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`)

// complete checks that each URL of the jobs' ClassAds is an endpoint of the report.
func (p *setup) complete(ads []map[string]string, rep result) error {
	for _, ad := range ads {
		for _, name := range []string{"TransferInput", "TransferOutputRemaps"} {
			for _, f := range strings.FieldsFunc(strings.Trim(ad[name], `"`), func(c rune) bool { return c == ',' || c == ';' || c == '=' || c == ' ' }) {
				if isURL.MatchString(f) && !slices.ContainsFunc(rep.Endpoints, func(e endpoint) bool { return e.Endpoint == f }) {
					return fmt.Errorf("the report does not contain %s", f)
				}
			}
		}
	}
	return nil
}

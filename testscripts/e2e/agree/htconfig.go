//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"example.org/token-helpers/shared/issuertest"
)

// configuration is a tested configuration of HTCondor.
type configuration struct {
	name string
	// lines are added to the configuration. user is the user in the map file, tester by default.
	// maps replaces the map file.
	lines, user, maps string
	// edit changes the token, whose profile is profile.
	profile string
	edit    func(*draft)
}

const (
	everybody = "ALLOW_READ = *\nALLOW_WRITE = *\n"
	asCE      = "ALLOW_READ = *\nALLOW_WRITE = *@users.htcondor.org\nDENY_WRITE = *@banned.htcondor.org, *@unmapped, anonymous@*\n"
	foreigner = "SEC_SCITOKENS_FOREIGN_TOKEN_ISSUERS = https://localhost:18444\n"
)

// configurations are the tested configurations.
var configurations = []configuration{
	{name: "everybody", lines: everybody},
	{name: "as a CE", lines: asCE},
	{name: "as a CE, banned", lines: asCE, user: "x@banned.htcondor.org"},
	{name: "as a CE, unmapped", lines: asCE, user: "x@unmapped"},
	{name: "as a CE, anonymous", lines: asCE, user: "anonymous"},
	{name: "as a CE, of another domain", lines: asCE, user: "alice@fnal.gov"},
	{name: "a user", lines: everybody + "ALLOW_WRITE = tester@users.htcondor.org\n"},
	{name: "a word, which is a host", lines: everybody + "ALLOW_WRITE = tester\n"},
	{name: "a user of any domain", lines: everybody + "ALLOW_WRITE = tester@*\n"},
	{name: "any user of any domain", lines: everybody + "ALLOW_WRITE = *@*\n"},
	{name: "any user on any host", lines: everybody + "ALLOW_WRITE = */*\n"},
	{name: "any user on this host", lines: everybody + "ALLOW_WRITE = */127.0.0.1\n"},
	{name: "a user on this host", lines: everybody + "ALLOW_WRITE = tester@users.htcondor.org/127.0.0.1\n"},
	{name: "a user on another host", lines: everybody + "ALLOW_WRITE = tester@users.htcondor.org/192.0.2.1\n"},
	{name: "a user on any host", lines: everybody + "ALLOW_WRITE = tester@users.htcondor.org/*\n"},
	{name: "another user on this host", lines: everybody + "ALLOW_WRITE = alice@users.htcondor.org/127.0.0.1\n"},
	{name: "a network", lines: everybody + "ALLOW_WRITE = 127.0.0.0/8\n"},
	{name: "in capitals", lines: everybody + "ALLOW_WRITE = TESTER@USERS.HTCONDOR.ORG\n"},
	{name: "the beginning of a name", lines: everybody + "ALLOW_WRITE = t*@users.htcondor.org\n"},
	{name: "a star in the middle", lines: everybody + "ALLOW_WRITE = te*er@users.htcondor.org\n"},
	{name: "two stars", lines: everybody + "ALLOW_WRITE = t*@*.org\n"},
	{name: "a list with commas and spaces", lines: everybody + "ALLOW_WRITE = x@y,alice@fnal.gov  tester@users.htcondor.org\n"},
	{name: "a list without the user", lines: everybody + "ALLOW_WRITE = x@y, alice@fnal.gov\n"},
	{name: "nobody may write", lines: everybody + "ALLOW_WRITE =\n"},
	{name: "nobody may read", lines: everybody + "ALLOW_READ =\n"},
	{name: "nobody may do anything", lines: "ALLOW_READ =\nALLOW_WRITE =\n"},
	{name: "writers may read", lines: "ALLOW_READ = x@y\nALLOW_WRITE = *\n"},
	{name: "reading is denied", lines: everybody + "DENY_READ = tester@*\n"},
	{name: "writing is denied", lines: everybody + "DENY_WRITE = tester@*\n"},
	{name: "reading is denied to all", lines: everybody + "DENY_READ = *\n"},
	{name: "writing is denied to all", lines: everybody + "DENY_WRITE = *\n"},
	{name: "writing is denied to others", lines: everybody + "DENY_WRITE = alice@*, *@fnal.gov\n"},
	{name: "writing is denied on another host", lines: everybody + "DENY_WRITE = */192.0.2.1\n"},
	{name: "daemons may write", lines: "ALLOW_READ = x@y\nALLOW_WRITE = x@y\nALLOW_DAEMON = condor@*, root@*, tester@*\n"},
	{name: "administrators may write", lines: "ALLOW_READ = x@y\nALLOW_WRITE = x@y\nALLOW_ADMINISTRATOR = root@*, tester@*\n"},
	{name: "another UID_DOMAIN", lines: asCE + "UID_DOMAIN = example.org\n"},
	{name: "a reference to UID_DOMAIN", lines: everybody + "UID_DOMAIN = example.org\nALLOW_WRITE = *@$(UID_DOMAIN)\n"},
	{name: "a reference with a default", lines: everybody + "ALLOW_WRITE = tester@$(NOT_SET_ANYWHERE:users.htcondor.org)\n"},
	{name: "a reference with a default that has a star", lines: everybody + "ALLOW_WRITE = $(NOT_SET_ANYWHERE:tester@*)\n"},
	{name: "a reference to nothing", lines: everybody + "ALLOW_WRITE = x@y $(NOT_SET_ANYWHERE)\n"},
	{name: "a star at the beginning and one in the middle", lines: everybody + "ALLOW_WRITE = *@*.org\n"},
	{name: "a star at the beginning and at the end", lines: everybody + "ALLOW_WRITE = *@users*\n"},
	{name: "a mistyped method in the map file", lines: everybody, maps: `SCITOKEN /^https:\/\/localhost:18444,e2e-user$/ tester`},
	{name: "methods without SCITOKENS", lines: everybody + "SEC_WRITE_AUTHENTICATION_METHODS = FS, SSL\n"},
	{name: "a mistyped method", lines: everybody + "SEC_WRITE_AUTHENTICATION_METHODS = SCITOKEN\n"},
	{name: "several methods", lines: everybody + "SEC_WRITE_AUTHENTICATION_METHODS = FS,SCITOKENS\n"},
	{name: "a method in lower case", lines: everybody + "SEC_WRITE_AUTHENTICATION_METHODS = scitokens\n"},
	{name: "reading without authentication", lines: everybody + "SEC_READ_AUTHENTICATION = OPTIONAL\n"},
	{name: "reading never authenticates", lines: everybody + "SEC_READ_AUTHENTICATION = NEVER\n"},
	{name: "reading prefers authentication", lines: everybody + "SEC_READ_AUTHENTICATION = PREFERRED\n"},
	{name: "reading without authentication, but not everybody", lines: everybody + "SEC_READ_AUTHENTICATION = OPTIONAL\nALLOW_READ = *@users.htcondor.org\n"},
	{name: "another audience", lines: everybody + "SCITOKENS_SERVER_AUDIENCE = ce.example.org:9619\n"},
	{name: "several audiences", lines: everybody + "SCITOKENS_SERVER_AUDIENCE = ce.example.org:9619 localhost:9619\n"},
	{name: "several audiences with commas", lines: everybody + "SCITOKENS_SERVER_AUDIENCE = ce.example.org:9619, localhost:9619\n"},
	{name: "no audience", lines: everybody + "SCITOKENS_SERVER_AUDIENCE =\n"},
	{name: "all expressions", lines: everybody + "CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = False\n", maps: `SCITOKENS ^https://localhost:18444,([a-z-]+)$ tester`},
	{name: "all expressions, with slashes", lines: everybody + "CERTIFICATE_MAPFILE_ASSUME_HASH_KEYS = False\n", maps: `SCITOKENS /^https:\/\/localhost:18444,e2e-user$/ tester`},
	{name: "an expression without slashes", lines: everybody, maps: `SCITOKENS ^https://localhost:18444,([a-z-]+)$ tester`},
	{name: "a group that took no part", lines: asCE, maps: `SCITOKENS /^https:\/\/localhost:18444,(x)?e2e-user$/ u\1z`},
	{name: "a range that PCRE2 rejects", lines: everybody, maps: `SCITOKENS /^https:\/\/localhost:18444,([\w-.]+)$/ tester`},
	{name: "a range that PCRE2 rejects, and another line", lines: everybody, maps: `SCITOKENS /^https:\/\/localhost:18444,([\w-.]+)$/ x@y` + "\n" + `SCITOKENS /^https:\/\/localhost:18444,([\w.-]+)$/ tester`},
	{name: "a map with a slash", lines: everybody, maps: `SCITOKENS "https://localhost:18444/,e2e-user" tester`},
	{name: "a map with a slash, extra slashes allowed", lines: everybody + "SEC_SCITOKENS_ALLOW_EXTRA_SLASH = True\n", maps: `SCITOKENS "https://localhost:18444/,e2e-user" tester`},
	{name: "a foreign token", lines: everybody + foreigner, profile: plain, edit: all(drop("aud"), set("client_id", `"c"`))},
	{name: "a foreign token with an audience", lines: everybody + foreigner, profile: plain, edit: set("client_id", `"c"`)},
	{name: "a foreign token with another audience", lines: everybody + foreigner, profile: plain, edit: all(set("aud", `"x"`), set("client_id", `"c"`))},
	{name: "a foreign token with compute scopes", lines: everybody + foreigner, profile: plain, edit: all(drop("aud"), set("scope", `"compute.read compute.modify compute.cancel compute.create"`), set("client_id", `"c"`))},
	{name: "a foreign token without scopes", lines: everybody + foreigner, profile: plain, edit: all(drop("aud"), set("scope", `"openid"`), set("client_id", `"c"`))},
	{name: "foreign tokens are off", lines: everybody + foreigner + "SEC_SCITOKENS_ALLOW_FOREIGN_TOKEN_TYPES = False\n", profile: plain, edit: all(drop("aud"), set("client_id", `"c"`))},
	{name: "a foreign token of another issuer", lines: everybody, profile: plain, edit: all(drop("aud"), set("client_id", `"c"`))},
	{name: "a WLCG token of a foreign issuer", lines: everybody + foreigner},
}

// pool is a running HTCondor that is reconfigured repeatedly.
type pool struct {
	condor
	options options
}

// configured tests all configurations with one HTCondor.
func (p options) configured(c condor, r *report) error {
	keys, err := issuertest.LoadKeys(p.pki)
	if err != nil {
		return err
	}
	h := pool{c, p}
	agreed := 0
	for n, cfg := range configurations {
		before := len(r.disagreed)
		if err := h.try(n, cfg, keys, r); err != nil {
			return fmt.Errorf("%s: %w", cfg.name, err)
		}
		if len(r.disagreed) == before {
			agreed++
		}
	}
	fmt.Printf("     %-44s %3d of %3d configurations agree\n", c.name, agreed, len(configurations))
	return nil
}

// try compares the verdicts with one configuration, for a good token and an expired one.
func (h pool) try(n int, cfg configuration, keys *issuertest.Keys, r *report) error {
	maps := cfg.maps
	if maps == "" {
		user := cfg.user
		if user == "" {
			user = "tester"
		}
		maps = `SCITOKENS /^https:\/\/localhost:18444,e2e-user$/ ` + user
	}
	if err := h.configure(cfg.lines, maps); err != nil {
		return err
	}
	dump := filepath.Join(h.options.work, fmt.Sprintf("config-%s-%03d", h.version, n))
	out, err := h.dump()
	if err != nil {
		return err
	}
	if err := os.WriteFile(dump, out, 0o600); err != nil {
		return err
	}
	now := time.Now().Truncate(time.Second)
	var list []sample
	for _, edit := range []func(*draft){nil, at("exp", -time.Hour)} {
		profile := cfg.profile
		if profile == "" {
			profile = wlcg
		}
		d := shape{edit: cfg.edit}.draft(profile, "ce", now)
		if edit != nil {
			edit(d)
		}
		raw, err := sign(d, keys, keys)
		if err != nil {
			return err
		}
		s := sample{name: cfg.name, service: "ce", mode: 0o600, raw: raw, file: filepath.Join(h.options.work, fmt.Sprintf("%s-%03d-%d", h.version, n, len(list)))}
		if edit != nil {
			s.name += ", expired"
		}
		if err := s.write([]byte(raw + "\n")); err != nil {
			return err
		}
		list = append(list, s)
	}
	for _, level := range []string{"READ", "WRITE"} {
		q := question{name: h.name + " " + level, ask: h.ping(level), alone: true}
		verdicts, err := h.options.inspect([]string{"--ce", audiences["ce"], "--" + strings.ToLower(level), "--server-version", h.version, "--scitokens-cpp", h.library,
			"--mapfile", filepath.Join(h.machine.work, "map"), "--condor-config", dump}, list)
		if err != nil {
			return err
		}
		for i, a := range askAll(q, list) {
			r.asked++
			switch {
			case verdicts[i].dependsOnHost():
				r.explained++
			case a.ok != (verdicts[i].Verdict == "ok"):
				r.disagree(q, list[i], "the server says %s, jwt-inspect %s %v\n       server: %s", word(a.ok), verdicts[i].Verdict, verdicts[i].Causes, a.msg)
			}
		}
	}
	return nil
}

// dependsOnHost reports whether the verdict depends on the client's host, which is unknown
// offline.
func (v verdict) dependsOnHost() bool {
	for _, c := range v.Remarks {
		if strings.Contains(c.Message, "depends on the client's host") {
			return true
		}
	}
	return false
}

// configure changes HTCondor's configuration, and waits until HTCondor has read it.
func (h pool) configure(lines, maps string) error {
	if err := os.WriteFile(filepath.Join(h.machine.work, "config.d", "99-try"), []byte(lines), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(h.machine.work, "map"), []byte(maps+"\n"), 0o644); err != nil {
		return err
	}
	before, err := h.reconfigured()
	if err != nil {
		return err
	}
	pid, err := h.collector()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if after, err := h.reconfigured(); err != nil || after > before {
			return err
		}
	}
	return errors.New("the collector did not read its configuration again")
}

// reconfigured returns how often the collector has read its configuration.
func (h pool) reconfigured() (int, error) {
	b, err := os.ReadFile(filepath.Join(h.machine.work, "log", "CollectorLog"))
	return strings.Count(string(b), "Got SIGHUP"), err
}

// collector returns the process ID of the collector in the tree.
func (h pool) collector() (int, error) {
	procs, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		return 0, err
	}
	tree, err := os.Stat(h.machine.tree)
	if err != nil {
		return 0, err
	}
	for _, root := range procs {
		dir := filepath.Dir(root)
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(name)) != "condor_collecto" {
			continue
		}
		if at, err := os.Stat(root); err == nil && os.SameFile(at, tree) {
			var pid int
			_, err := fmt.Sscan(filepath.Base(dir), &pid)
			return pid, err
		}
	}
	return 0, fmt.Errorf("no collector runs in %s", h.machine.tree)
}

var startsDump = regexp.MustCompile(`(?m)^[A-Z]`)

// dump returns the configuration as condor_config_val prints it.
func (h pool) dump() ([]byte, error) {
	cmd := exec.Command("/usr/bin/condor_config_val", "-dump")
	cmd.Env = []string{"PATH=/usr/bin:/usr/sbin", "CONDOR_CONFIG=/etc/condor/condor_config"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: h.machine.tree}
	out, err := cmd.Output()
	if err == nil && !startsDump.Match(out) {
		err = errors.New("condor_config_val printed nothing")
	}
	return out, err
}

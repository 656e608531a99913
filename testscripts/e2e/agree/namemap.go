//go:build unix

package main

import (
	"context"
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

// naming is a name_mapfile and a token that is presented to a server with it.
type naming struct {
	name, rules string
	// section is additional lines of the issuer's section. The default base path is /, and the
	// default scope is storage.read:/.
	section, scope string
	edit           func(*draft)
}

var (
	inGroups = set("wlcg.groups", `["/cms","/cms/prod"]`)
	named    = set("preferred_username", `"jdoe"`)
)

// namings are the tested name_mapfiles. The request is for /store/user/have.txt.
var namings = []naming{
	{name: "no rules", rules: `[]`},
	{name: "a subject", rules: `[{"sub":"e2e-user","result":"alice"}]`},
	{name: "another subject", rules: `[{"sub":"e2e","result":"alice"}]`},
	{name: "a subject in capitals", rules: `[{"sub":"E2E-USER","result":"alice"}]`},
	{name: "the first that matches", rules: `[{"sub":"x","result":"a"},{"sub":"e2e-user","result":"b"},{"result":"c"}]`},
	{name: "for all", rules: `[{"result":"alice"}]`},
	{name: "no result", rules: `[{"sub":"e2e-user"},{"result":"bob"}]`},
	{name: "an empty result", rules: `[{"sub":"e2e-user","result":""},{"result":"bob"}]`},
	{name: "a path", rules: `[{"path":"/store/user","result":"alice"}]`},
	{name: "a path above", rules: `[{"path":"/store","result":"alice"}]`},
	{name: "the root", rules: `[{"path":"/","result":"alice"}]`},
	{name: "another path", rules: `[{"path":"/other","result":"alice"}]`},
	{name: "the beginning of a name", rules: `[{"path":"/store/us","result":"alice"}]`},
	{name: "a path with a slash at its end", rules: `[{"path":"/store/user/","result":"alice"}]`},
	{name: "a path with doubled slashes", rules: `[{"path":"//store//user","result":"alice"}]`},
	{name: "a path with dots", rules: `[{"path":"/store/x/../user","result":"alice"}]`},
	{name: "a path that is not absolute", rules: `[{"path":"store","result":"alice"}]`},
	{name: "a path below the base path", rules: `[{"path":"/user","result":"alice"}]`, section: "base_path = /store\n"},
	{name: "a path with the base path", rules: `[{"path":"/store/user","result":"alice"}]`, section: "base_path = /store\n"},
	{name: "two base paths", rules: `[{"path":"/user","result":"alice"}]`, section: "base_path = /other /store\n"},
	{name: "a group", rules: `[{"group":"/cms","result":"cms"}]`, edit: inGroups},
	{name: "a group without its slash", rules: `[{"group":"cms","result":"cms"}]`, edit: inGroups},
	{name: "another group", rules: `[{"group":"/atlas","result":"atlas"},{"group":"/cms/prod","result":"prod"}]`, edit: inGroups},
	{name: "a group, but the token has none", rules: `[{"group":"/cms","result":"cms"}]`},
	{name: "groups of another claim", rules: `[{"group":"/cms","result":"cms"}]`, section: "groups_claim = groups\n", edit: set("groups", `["/cms"]`)},
	{name: "groups_claim, but only wlcg.groups", rules: `[{"group":"/cms","result":"cms"}]`, section: "groups_claim = groups\n", edit: inGroups},
	{name: "a group that is a string", rules: `[{"group":"/cms","result":"cms"}]`, edit: set("wlcg.groups", `"/cms"`)},
	{name: "groups with a number", rules: `[{"group":"/cms","result":"cms"}]`, edit: set("wlcg.groups", `["/cms",1]`)},
	{name: "subject and group", rules: `[{"sub":"e2e-user","group":"/cms","path":"/store","result":"both"}]`, edit: inGroups},
	{name: "a name", rules: `[{"username":"jdoe","result":"mapped"}]`, section: "username_claim = preferred_username\n", edit: named},
	{name: "a name of default_user", rules: `[{"username":"tester","result":"mapped"}]`},
	{name: "ignored", rules: `[{"sub":"e2e-user","result":"alice","ignore":"a comment"},{"result":"bob"}]`},
	{name: "an unknown key", rules: `[{"subject":"x","result":"alice"}]`},
	{name: "a number for a subject", rules: `[{"sub":7,"result":"alice"}]`},
	{name: "a number for an unknown key", rules: `[{"x":7,"result":"alice"}]`},
	{name: "a number for ignore", rules: `[{"ignore":1,"result":"alice"}]`},
	{name: "a number for username", rules: `[{"username":1,"result":"alice"}]`},
	{name: "an object", rules: `{"sub":"e2e-user","result":"alice"}`},
	{name: "a list of strings", rules: `["alice"]`},
	{name: "not JSON", rules: `alice`},
	{name: "text after the list", rules: `[{"result":"alice"}] x`},
	{name: "map_subject", rules: `[{"sub":"x","result":"alice"}]`, section: "map_subject = true\n"},
	{name: "username_claim", rules: `[]`, section: "username_claim = preferred_username\n", edit: named},
	{name: "username_claim that is missing", rules: `[]`, section: "username_claim = preferred_username\n"},
	{name: "username_claim with a slash", rules: `[]`, section: "username_claim = preferred_username\n", edit: set("preferred_username", `"../x"`)},
	{name: "username_claim with a hyphen first", rules: `[]`, section: "username_claim = preferred_username\n", edit: set("preferred_username", `"-x"`)},
	{name: "username_claim with an at sign", rules: `[]`, section: "username_claim = preferred_username\n", edit: set("preferred_username", `"j.doe@x-y_z"`)},
	{name: "map_subject with a slash", rules: `[]`, section: "map_subject = true\n", edit: set("sub", `"a/b"`)},
}

// namer is an XRootD that is restarted for each file.
type namer struct {
	name, version, library string
	web                    string
	// outside is its directory, and inside is the server's name for that directory.
	outside, inside string
	machine         machine
}

// names compares the users of requests to real servers with a name_mapfile.
func (p options) names() error {
	keys, err := issuertest.LoadKeys(p.pki)
	if err != nil {
		return err
	}
	v, err := p.today.versions()
	if err != nil {
		return err
	}
	r := report{tokens: map[string]bool{}, codes: map[string]int{}}
	for _, s := range []namer{
		{"XRootD 5.5.3", "5.5.3", "0.7.3", "https://localhost:12443", filepath.Join(p.work, "local"), filepath.Join(p.work, "local"), machine{}},
		{"XRootD 5.8.1", "5.8.1", "1.1.3", "https://localhost:13443", filepath.Join(p.debian13.work, "names"), "/e2e/names", p.debian13},
		{"XRootD " + v["xrootd"], v["xrootd"], v["scitokens"], "https://localhost:14443", filepath.Join(p.today.work, "names"), "/e2e/names", p.today},
	} {
		before := len(r.disagreed)
		for i, n := range namings {
			if err := s.try(p, i, n, keys, &r); err != nil {
				return fmt.Errorf("%s: %s: %w", s.name, n.name, err)
			}
		}
		fmt.Printf("     %-44s %3d of %3d name_mapfiles agree\n", s.name, len(namings)-(len(r.disagreed)-before), len(namings))
	}
	for _, d := range r.disagreed {
		fmt.Printf("DISAGREE %s\n", d)
	}
	fmt.Printf("%d name_mapfiles, %d questions to real servers, %d disagreements\n", len(namings), r.asked, len(r.disagreed))
	if len(r.disagreed) > 0 {
		return errors.New("jwt-inspect and the servers disagree")
	}
	return nil
}

// theUser matches the line of jwt-inspect about the user.
var theUser = regexp.MustCompile(`^the user is ([^:]+): `)

// requestUser matches the line of the server's log about the user.
var requestUser = regexp.MustCompile(`Request username (\S*)`)

func (s namer) try(p options, i int, n naming, keys *issuertest.Keys, r *report) error {
	section := n.section
	if !strings.Contains(section, "base_path") {
		section += "base_path = /\n"
	}
	cfg := "[Global]\naudience = " + audiences["xrd"] + "\nonmissing = deny\n[Issuer wlcg]\nissuer = " + wlcgIssuer + "\ndefault_user = tester\nname_mapfile = " + s.inside + "/map.json\n" + section
	for name, text := range map[string]string{"scitokens.cfg": cfg, "map.json": n.rules} {
		if err := os.WriteFile(filepath.Join(s.outside, name), []byte(text), 0o644); err != nil { //nolint:gosec // read by the server's user
			return err
		}
	}
	d := shape{scope: n.scope, edit: n.edit}.draft(wlcg, "xrd", time.Now().Truncate(time.Second))
	raw, err := sign(d, keys, keys)
	if err != nil {
		return err
	}
	one := sample{name: n.name, raw: raw, mode: 0o600, file: filepath.Join(p.work, fmt.Sprintf("%s-%03d", s.version, i))}
	if err := one.write([]byte(raw + "\n")); err != nil {
		return err
	}
	started, ok, user, err := s.ask(p, one)
	if !started && err == nil {
		// The port of the previous server may not be free yet. If the server rejects the file, it
		// never starts.
		started, ok, user, err = s.ask(p, one)
	}
	if err != nil {
		return err
	}
	r.asked++
	q := question{name: s.name}
	verdicts, inspectErr := p.inspect([]string{"--xrd", s.web, "--read", "--path", "/store/user/have.txt", "--server-version", s.version, "--scitokens-cpp", s.library,
		"--scitokens-cfg", filepath.Join(s.outside, "scitokens.cfg"), "--name-mapfile", filepath.Join(s.outside, "map.json")}, []sample{one})
	switch {
	case !started && inspectErr == nil:
		r.disagree(q, one, "no server starts, but jwt-inspect accepts the file: %v", verdicts[0].Causes)
		return nil
	case started && inspectErr != nil:
		r.disagree(q, one, "the server starts, but jwt-inspect rejects the file: %v", inspectErr)
		return nil
	case !started:
		return nil
	}
	ours := ""
	for _, m := range verdicts[0].Remarks {
		if found := theUser.FindStringSubmatch(m.Message); found != nil {
			ours = found[1]
		}
	}
	switch {
	case ok != (verdicts[0].Verdict == "ok"):
		r.disagree(q, one, "the server says %s, jwt-inspect %s %v", word(ok), verdicts[0].Verdict, verdicts[0].Causes)
	case ok && user != ours:
		r.disagree(q, one, "the server's user is %q, jwt-inspect says %q", user, ours)
	}
	return nil
}

// ask starts the server, and requests the file. started means that the server started, ok that
// the request succeeded, and user is the user of the request.
func (s namer) ask(p options, one sample) (started, ok bool, user string, err error) {
	for _, old := range []string{"log", "admin"} {
		_ = os.RemoveAll(filepath.Join(s.outside, old))
	}
	args := []string{"-c", s.inside + "/xrootd.cfg", "-l", s.inside + "/log/xrootd.log", "-n", "names"}
	for _, dir := range []string{"log", "admin"} {
		if err := os.MkdirAll(filepath.Join(s.outside, dir), 0o777); err != nil { //nolint:gosec // written by the server's user
			return false, false, "", err
		}
		if err := os.Chmod(filepath.Join(s.outside, dir), 0o777); err != nil { //nolint:gosec // as above
			return false, false, "", err
		}
	}
	cmd := exec.Command("/usr/bin/xrootd", args...) //nolint:gosec // a path of the test
	cmd.Dir, cmd.Err = "/", nil
	cmd.Env = []string{"PATH=/usr/bin:/usr/sbin", "XDG_CACHE_HOME=" + s.inside + "/cache", "HOME=" + s.inside}
	if s.machine.tree != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.machine.tree, Credential: &syscall.Credential{Uid: 4242, Gid: 4242}}
	} else {
		cmd.Args = append([]string{cmd.Args[0], "-R", "xrootd"}, args...)
	}
	if err := cmd.Start(); err != nil {
		return false, false, "", err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	defer func() { _ = cmd.Process.Kill(); <-ended }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		select {
		case <-ended:
			return false, false, "", nil
		case <-ctx.Done():
			return false, false, "", errors.New("the server neither started nor exited")
		case <-time.After(50 * time.Millisecond):
		}
		code, _ := output(ctx, exec.Command("curl", "-s", "--cacert", filepath.Join(p.pki, "ca.pem"), "-o", os.DevNull, s.web+"/"))
		if code == 0 {
			break
		}
	}
	ok, _ = p.web(server{web: s.web}, "read", "/store/user")(ctx, one)
	log, err := os.ReadFile(filepath.Join(s.outside, "log", "names", "xrootd.log"))
	if err != nil {
		return true, ok, "", err
	}
	if all := requestUser.FindAllSubmatch(log, -1); all != nil {
		user = string(all[len(all)-1][1])
	}
	return true, ok, user, nil
}

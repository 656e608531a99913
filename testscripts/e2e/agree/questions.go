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
)

// server is an XRootD server.
type server struct {
	name, version, library, config string
	root, web                      string
	// client returns a command of its client.
	client func(s sample, args ...string) *exec.Cmd
}

// condor is an HTCondor server.
type condor struct {
	name, version, library string
	pool                   string
	machine                machine
}

// configurations compares the verdicts with many configurations of HTCondor.
func (p options) configurations() error {
	r := report{tokens: map[string]bool{}, codes: map[string]int{}}
	list := []condor{{"HTCondor 23.9.6", "23.9.6", "1.1.3", audiences["ce"], p.debian13}}
	if p.today.tree != "" {
		v, err := p.today.versions()
		if err != nil {
			return err
		}
		list = append(list, condor{"HTCondor " + v["condor"], v["condor"], v["scitokens"], "localhost:29619", p.today})
	}
	for _, c := range list {
		if err := p.configured(c, &r); err != nil {
			return err
		}
	}
	for _, d := range r.disagreed {
		fmt.Printf("DISAGREE %s\n", d)
	}
	fmt.Printf("%d configurations, %d questions to real servers, %d disagreements, %d that depend on the client's host\n", len(configurations), r.asked, len(r.disagreed), r.explained)
	if len(r.disagreed) > 0 {
		return errors.New("jwt-inspect and the servers disagree")
	}
	return nil
}

// questions returns all questions.
func (p options) questions() ([]question, error) {
	var condors []condor
	var servers []server
	switch p.what {
	case "debian":
		condors = []condor{{"HTCondor 23.9.6", "23.9.6", "1.1.3", audiences["ce"], p.debian13}}
		servers = []server{
			{"XRootD 5.5.3", "5.5.3", "0.7.3", p.config, "root://localhost:11094", "https://localhost:11443", p.local},
			{"XRootD 5.8.1", "5.8.1", "1.1.3", p.config, "root://localhost:21094", "https://localhost:21443", p.debian13.run},
			{"XRootD 5.5.3, a part", "5.5.3", "0.7.3", p.part, "root://localhost:31094", "https://localhost:31443", p.local},
			{"XRootD 5.8.1, a part", "5.8.1", "1.1.3", p.part, "root://localhost:41094", "https://localhost:41443", p.debian13.run},
		}
	case "today":
		v, err := p.today.versions()
		if err != nil {
			return nil, err
		}
		fmt.Printf("     today's versions: %v\n", v)
		condors = []condor{{"HTCondor " + v["condor"], v["condor"], v["scitokens"], "localhost:29619", p.today}}
		servers = []server{
			{"XRootD " + v["xrootd"], v["xrootd"], v["scitokens"], p.config, "root://localhost:51094", "https://localhost:51443", p.today.run},
			{"XRootD " + v["xrootd"] + ", a part", v["xrootd"], v["scitokens"], p.part, "root://localhost:61094", "https://localhost:61443", p.today.run},
		}
	default:
		return nil, fmt.Errorf("unknown servers %q", p.what)
	}
	var out []question
	for _, c := range condors {
		for _, level := range []string{"READ", "WRITE"} {
			out = append(out, question{name: c.name + " " + level, service: "ce", flags: []string{"--ce", audiences["ce"], "--" + strings.ToLower(level)},
				versions: []string{"--server-version", c.version, "--scitokens-cpp", c.library}, newest: p.what == "today",
				known: append(p.keys(), "--mapfile", p.mapfile), ask: c.ping(level)})
		}
	}
	for _, srv := range servers {
		for _, dir := range []string{"/store/user", "/store/user/sub", "/store/user2", "/store", "/store/user x"} {
			for _, access := range []string{"read", "write", "create"} {
				out = append(out, p.storage(srv, "root", access, dir), p.storage(srv, "https", access, dir))
			}
		}
		out = append(out, p.storage(srv, "root", "stage", "/store/user"))
	}
	return out, nil
}

// keys returns the flags for the issuers' keys.
func (p options) keys() []string {
	return []string{"--fetch-keys", "--cafile", filepath.Join(p.pki, "ca.pem")}
}

// storage returns the question of one access over the protocol root or https.
func (p options) storage(srv server, protocol, access, dir string) question {
	base, file := srv.root, dir+"/have.txt"
	if protocol == "https" {
		base = srv.web
	}
	if access == "create" {
		file = dir + "/new.txt"
	}
	q := question{
		name: strings.TrimSpace(fmt.Sprintf("%s %s:// %s %s", srv.name, protocol, access, strings.TrimPrefix(dir, "/store/user"))), service: "xrd", dir: dir,
		rights: access != "read" || dir != "/store/user" || srv.config == p.part, alone: access == "write", configured: srv.config == p.part,
		flags:    []string{"--xrd", base, "--" + access, "--path", file, "--aud", audiences["xrd"]},
		versions: []string{"--server-version", srv.version, "--scitokens-cpp", srv.library}, newest: p.what == "today",
		known: append(p.keys(), "--scitokens-cfg", srv.config),
	}
	if q.ask = p.rooted(srv, access, dir); protocol == "https" {
		q.ask = p.web(srv, access, dir)
	}
	return q
}

// versions returns the versions of the servers in the tree, from their packages.
func (m machine) versions() (map[string]string, error) {
	b, err := os.ReadFile(filepath.Join(m.tree, "versions"))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		number := regexp.MustCompile(`[0-9]+\.[0-9]+(\.[0-9]+)?`).FindString(version)
		for _, known := range []string{"condor", "xrootd", "scitokens"} {
			if strings.HasPrefix(strings.TrimPrefix(name, "lib"), known) {
				out[known] = number
			}
		}
	}
	if len(out) != 3 {
		return nil, fmt.Errorf("%s names only %v", m.tree, out)
	}
	return out, nil
}

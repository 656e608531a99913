//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"example.org/token-helpers/shared/submit"
)

// store does the work of a storer and a credmon: it gets the requested tokens, stores them at
// the credd, and writes the files for the job. It returns the names of the tokens.
func (p *setup) store(r *row, f *submit.File) (map[string]bool, error) {
	stored := map[string]bool{}
	home := filepath.Join(p.work, "ap", "oauth", "tester")
	if err := os.RemoveAll(home); err != nil {
		return nil, err
	}
	for _, c := range f.Credentials {
		raw := r.use[c.Name()]
		if raw == "" {
			raw = r.login(c)
		}
		if raw == "" {
			continue // nothing to store
		}
		args := []string{"condor_store_cred", "add-oauth", "-s", c.Service, "-i", "-"}
		if c.Handle != "" {
			args = append(args, "-H", c.Handle)
		}
		if len(c.Scopes) > 0 {
			args = append(args, "-S", c.Permissions)
		}
		if c.Audience != "" {
			args = append(args, "-A", c.Audience)
		}
		if out, rc := p.inTree(apConfig, nil, `{"access_token":"`+raw+`"}`, args...); rc != 0 {
			return nil, fmt.Errorf("store %s: %s", c.Name(), out)
		}
		if _, err := os.Stat(filepath.Join(home, c.Name()+".top")); err != nil {
			return nil, fmt.Errorf("the credd did not write %s.top", c.Name())
		}
		stored[c.Name()] = true
		// Today's credd requires the credmon's file.
		if err := os.WriteFile(filepath.Join(home, c.Name()+".use"), []byte(raw), 0o600); err != nil {
			return nil, err
		}
		use := filepath.Join(r.dir, "creds", c.Name()+".use")
		if err := os.WriteFile(use, []byte(raw), 0o600); err != nil {
			return nil, err
		}
		if err := os.Chown(use, 4242, 4242); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// login gets a token with the user's login, or returns "".
func (r *row) login(c submit.Credential) string {
	if len(c.Scopes) == 0 {
		return ""
	}
	program, args := "xrd-token-helper", []string{"--no-prompt"}
	for _, s := range c.Scopes {
		args = append(args, "--scope", s)
	}
	if c.Audience != "" {
		program, args = "condor-token-helper", append(args, "--aud", c.Audience)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = r.environ()
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// real returns the servers' verdict on an endpoint: ok, fail, or "" if there is none.
func (p *setup) real(e endpoint, stored map[string]bool, r *row, submitted bool) (verdict, why string) {
	transfer := strings.Contains(e.Endpoint, "://")
	switch {
	case !transfer && (e.Purpose == "submit jobs" || e.Purpose == "view jobs"):
		file := filepath.Join(r.dir, "creds", e.Credential+".use")
		if strings.HasPrefix(e.Credential, "/") {
			file = e.Credential
		}
		return p.ce(e, file)
	case !submitted && len(stored) == 0 && e.Verdict == "fail":
		return "fail", "condor_submit"
	case !transfer, e.Implied:
		return "", "" // there is no file to transfer
	case strings.Contains(e.Endpoint, "root://") || strings.Contains(e.Endpoint, "osdf://"):
		return "", "" // HTCondor has no plugin for it
	}
	return p.transfer(e)
}

// transfer lets HTCondor's plugin transfer a file, as the job would.
func (p *setup) transfer(e endpoint) (verdict, why string) {
	args := []string{"/usr/libexec/condor/curl_plugin", "-infile", inside + "/transfer.ad", "-outfile", inside + "/creds/result"}
	local := "/tmp/preflight-in"
	if e.Purpose == "write files" {
		args = append(args, "-upload")
		local = "/e2e/client/in.txt"
	}
	dir := filepath.Join(p.work, "client", "pf")
	result := filepath.Join(dir, "creds", "result")
	_ = os.Remove(result)
	if err := os.WriteFile(filepath.Join(dir, "transfer.ad"), fmt.Appendf(nil, `[ LocalFileName = "%s"; Url = "%s" ]`, local, e.Endpoint), 0o644); err != nil {
		return "error", err.Error()
	}
	if err := os.Chown(filepath.Join(dir, "creds"), 4242, 4242); err != nil {
		return "error", err.Error()
	}
	out, rc := p.inTree(ceConfig, []string{"_CONDOR_CREDS=" + inside + "/creds"}, "", args...)
	ad, _ := os.ReadFile(result) // nothing if the plugin failed before
	output := out + string(ad)
	switch {
	case rc == 0 && strings.Contains(output, "TransferSuccess = true"):
		return "ok", ""
	case regexp.MustCompile(`40[13]|Unable to open credential file|not supported`).MatchString(output):
		return "fail", output
	}
	return fmt.Sprintf("no verdict (exit code %d)", rc), output
}

// ce presents a token to the CE.
func (p *setup) ce(e endpoint, file string) (verdict, why string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "fail", err.Error()
	}
	name := filepath.Join(p.work, "client", "pf", "ce.token")
	_ = os.Remove(name)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		return "error", err.Error()
	}
	if err := os.Chown(name, 4242, 4242); err != nil {
		return "error", err.Error()
	}
	env := []string{"BEARER_TOKEN_FILE=" + inside + "/ce.token", "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS=SCITOKENS"}
	args := []string{"condor_submit", "-pool", p.pool, "-remote", "ce@localhost", "-spool", "/e2e/client/job.sub"}
	accepted := "submitted to cluster"
	if e.Purpose == "view jobs" {
		args, accepted = []string{"condor_ping", "-pool", p.pool, "-type", "COLLECTOR", "READ"}, "succeeded"
	}
	out, rc := p.inTree(ceConfig, env, "", args...)
	if strings.Contains(out, "Can't find address of schedd") {
		// The collector refused the query: get the reason.
		out, _ = p.inTree(ceConfig, env, "", "condor_ping", "-verbose", "-pool", p.pool, "-type", "COLLECTOR", "WRITE")
		rc = 1
	}
	switch {
	case rc == 0 && strings.Contains(out, accepted):
		return "ok", ""
	case strings.Contains(out, "DENIED") || strings.Contains(out, "Failed to authenticate") || strings.Contains(out, "failed!"):
		return "fail", out
	}
	return fmt.Sprintf("no verdict (exit code %d)", rc), out
}

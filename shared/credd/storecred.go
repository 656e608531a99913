package credd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"example.org/token-helpers/shared/child"
	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/text"
)

// toolPatience is how long one of HTCondor's programs may take.
const toolPatience = time.Minute

// toolDirs are searched for HTCondor's programs after PATH: condor_store_cred is in sbin,
// which is often not in the PATH of users.
var toolDirs = []string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/condor/sbin", "/opt/condor/bin"}

// toolError is a failure of one of HTCondor's programs.
type toolError struct {
	tool, output string
	err          error
	hint         string
}

func (e *toolError) Error() string {
	if e.output == "" {
		return fmt.Sprintf("%s: %s", e.tool, e.err)
	}
	return fmt.Sprintf("%s: %s", e.tool, e.output)
}

func (e *toolError) Unwrap() error { return e.err }

// ExitCode implements cli.Explained.
func (e *toolError) ExitCode() int { return cli.StoreFailed }

// Hints implements cli.Explained.
func (e *toolError) Hints() []string {
	if e.hint != "" {
		return []string{e.hint}
	}
	if errors.Is(e.err, exec.ErrNotFound) {
		return []string{"run on an HTCondor access point, or add the directory of HTCondor's programs to PATH"}
	}
	return []string{"check that condor_credd runs on this access point: condor_status -any -constraint 'MyType==\"CredD\"', and see its log CredLog"}
}

// tool runs one of HTCondor's programs. Secrets are passed only on its stdin.
func tool(ctx context.Context, name string, stdin []byte, args ...string) (out string, status int, err error) {
	path, err := exec.LookPath(name)
	for _, dir := range toolDirs {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, name))
	}
	if err != nil {
		return "", -1, &toolError{tool: name, err: exec.ErrNotFound}
	}
	ctx, cancel := context.WithTimeout(ctx, toolPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err = child.Run(cmd)
	out = strings.TrimSpace(b.String())
	var ee *exec.ExitError
	if errors.As(err, &ee) && ctx.Err() == nil && ee.Exited() {
		return out, ee.ExitCode(), nil
	}
	if err == nil {
		return out, 0, nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it did not finish within %v", toolPatience)
	}
	return out, -1, &toolError{tool: name, err: err}
}

// lastLine returns the last line of a program's output that is not about the account.
func lastLine(out string) string {
	lines := strings.Split(out, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if l := strings.TrimSpace(lines[i]); l != "" && !strings.HasPrefix(l, "fully_qualified_user") && l != "Credential info:" {
			return text.Foreign(l, 300)
		}
	}
	return "it failed and printed nothing"
}

// match is the state of a credential at condor_credd.
type match int

const (
	absent match = iota
	differs
	waiting // stored, but the credmon has not written its token yet
	valid
)

// query returns the state of the credential with these scopes and this audience.
func query(ctx context.Context, name, scopes, audience string) (match, error) {
	out, status, err := tool(ctx, "condor_store_cred", nil, append([]string{"query-oauth", "-s", name}, asWritten(scopes, audience)...)...)
	switch {
	case err != nil:
		return absent, err
	case status == 0 && strings.Contains(out, "is valid") && !outdated(out, name):
		return valid, nil
	case status == 0:
		return waiting, nil
	case status == 1 && strings.Contains(out, "No credential is stored"):
		return absent, nil
	case status == 2:
		return differs, nil
	}
	return absent, &toolError{tool: "condor_store_cred", output: lastLine(out)}
}

// outdated reports whether the token was written before the credential was stored.
// condor_credd reports any token as valid, but prints both times.
func outdated(out, name string) bool {
	var stored, made int64
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(line, " = ")
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		switch {
		case err != nil:
		case strings.TrimSpace(key) == "Top"+name+"Time":
			stored = n
		case strings.TrimSpace(key) == name:
			made = n
		}
	}
	return made != 0 && made < stored
}

// add stores a credential.
func add(ctx context.Context, name, scopes, audience string, contents []byte) error {
	args := append([]string{"add-oauth", "-s", name}, asWritten(scopes, audience)...)
	return stored(tool(ctx, "condor_store_cred", contents, append(args, "-i", "-")...))
}

// push stores a token itself, which the credmon does not renew.
func push(ctx context.Context, name, raw string) error {
	out, status, err := tool(ctx, "condor_store_cred", []byte(raw+"\n"), "add-oauth", "-s", name, "-P", "-i", "-")
	if status > 0 && strings.Contains(strings.ToLower(out), "usage") {
		return &toolError{tool: "condor_store_cred", output: "this version of HTCondor cannot store tokens (the option -P)",
			hint: "ask the administrators for the storer of the token helpers, or for HTCondor 25"}
	}
	return stored(out, status, err)
}

func stored(out string, status int, err error) error {
	if err == nil && status != 0 {
		return &toolError{tool: "condor_store_cred", output: lastLine(out)}
	}
	return err
}

func asWritten(scopes, audience string) []string {
	var args []string
	if scopes != "" {
		args = append(args, "-S", scopes)
	}
	if audience != "" {
		args = append(args, "-A", audience)
	}
	return args
}

// configValue returns a value of HTCondor's configuration, or "" if it is not set.
func configValue(ctx context.Context, name string) (string, error) {
	out, status, err := tool(ctx, "condor_config_val", nil, name)
	if err != nil || status != 0 {
		return "", err
	}
	return out, nil
}

// hostName returns the name of this access point for the user's records.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

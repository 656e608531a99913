package stack_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	_ "example.org/token-helpers/shared/stack"
)

// Package stack is initialized before the packages whose initialization needs a larger stack.
func TestInitializedEarly(t *testing.T) {
	if os.Getenv("GODEBUG") == "inittrace=1" {
		return // only initialized
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestInitializedEarly$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	done := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "init" {
			continue
		}
		done[words[1]] = true
		if strings.HasSuffix(words[1], "/shared/stack") {
			for _, late := range []string{"time", "os", "unicode", "internal/godebug"} {
				if done[late] {
					t.Errorf("%s is initialized earlier", late)
				}
			}
			return
		}
	}
	t.Errorf("not initialized:\n%s", out)
}

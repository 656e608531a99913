package inspect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/cli"
)

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// If the output cannot be written, the program prints one message and exits, even if the
// input is endless.
func TestFullDiskStopsReading(t *testing.T) {
	var stderr bytes.Buffer
	code := Main(&cli.Env{
		Program: "jwt-inspect", Args: []string{"-o", "ndjson"}, Stdin: &endless{text: "e30.e30.\n", n: math.MaxInt}, Stdout: fullDisk{}, Stderr: &stderr,
		LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
	})
	if code != cli.NeedLogin || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "error: write the output: no space left on device") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

// The verdicts on all lines read so far are written before the program waits for more input.
func TestVerdictsAreNotDelayed(t *testing.T) {
	in, lines := io.Pipe()
	verdicts, out := io.Pipe()
	exited := make(chan int)
	go func() {
		exited <- Main(&cli.Env{
			Program: "jwt-inspect", Args: []string{"-o", "ndjson"}, Stdin: in, Stdout: out, Stderr: io.Discard,
			LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
		})
	}()
	rd := bufio.NewReader(verdicts)
	n := 0
	for range 3 {
		if _, err := io.WriteString(lines, "e30.e30.\ne30.e30.\n"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			n++
			// Without the verdict, this blocks.
			line, err := rd.ReadString('\n')
			if err != nil || !strings.Contains(line, fmt.Sprintf(`"line":%d,`, n)) {
				t.Fatal(line, err)
			}
		}
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-exited; code != cli.NeedLogin && code != cli.OK && code != cli.Failed {
		t.Errorf("exit %d", code)
	}
}

// Words in a JSON string count as tokens if they begin with a JWT header.
func TestTokensInText(t *testing.T) {
	const tok = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
	for text, want := range map[string][]string{
		"":                             nil,
		tok:                            {tok},
		"Bearer " + tok:                {tok},
		tok + " " + tok + ".":          {tok, tok},
		tok + "...":                    {tok},
		"a sentence with " + tok + ".": {tok},
		`\"` + tok + `\"`:              {tok},
		`\n` + tok + `\n`:              {tok},
		`\u000a` + tok:                 {tok},
		"x" + tok:                      nil,
		"access_token=" + tok + "&token_type=Bearer": {tok},
		tok[:len(tok)-5]:            {"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0"},
		"eyJhbGciOiJFUzI1NiIsImtp…": {"eyJhbGciOiJFUzI1NiIsImtp"},
		"eyJhbGci":                  {"eyJhbGci"},
		"eyJ":                       nil,
		"eyJzdWIiOiJ4In0":           nil,
		"eyJzdWIiOiJ4In0.aaaa.bbbb": nil,
		strings.Repeat("eyJ.", 5):   nil,
	} {
		var got []string
		for _, raw := range tokensIn([]byte(text)) {
			got = append(got, string(raw))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

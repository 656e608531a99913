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

// An output that cannot be written ends the run, with one message, however long the input
// is.
func TestFullDiskEndsTheRun(t *testing.T) {
	var said bytes.Buffer
	code := Main(&cli.Env{
		Program: "jwt-inspect", Args: []string{"-o", "ndjson"}, Stdin: &endless{text: "e30.e30.\n", n: math.MaxInt}, Stdout: fullDisk{}, Stderr: &said,
		LookupEnv: func(string) (string, bool) { return "", false }, Now: time.Now,
	})
	if code != cli.NeedLogin || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "error: write the output: no space left on device") {
		t.Errorf("exit %d: %s", code, said.String())
	}
}

// The verdicts on a log that is still being written come when its lines do.
func TestVerdictsComeWithTheLines(t *testing.T) {
	in, lines := io.Pipe()
	verdicts, out := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- Main(&cli.Env{
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
			// Without the verdict, this waits for ever.
			line, err := rd.ReadString('\n')
			if err != nil || !strings.Contains(line, fmt.Sprintf(`"line":%d,`, n)) {
				t.Fatal(line, err)
			}
		}
	}
	if err := lines.Close(); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != cli.NeedLogin && code != cli.OK && code != cli.Failed {
		t.Errorf("exit %d", code)
	}
}

// What is in a string of a JSON log counts as a token if its header says so.
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

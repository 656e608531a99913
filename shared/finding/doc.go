package finding

import (
	"fmt"
	"strings"
)

const pageIntro = `# Causes

<!-- Generated from shared/finding/causes.go by go generate ./docs. Do not edit. -->

Every finding of ` + "`jwt-inspect`" + ` has a stable code for scripts:

    jwt-inspect -o ndjson --ce ce.example.org tokens | jq -r '.file, .causes[].code'

A token is refused because of a *cause*; the exit code is 1 unless the table gives another.
A *remark* does not change the verdict. The last column shows which of the two a code is.
` + "`jwt-inspect --explain CODE`" + ` prints a row of these tables. Each finding in a report has a
source: a document, a file of a server's source code, or a measurement. HTCondor 23.9.6 and
25.14.1, XRootD 5.5.3, 5.8.1 and 6.2.0, and scitokens-cpp 0.7.3, 1.1.3 and 1.4.1 were
measured; ` + "`make e2e`" + ` repeats the comparison.
` + "`--server-version` and `--scitokens-cpp`" + ` select other versions than the newest.
`

const pageEnd = `
## What cannot be checked offline

Whether the token was revoked or its subject banned, the clocks of the servers, and a site's
configuration, except for what ` + "`--scitokens-cfg`, `--mapfile`, `--condor-config` and `--aud`" + ` provide.
`

// Page returns docs/causes.md.
func Page() string {
	var b strings.Builder
	b.WriteString(pageIntro)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
		if s.Intro != "" {
			b.WriteString(s.Intro + "\n\n")
		}
		b.WriteString("| code | what is wrong | what to do | |\n|---|---|---|---|\n")
		for _, c := range s.Causes {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.Code, c.What, c.Do, c.Effects())
		}
	}
	b.WriteString(pageEnd)
	return b.String()
}

// Effects says whether the token is refused because of the cause.
func (c Cause) Effects() string {
	switch {
	case c.Effect == Never:
		return "remark"
	case c.Effect == Sometimes:
		return c.When
	case c.When != "":
		return "cause, " + c.When
	}
	return "cause"
}

// Explain returns the cause as plain text, for --explain.
func (c Cause) Explain() string {
	out := fmt.Sprintf("%s: %s\n", c.Code, c.What)
	if c.Do != "" {
		out += "  " + c.Do + "\n"
	}
	return strings.ReplaceAll(out, "`", "") + "  (" + c.Effects() + ")\n"
}

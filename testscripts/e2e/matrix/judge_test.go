//go:build linux && (amd64 || arm64)

package main

import "testing"

func TestSaysLost(t *testing.T) {
	for _, test := range []struct {
		stderr      string
		lost, maybe bool
	}{
		{"", false, false},
		{"condor-token-helper: error: your login at https://ce.example.org/ is\ncondor-token-helper:   lost: it could not be saved\n", true, false},
		{"condor-token-helper: error: could not save the new refresh token; the login is lost\n", true, false},
		{"condor-token-helper: error: the login at https://ce.example.org/ may have\ncondor-token-helper:   been lost: input/output error\n", true, true},
		{"condor-token-helper: error: wrong passphrase\ncondor-token-helper: hint: if it is lost, log in again\n", false, false},
		{"condor-token-helper: error: the passphrase for the login; if it is lost\n", false, false},
		{"condor-token-helper: error: save the login: input/output error\n", false, false},
	} {
		o := &outcome{stderr: test.stderr}
		if lost, maybe := saysLost(o), saysMaybeLost(o); lost != test.lost || maybe != test.maybe {
			t.Errorf("%q: lost %t, maybe %t", test.stderr, lost, maybe)
		}
	}
}

func TestRole(t *testing.T) {
	r := roots{{"/h/.local/state/token-helpers", "state"}, {"/h", "home"}}
	for path, want := range map[string]string{
		"/h/.local/state/token-helpers/logins.json":                                  "state/logins.json",
		"/h/.local/state/token-helpers":                                              "state",
		"/h/.local/state/token-helpers/../other":                                     "home/.local/state/other",
		"/h/.local/state/token-helpers2/x":                                           "home/.local/state/token-helpers2/x",
		"/h/.local/state/token-helpers/.tmp-1446618269":                              "state/.tmp-*",
		"/h/.local/state/token-helpers/issuer-d96536e54806f33d311bdf446dbf8cb4.lock": "state/issuer-*.lock",
		"/home/x":     "",
		"logins.json": "",
		"":            "",
	} {
		if got := r.role(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

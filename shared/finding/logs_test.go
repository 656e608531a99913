package finding

import (
	"strings"
	"testing"
)

func TestMatchLog(t *testing.T) {
	for line, want := range map[string]string{
		"11/25/26 21:00:00 SCITOKENS:2:Failed to verify token and generate ACLs: token verification failed: 'aud' claim verification failed.":                                                                                       "'aud' claim verification failed",
		"token verification failed: 'client_id' claim verification is mandatory":                                                                                                                                                    "… claim verification is mandatory",
		"AUTHENTICATE:1003:Failed to authenticate with any method|AUTHENTICATE:1004:Failed to authenticate using SCITOKENS":                                                                                                         "AUTHENTICATE:1004:Failed to authenticate using SCITOKENS",
		"AUTHENTICATE:1003:Failed to authenticate with any method|AUTHENTICATE:1004:Failed to authenticate using SCITOKENS|SCITOKENS:2:Failed to deserialize scitoken: token verification failed: 'aud' claim verification failed.": "'aud' claim verification failed",
		"Token issuer is not in list of allowed issuers.": "Token issuer is not in list of allowed issuers",
		"STD::BAD_CAST": "std::bad_cast",
		"Failed to map SCITOKENS authenticated identity 'https://i,s'":                                           "Failed to map SCITOKENS authenticated identity …",
		"SECMAN:2010:Received \"DENIED\" from server for user tester@users.htcondor.org using method SCITOKENS.": "SECMAN:2010:Received \"DENIED\" from server for user … using method SCITOKENS",
		"[FATAL] Auth failed: No protocols left to try":                                                          "No protocols left to try",
		"Unknown WLCG profile version in token: 1.2":                                                             "Unknown WLCG profile version in token: …",
		"not in list of allowed": "Token issuer is not in list of allowed issuers", // a part
		"PERMISSION DENIED to alice@fnal.gov from host 192.0.2.1 for command 1112 (QMGMT_WRITE_CMD), access level WRITE: reason: WRITE authorization policy contains no matching ALLOW entry for this request; identifiers used": "authorization policy contains no matching ALLOW entry for this request",
		"nothing of the kind": "",
		"":                    "",
	} {
		got := ""
		if list := MatchLog(line); len(list) > 0 {
			got = list[0].Text
		}
		if got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// A message, or half of one, is found even with times, hosts and other text around it.
func TestMatchLogAround(t *testing.T) {
	for text, want := range map[string]string{
		"Unknown WLCG profile version":              "Unknown WLCG profile version in token: …",
		"Unknown profile version in token":          "Unknown profile version in token: …",
		"Failed to deserialize scitoken":            "Failed to deserialize scitoken: …",
		"is not in list of allowed issuers":         "Token issuer is not in list of allowed issuers",
		"AUTHENTICATE:1004":                         "AUTHENTICATE:1004",
		`SECMAN:2010:Received "DENIED"`:             "SECMAN:2010",
		"Malformed token":                           "Malformed token: …",
		"invalid range":                             "invalid range",
		"invalid_token":                             "invalid_token",
		"User authentication failed; Invalid input": "User authentication failed",
		`{"error":"unauthorized"}`:                  `"error":"unauthorized"`,
	} {
		for _, line := range []string{text, "11/26/26 01:02:03 (cid:12) (D_SECURITY) " + text, "Nov 26 01:02:03 ce condor_collector[12]: " + text + " (caused by x)"} {
			found := false
			for _, m := range MatchLog(line) {
				found = found || m.Text == want
			}
			if !found {
				t.Errorf("%q: %+v, want %q", line, MatchLog(line), want)
			}
		}
	}
	for _, line := range []string{"11/26/26 01:02:03 the server is up and running", "connection to the server was closed by the client", "token", "SECMAN:2009:Unable to authenticate connection. Attempt to resume DENIED."} {
		if list := MatchLog(line); len(list) > 0 {
			t.Errorf("%q: %q", line, list[0].Text)
		}
	}
}

func TestNearLog(t *testing.T) {
	list := NearLog("the issuer isn't among the allowed issuers in the list")
	if len(list) == 0 || list[0].Text != "Token issuer is not in list of allowed issuers" {
		t.Errorf("%+v", list)
	}
	if list := NearLog("hello world"); len(list) > 0 {
		t.Errorf("%+v", list)
	}
}

// Each message is found by its own text, and each code is a cause.
func TestLogMessages(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range LogMessages() {
		if seen[m.Text] {
			t.Errorf("%q occurs twice", m.Text)
		}
		seen[m.Text] = true
		if m.By == "" || m.What == "" {
			t.Errorf("%q is not explained", m.Text)
		}
		found := false
		for _, f := range MatchLog(strings.ReplaceAll(m.Text, "…", "x")) {
			found = found || f.Text == m.Text
		}
		if !found {
			t.Errorf("%q is not found", m.Text)
		}
		for _, c := range m.Codes {
			if _, ok := Lookup(c); !ok {
				t.Errorf("%q: unknown code %q", m.Text, c)
			}
		}
	}
}

func FuzzMatchLog(f *testing.F) {
	f.Add("'aud' claim verification failed")
	f.Fuzz(func(t *testing.T, s string) {
		MatchLog(s)
		if len(NearLog(s)) > 3 {
			t.Error("too many")
		}
	})
}

package output

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"example.org/token-helpers/shared/token"
)

func TestParseExecInfo(t *testing.T) {
	const v1, beta = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
	for value, want := range map[string]ExecInfo{
		"":    {v1, true},
		" \n": {v1, true},
		`{"apiVersion":"` + v1 + `","kind":"ExecCredential","spec":{"interactive":true}}`:                                                        {v1, true},
		`{"apiVersion":"` + v1 + `","kind":"ExecCredential","spec":{"interactive":false}}`:                                                       {v1, false},
		`{"apiVersion":"` + beta + `","kind":"ExecCredential","spec":{"interactive":false,"cluster":{"server":"https://k8s.example.org:6443"}}}`: {beta, false},
		// kubectl 1.20 does not set interactive.
		`{"kind":"ExecCredential","apiVersion":"` + beta + `","spec":{}}`: {beta, true},
		`{"kind":"ExecCredential","apiVersion":"` + beta + `"}`:           {beta, true},
	} {
		got, err := ParseExecInfo(value)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
	for value, want := range map[string]string{
		"{":  "is not JSON",
		"[]": "is not JSON",
		`{"apiVersion":"` + v1 + `","kind":"ExecCredential","spec":{"interactive":"no"}}`: "is not JSON",
		`{"apiVersion":"` + v1 + `","kind":"Pod\u001b[2J"}`:                               `the kind "Pod\x1b[2J"`,
		`{"apiVersion":"` + v1 + `"}`:                                                     `the kind ""`,
		`{"apiVersion":"client.authentication.k8s.io/v1alpha1","kind":"ExecCredential"}`:  `v1alpha1", not client.authentication.k8s.io/v1 or`,
		`{"kind":"ExecCredential","spec":{"interactive":false}}`:                          `the API version ""`,
		`{"apiVersion":"` + strings.Repeat("x", 1000) + `","kind":"ExecCredential"}`:      "requests the API version",
	} {
		_, err := ParseExecInfo(value)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestFormatExecCredential(t *testing.T) {
	expires := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	for _, tt := range []struct {
		info, version, expires string
	}{
		{"", "client.authentication.k8s.io/v1", "2026-03-01T11:00:00Z"},
		{`{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","spec":{}}`, "client.authentication.k8s.io/v1beta1", ""},
	} {
		tok := token.New("opaque")
		if tt.expires != "" {
			tok.Expires = expires
		}
		b, err := Format(ExecCredential, tok, func(name string) string {
			if name != "KUBERNETES_EXEC_INFO" {
				t.Errorf("read %s", name)
			}
			return tt.info
		})
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		status, _ := doc["status"].(map[string]any)
		when, given := status["expirationTimestamp"].(string)
		if doc["kind"] != "ExecCredential" || doc["apiVersion"] != tt.version || status["token"] != "opaque" || when != tt.expires || given != (tt.expires != "") {
			t.Errorf("%s", b)
		}
	}
	if _, err := Format(ExecCredential, token.New("x"), func(string) string { return "{" }); err == nil {
		t.Error("accepted what is not JSON")
	}
}

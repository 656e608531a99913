package inspect

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"
)

func TestRedactor(t *testing.T) {
	j := servicetest.JWT(t, servicetest.ES256, `{"sub":"alice@example.org","a":1.50,"sub":"b","x":["alice@example.org",{"y":"see /home/alice"}],"email":"alice@example.org","uidNumber":1234,"n":1234,"preferred_username":"al"}`)
	r := newRedactor()
	r.learn(j)
	got := string(r.token(j).Claims)
	want := `{"sub":"[sub-1]","a":1.50,"sub":"[sub-2]","x":["[sub-1]",{"y":"see /home/[sub-1]"}],"email":"[sub-1]","uidNumber":"[uidNumber-1]","n":1234,"preferred_username":"[preferred_username-1]"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s := r.text(`SCITOKENS /^https:\/\/i,alice@example\.org$/ USER of alice`); strings.Contains(s, "alice") {
		t.Error(s)
	}
	// Another token of the run has the same masks.
	other := servicetest.JWT(t, servicetest.ES256, `{"sub":"carol","email":"alice@example.org"}`)
	r.learn(other)
	if got := string(r.token(other).Claims); got != `{"sub":"[sub-3]","email":"[sub-1]"}` {
		t.Error(got)
	}
}

// Whatever is in a token, a masked one decodes, and has none of its values.
func FuzzRedactor(f *testing.F) {
	f.Add(`{"sub":"alice","x":[1,{"alice":"alice"}],"email":null}`)
	f.Add(`{ "sub" : "a\u0000\"b" , "name":["x",2e5,true] , "z": "\ud800" }`)
	f.Fuzz(func(t *testing.T, claims string) {
		if !strings.HasPrefix(claims, "{") {
			return
		}
		raw := assemble([]byte(servicetest.ES256), []byte(claims), "c2ln")
		_, j := decode(nil, input{raw: raw})
		if j == nil {
			return
		}
		r := newRedactor()
		r.learn(j)
		masked := r.token(j)
		if masked == j || len(masked.Members()) != len(j.Members()) {
			t.Fatalf("%s becomes %s", claims, masked.Claims)
		}
		if sub, ok := j.String("sub"); ok && len(sub) > 30 && strings.Contains(string(masked.Claims), sub) {
			t.Fatalf("%s becomes %s", claims, masked.Claims)
		}
	})
}

package inspect

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/finding"
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

// Personal data is masked in members of objects, in claims with other spellings of a name, in
// free text, and where a message shortens a value.
func TestRedactorFindsPersonalData(t *testing.T) {
	for _, c := range []struct{ name, claims, want string }{
		{"in an object", `{"custom":{"user":{"id":7,"type":"x"},"email":"a@b.org"}}`, `{"custom":{"user":{"id":"[user-1]","type":"x"},"email":"[email-1]"}}`},
		{"in a list", `{"contacts":[{"name":"Jane Doe"}],"x":[{"mail":["a@b.org"]}]}`, `{"contacts":[{"name":"[contacts-1]"}],"x":[{"mail":["[mail-1]"]}]}`},
		{"the subject of an event", `{"events":{"https://e":{"subject":{"iss":"https://i","sub":"jane"}}}}`, `{"events":{"https://e":{"subject":{"iss":"https://i","sub":"[subject-1]"}}}}`},
		{"other spellings", `{"displayName":"Jane","DN":"CN=Jane","https://example.org/email":"a@b.org"}`, `{"displayName":"[displayName-1]","DN":"[DN-1]","https://example.org/email":"[https://example.org/email-1]"}`},
		{"of Kubernetes", `{"kubernetes.io":{"pod":{"name":"p"}},"kubernetes.io/serviceaccount/secret.name":"s"}`, `{"kubernetes.io":{"pod":{"name":"[kubernetes.io-1]"}},"kubernetes.io/serviceaccount/secret.name":"[kubernetes.io/serviceaccount/secret.name-1]"}`},
		{"in a name", `{"a@b.org":{"id":"x1"},"c":{"c@d.org/email":"e@f.org"}}`, `{"[mail-1]":{"id":"[id-1]"},"c":{"[mail-2]/email":"[id-2]"}}`},
		{"in free text", `{"note":"see a.b@example.org, /CN=Jane Doe","scope":"storage.read:/home/jane storage.read:/data"}`, `{"note":"see [mail-1], /CN=[cn-1]","scope":"storage.read:/home/[user-1] storage.read:/data"}`},
		{"in another case", `{"sub":"jane","groups":["/users/JANE"]}`, `{"sub":"[sub-1]","groups":["/users/[sub-1]"]}`},
		{"a number in another one", `{"uidNumber":1234,"x":"12345 1234"}`, `{"uidNumber":"[uidNumber-1]","x":"12345 [uidNumber-1]"}`},
		{"not a person", `{"iss":"https://i","aud":["x"],"email_verified":true,"entitlements":["urn:x:group:y#z.org"]}`, `{"iss":"https://i","aud":["x"],"email_verified":true,"entitlements":["urn:x:group:y#z.org"]}`},
		{"a mask is not masked", `{"sub":"preferred","preferred_username":"sub-1"}`, `{"sub":"[sub-1]","preferred_username":"[preferred_username-1]"}`},
	} {
		j := servicetest.JWT(t, servicetest.ES256, c.claims)
		r := newRedactor()
		r.learn(j)
		if got := string(r.token(j).Claims); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	long := strings.Repeat("abcdefghij", 20)
	r := newRedactor()
	r.learn(servicetest.JWT(t, servicetest.ES256, `{"sub":"`+long+`"}`))
	for _, s := range []string{"sub is " + long[:60] + "…, too long", "https://i," + long[:40] + "…" + long[140:] + " is", `^https:\/\/i,` + long + `$`} {
		if got := r.text(s); strings.Contains(got, "abcdef") || !strings.Contains(got, "[sub-1]") {
			t.Errorf("%s: got %s", s, got)
		}
	}
	r.users([]finding.Finding{{Users: []string{"jdoe@fnal.gov"}}, {Users: []string{"anonymous"}}})
	if got := r.text("jdoe@fnal.gov and anonymous@x"); got != "[user-1]@fnal.gov and anonymous@x" {
		t.Error(got)
	}
}

// Values are also masked in the spellings in which messages and other claims have them, and where
// a message shortens a text that contains them.
func TestRedactorSpellings(t *testing.T) {
	for _, c := range []struct{ claims, text, want string }{
		{`{"sub":"alice","x":"İ"}`, "of Alice, İ", "of [sub-1], İ"},
		{`{"sub":"O\"Brien"}`, `is "O\"Brien"`, `is "[sub-1]"`},
		{`{"sub":"a\\b/c"}`, `SCITOKENS /^https:\/\/i,a\\\\b\/c$/ USER`, `SCITOKENS /^https:\/\/i,[sub-1]$/ USER`},
		{`{"sub":"a\"b\\c"}`, `SCITOKENS "^https://i,a\"b\\\\c$" USER`, `SCITOKENS "^https://i,[sub-1]$" USER`},
		{`{"sub":["J\u00fcrgen"]}`, `wrong type: ["J\u00fcrgen"]`, `wrong type: ["[sub-1]"]`},
		{`{"email":"a.b@example.org"}`, "write:/a.b%40example.org", "write:/[email-1]"},
		{`{"sub":"jane doe"}`, "/jane+doe /jane%20doe", "/[sub-1] /[sub-1]"},
		{`{"x":"jürgen.x@example.org o'brien@example.org"}`, "by jürgen.x@example.org, 'o'brien@example.org'", "by [mail-1], '[mail-2]'"},
		{`{"sub":"alicebob"}`, "storage.read:/data/alice…", "storage.read:/data/[sub-1]…"},
		{`{"sub":"ali‐bob"}`, "storage.read:/data/ali…", "storage.read:/data/[sub-1]…"},
		{`{"sub":"alice","name":"alice smith"}`, "alice, Alice Smith, al", "[sub-1], [name-1], al"},
	} {
		r := newRedactor()
		r.learn(servicetest.JWT(t, servicetest.ES256, c.claims))
		if c.claims[2] == 'x' {
			r.learnText(c.text)
		}
		if got := r.text(c.text); got != c.want {
			t.Errorf("%s: got %s, want %s", c.claims, got, c.want)
		}
	}
	v := view{SignatureNote: "VALID: signed with a key in alice.json", token: servicetest.JWT(t, servicetest.ES256, `{"sub":"alice"}`)}
	if got := v.redacted(newRedactor()).SignatureNote; strings.Contains(got, "alice") {
		t.Error(got)
	}
}

// The prefix tree finds the same as a search in a list.
func FuzzPrefixes(f *testing.F) {
	f.Add("abc abd ab b abcde a", "xabcdefab")
	f.Fuzz(func(t *testing.T, list, text string) {
		var tree prefixes
		words := strings.Fields(list)
		for _, w := range words {
			tree.add(w, "["+w+"]")
		}
		want, common := "", 0
		for _, w := range words {
			if strings.HasPrefix(text, w) && len(w) > len(want) {
				want = w
			}
			common = max(common, commonPrefix(w, text))
		}
		if n, mask := tree.longest(text, func(int) bool { return true }); n != len(want) || n > 0 && mask != "["+want+"]" {
			t.Errorf("%q in %q: %d, %s; want %q", text, words, n, mask, want)
		}
		if n, mask := tree.cut(text); n != common || n > 0 && !strings.HasPrefix(mask, "["+text[:n]) {
			t.Errorf("cut %q in %q: %d, %s; want %d", text, words, n, mask, common)
		}
	})
}

// For any token, the masked token decodes and does not contain the masked values.
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

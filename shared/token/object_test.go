package token

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// ReadObject accepts what encoding/json accepts, and returns the same values.
func FuzzReadObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a"}`, `{"a":}`, `{,}`, `{"a":1}x`, `[]`, `null`, ``, `{`, "\ufeff{}",
		`{"a":"x\u0041\n","a":[1,{"b":null}],"\u0061":true}`, `{"a":"\ud800"}`, `{"a":"\x"}`, `{"a":"\u12"}`, "{\"a\":\"\n\"}", `{"a":"`, `{"a":"\`, `{"a":"\u`,
		`{"a":-0,"b":0.5e+3,"c":1E-2}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":+1}`, `{"a":9223372036854775807,"b":-9223372036854775808,"c":9223372036854775808}`,
		`{"a":["x" , "\u0041\n",""],"b":[ ],"c":["x",null],"d":["x",1],"e":["x",["y"]],"f":"x"}`, `{"a":tru}`, `{"a":true1}`, `{"a":nulll}`, `{"a":[1,]}`, `{"a":[,]}`, `{"a":{"b"}}`, `{"a":[1}`, `{"a":{]}`, `{"":1,"b":2,"":3}`,
		"{\t\"a\"\r:\n1 ,\"b\":[ ] , \"c\" : { } }", "{\"a\":\"\x00\"}", "{\"a\":\"\x7f\"}", "{\v}",
		`{"a":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `}`, `{"a":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`,
		manyMembers(40, false), manyMembers(20, true), manyMembers(40, true),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !utf8.Valid(data) {
			return // encoding/json replaces bytes
		}
		var want map[string]json.RawMessage
		wantOK := json.Unmarshal(data, &want) == nil && want != nil
		members, ok := ReadObject(data)
		if ok != wantOK {
			t.Fatalf("%q: %v, want %v", data, ok, wantOK)
		}
		if !ok {
			if Strings(data, func([][]byte, []byte) {}) {
				t.Errorf("%q: Strings accepts it", data)
			}
			return
		}
		if list := inOrder(t, data); len(list) != len(members) {
			t.Fatalf("%q: %d members, want %d", data, len(members), len(list))
		} else {
			for i, m := range members {
				if m.Name != list[i].Name || !bytes.Equal(m.Value, list[i].Value) {
					t.Errorf("%q: member %d is %q: %s", data, i, m.Name, m.Value)
				}
			}
		}
		o := newObject(members)
		if o.duplicates != (len(want) < len(members)) {
			t.Errorf("%q: duplicates: %v", data, o.duplicates)
		}
		for name, value := range want {
			if !bytes.Equal(o.raw(name), value) {
				t.Errorf("%q: %q is %s, want %s", data, name, o.raw(name), value)
			}
			var s string
			wantText := json.Unmarshal(value, &s) == nil && value[0] == '"'
			if got, ok := o.get(name).Text(); ok != wantText || got != s {
				t.Errorf("%q: the text of %q is %q, %v", data, name, got, ok)
			}
			// Pointers, because null would become an empty string.
			var list []*string
			wantTexts := json.Unmarshal(value, &list) == nil && value[0] == '[' && !slices.Contains(list, nil)
			if got, ok := o.get(name).Texts(); ok != wantTexts || ok && !slices.EqualFunc(got, list, func(a string, b *string) bool { return a == *b }) {
				t.Errorf("%q: the texts of %q are %q, %v", data, name, got, ok)
			}
			var n int64
			wantInteger := json.Unmarshal(value, &n) == nil && string(value) != "null"
			if m := o.get(name); m.isInteger != wantInteger || m.integer != n {
				t.Errorf("%q: the integer %q is %d, %v, want %d", data, name, m.integer, m.isInteger, n)
			}
		}
		if o.get("no such member") != nil && want["no such member"] == nil {
			t.Errorf("%q: found a member that does not exist", data)
		}
		var texts []string
		if !Strings(data, func(path [][]byte, text []byte) {
			if len(path) == 0 {
				t.Errorf("%q: a string without a name", data)
			}
			texts = append(texts, unquote(`"`+string(text)+`"`))
		}) {
			t.Errorf("%q: Strings rejects it", data)
		}
		if want := stringsIn(t, data); !slices.Equal(texts, want) {
			t.Errorf("%q: strings %q, want %q", data, texts, want)
		}
	})
}

// inOrder reads the members with encoding/json.
func inOrder(t *testing.T, data []byte) (out []Member) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		out = append(out, Member{Name: name.(string), Value: v})
	}
	return out
}

// stringsIn reads the values that are strings with encoding/json.
func stringsIn(t *testing.T, data []byte) (out []string) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	var objects []bool // whether each open value is an object
	name := false      // the next string is a name
	for {
		tok, err := d.Token()
		if err != nil {
			return out // or nested too deep
		}
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				objects = append(objects, v == '{')
			} else {
				objects = objects[:len(objects)-1]
			}
			name = len(objects) > 0 && objects[len(objects)-1]
			continue
		case string:
			if !name {
				out = append(out, v)
			}
		}
		name = len(objects) > 0 && objects[len(objects)-1] && !name
	}
}

func manyMembers(n int, twice bool) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"claim%d":%d`, i, i)
	}
	if twice {
		fmt.Fprintf(&b, `,"claim%d":"last"`, n/2)
	}
	return "{" + b.String()[1:] + "}"
}

func TestStrings(t *testing.T) {
	var got []string
	ok := Strings([]byte(` {"a":"x","b":{"c":["y",{"d":"z\n"}],"e":1},"f":[["w"]]} `), func(path [][]byte, text []byte) {
		got = append(got, string(bytes.Join(path, []byte(".")))+"="+string(text))
	})
	if want := []string{"a=x", "b.c=y", `b.c.d=z\n`, "f=w"}; !ok || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, ok)
	}
}

// Nothing of the previous token remains in the next one.
func TestDecoderReuse(t *testing.T) {
	var d Decoder
	for _, raw := range []string{
		jwtOf(`{"alg":"ES256","kid":"a"}`, manyMembers(40, true)),
		jwtOf(`{"alg":"ES256","kid":"a"}`, `{"aud":["x","y"],"scope":"a b c","exp":7,"long":"`+strings.Repeat("x", 5000)+`"}`),
		"opaque", jwtOf(`{"alg":"ES256"`, `{}`), jwtOf(`{"alg":"ES256","kid":"a"}`, `[]`),
		jwtOf(`{"alg":"ES256","kid":"b"}`, `{"scope":"d"}`), jwtOf(`{"alg":"ES256","kid":"b"}`, `{"aud":"z","aud":"w"}`), "e30.e30.",
	} {
		got, gotErr := d.Decode([]byte(raw))
		want, wantErr := Decode([]byte(raw))
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Errorf("%.60s: %v, want %v", raw, gotErr, wantErr)
		}
		if wantErr != nil {
			continue
		}
		same := func(a, b []Member) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) }
		if !same(got.Members(), want.Members()) || !same(got.HeaderMembers(), want.HeaderMembers()) || got.Signature != want.Signature ||
			!bytes.Equal(got.SignatureBytes, want.SignatureBytes) || got.Duplicates() != want.Duplicates() || !bytes.Equal(got.Claims, want.Claims) {
			t.Errorf("%.60s: %+v, want %+v", raw, got, want)
		}
		gotScopes, gotOK := got.Scopes()
		wantScopes, wantOK := want.Scopes()
		if gotOK != wantOK || !reflect.DeepEqual(gotScopes, wantScopes) {
			t.Errorf("%.60s: scopes %q, want %q", raw, gotScopes, wantScopes)
		}
		gotAud, gotOK := got.Audiences()
		wantAud, wantOK := want.Audiences()
		if gotOK != wantOK || !reflect.DeepEqual(gotAud, wantAud) {
			t.Errorf("%.60s: audiences %q, want %q", raw, gotAud, wantAud)
		}
	}
}

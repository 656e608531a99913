package scitokens

import (
	"encoding/json"
	"strings"
	"testing"

	"example.org/token-helpers/shared/service"
	"example.org/token-helpers/shared/service/servicetest"
)

// Each value was measured with the libraries 0.7.3, 1.1.3 and 1.4.1, in the header and in the
// payload.
func TestRefusedJSON(t *testing.T) {
	lists := func(n int, inside string) string { return strings.Repeat("[", n) + inside + strings.Repeat("]", n) }
	for value, refused := range map[string]bool{
		`"\ud800"`: true, `"\udc00"`: true, `"x\uDFFF"`: true, `"\ud83d\u0041"`: true, `"\ud83d\\udc00"`: true, `"\ud83dx"`: true, `"\ud800\ud800"`: true, `{"\ud800":1}`: true, `["\ud800x"]`: true,
		`"\ud83d\ude00"`: false, `"\uDBFF\uDFFF"`: false, `"\\ud800"`: false, `"\u0000\ud7ff\ue000\uffff"`: false, `"\"\\"`: false,
		`1.8e308`: true, `-2e308`: true, `1.7976931348623159e308`: true, `1e99999999999999999999`: true, `[1e999]`: true, `{"x":1e999}`: true, strings.Repeat("9", 309): true,
		`1.7976931348623158e308`: false, `1e-99999999999999999999`: false, `0e999`: false, strings.Repeat("9", 308): false, `"1e999"`: false, `true`: false,
		lists(101, ""): true, lists(100, "{}"): true, strings.Repeat(`{"a":[`, 101) + strings.Repeat("]}", 101): true, strings.Repeat("[1,", 100) + "[]" + strings.Repeat("]", 100): true,
		lists(100, ""): false, lists(100, `"x"`): false, lists(99, "{}"): false, strings.Repeat(`{"a":`, 500) + "[]" + strings.Repeat("}", 500): false, "[" + strings.Repeat("[],", 300) + "0]": false,
	} {
		header := strings.Replace(servicetest.ES256, "}", `,"x":`+value+"}", 1)
		claims := strings.Replace(servicetest.Claims("wlcg", "a", "read:/"), "}", `,"x":`+value+"}", 1)
		for _, part := range [][2]string{{header, servicetest.Claims("wlcg", "a", "read:/")}, {servicetest.ES256, claims}} {
			list := Library{Audiences: []string{"a"}}.Judge(service.Presented{JWT: servicetest.JWT(t, part[0], part[1]), Size: 500, Now: servicetest.Now, KeyChecked: true})
			want := ""
			if refused {
				want = "json-refused"
			}
			if got := servicetest.Codes(t, list); got != want {
				t.Errorf("%.80s: %s", value, got)
			}
		}
	}
	servicetest.Find(t, Library{Audiences: []string{"a"}}.Judge(service.Presented{JWT: servicetest.JWT(t, servicetest.ES256, servicetest.Claims("wlcg", "a", "read:/", `"jti"`, `"\udead":1,"jti"`)), Size: 500, Now: servicetest.Now, KeyChecked: true}),
		"json-refused", "refuses the payload: it has a string with half of a surrogate pair")
}

// Valid JSON never causes a panic, and what has no escape, no large number and few brackets is
// accepted.
func FuzzRefusedJSON(f *testing.F) {
	f.Add(`{"a":["\ud800\udc00",1e5,{"b":"\\"}]}`)
	f.Add(`{"\ud800\u":[[1e999]]}`)
	f.Fuzz(func(t *testing.T, s string) {
		if !json.Valid([]byte(s)) {
			return
		}
		problem := refusedJSON([]byte(s))
		if problem != "" && !strings.ContainsAny(s, `\eE`) && len(s) < 200 && strings.Count(s, "[") < maxLists {
			t.Errorf("%s: %s", s, problem)
		}
	})
}

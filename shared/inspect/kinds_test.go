package inspect

import (
	"strings"
	"testing"

	"example.org/token-helpers/shared/service/servicetest"
)

func TestKinds(t *testing.T) {
	const es256 = servicetest.ES256
	for _, tt := range []struct{ name, header, claims, kind string }{
		{"RFC 9068, with auth_time", `{"alg":"RS256","typ":"at+jwt"}`, `{"iss":"https://i","client_id":"c","auth_time":1}`, "access token"},
		{"RFC 9068, the long form", `{"alg":"RS256","typ":"application/AT+JWT"}`, `{"nonce":"n"}`, "access token"},
		{"Keycloak", es256, `{"typ":"Bearer","auth_time":1}`, "access token"},
		{"Keycloak, ID token", es256, `{"typ":"ID","scope":"openid"}`, "ID token"},
		{"Keycloak, refresh token", `{"alg":"HS512"}`, `{"typ":"Refresh","iss":"https://i","aud":"https://i","scope":"x"}`, "refresh token"},
		{"INDIGO IAM, refresh token", `{"alg":"none"}`, `{"jti":"x"}`, "refresh token"},
		{"ID token", es256, `{"nonce":"n"}`, "ID token"},
		{"logout", `{"alg":"RS256","typ":"logout+jwt"}`, `{}`, "logout token"},
		{"logout by its event", es256, `{"events":{"http://schemas.openid.net/event/backchannel-logout":{}},"sid":"x"}`, "logout token"},
		{"security event", es256, `{"events":{"https://schemas.openid.net/secevent/risc":{}}}`, "secevent+jwt"},
		{"client assertion", es256, `{"iss":"client","sub":"client","aud":"https://i/token","jti":"x"}`, "client assertion"},
		{"a token of a service for itself", es256, `{"iss":"https://i","sub":"https://i","aud":"x","scope":"s"}`, "access token"},
		{"Kubernetes", es256, `{"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:ns:d","aud":["x"]}`, "Kubernetes service account token"},
		{"GitHub", es256, `{"iss":"https://token.actions.githubusercontent.com","sub":"repo:o/r:ref:refs/heads/main"}`, "GitHub job token"},
		{"GitLab", es256, `{"iss":"https://gitlab.example.org","project_path":"g/p","pipeline_id":"1"}`, "GitLab job token"},
		{"Google", es256, `{"iss":"https://accounts.google.com","azp":"x","at_hash":"h"}`, "Google ID token"},
		{"Azure", es256, `{"iss":"https://sts.windows.net/tenant/","scp":"x"}`, "Azure token"},
		{"a look-alike of Azure's issuer", es256, `{"iss":"https://sts.windows.net.example.org/","scp":"x"}`, "access token"},
		{"IDTOKEN", `{"alg":"HS256","kid":"POOL"}`, `{"iss":"cm.example.org:9618","sub":"condor@cm"}`, "HTCondor IDTOKEN"},
		{"HS256 of an issuer", `{"alg":"HS256","kid":"x"}`, `{"iss":"https://i","sub":"s","scope":"x"}`, "access token"},
		{"WLCG with groups", es256, `{"wlcg.ver":"1.0","wlcg.groups":["/a"],"auth_time":1}`, "access token"},
		{"unknown", es256, `{"sub":"x"}`, "JWT"},
	} {
		kind := kindOf(servicetest.JWT(t, tt.header, tt.claims))
		got, note := kind.name, kind.note
		if got != tt.kind {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.kind)
		}
		if (note == "") != (got == accessToken || got == "JWT") {
			t.Errorf("%s: the note is %q", tt.name, note)
		}
		if strings.HasSuffix(note, ".") {
			t.Errorf("%s: the note ends with a period", tt.name)
		}
	}
}

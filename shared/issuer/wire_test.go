package issuer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.org/token-helpers/shared/cli"
)

// local returns a client for servers on loopback that ignores the proxies of the
// environment.
func local() *Client {
	return NewClient(HTTPOptions{Timeout: 5 * time.Minute, LookupEnv: func(string) (string, bool) { return "", false }})
}

// The first request contains everything that is wanted. Later ones change only what the
// issuer rejected, and no request is repeated.
func TestRegistrationFallbacks(t *testing.T) {
	refuse := func(status int, code, description string) string {
		return fmt.Sprintf(`%d {"error":%q,"error_description":%q}`, status, code, description)
	}
	const created = `201 {"client_id":"new-client","client_secret":"client-secret"}`
	wanted := []string{"wlcg", "read:/store", "compute.read", "wlcg"}
	const all, supported = "compute.read read:/store wlcg", "compute.read read:/ wlcg"
	for _, tt := range []struct {
		name    string
		answers []string
		asked   []string // the scopes, with a + if there was a redirect URI
		code    int
		hint    string
	}{
		{"accepted", []string{created}, []string{all}, 0, ""},
		{"the scopes are refused", []string{refuse(400, "invalid_client_metadata", "scope not allowed"), created}, []string{all, supported}, 0, ""},
		{"worded as at INDIGO IAM", []string{refuse(400, "Invalid client registration request", ""), created}, []string{all, supported}, 0, ""},
		{"everything is refused", []string{refuse(400, "invalid_client_metadata", "no"), refuse(400, "invalid_client_metadata", "no")}, []string{all, supported}, cli.Refused, "--client-id"},
		{"a redirect URI is demanded", []string{refuse(400, "invalid_redirect_uri", "redirect_uris must not be empty"), created}, []string{all, all + " +"}, 0, ""},
		{"both", []string{refuse(400, "invalid_redirect_uri", ""), refuse(400, "invalid_client_metadata", "scope"), created}, []string{all, all + " +", supported + " +"}, 0, ""},
		{"both, the other way round", []string{refuse(400, "invalid_client_metadata", "scope"), refuse(400, "invalid_redirect_uri", ""), created}, []string{all, supported, supported + " +"}, 0, ""},
		{"a redirect URI is never enough", []string{refuse(400, "invalid_redirect_uri", ""), refuse(400, "invalid_redirect_uri", ""), refuse(400, "invalid_redirect_uri", "")}, []string{all, all + " +", supported + " +"}, cli.Refused, "--client-id"},
		{"for users alone", []string{refuse(403, "access_denied", "You do not have enough privileges to access this client registration API"), refuse(403, "access_denied", "")}, []string{all, supported}, cli.Refused, "--registration-token-file"},
		{"a policy", []string{refuse(403, "insufficient_scope", "Policy 'Allowed Client Scopes' rejected request"), created}, []string{all, supported}, 0, ""},
		{"a token is demanded", []string{refuse(401, "invalid_token", "")}, []string{all}, cli.Refused, "--registration-token-file"},
		{"not there", []string{"404 "}, []string{all}, cli.Refused, "--client-id"},
		{"fails", []string{"500 "}, []string{all}, cli.Network, "try again later"}, // a repeated request could register twice
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var m struct {
					Scope     string   `json:"scope"`
					Redirects []string `json:"redirect_uris"`
					Type      string   `json:"application_type"`
					Grants    []string `json:"grant_types"`
				}
				if err := json.NewDecoder(r.Body).Decode(&m); err != nil || len(m.Grants) != 2 || m.Redirects == nil || len(m.Redirects) > 0 != (m.Type == "native") {
					t.Errorf("%+v, %v", m, err)
				}
				if len(m.Redirects) > 0 {
					m.Scope += " +"
				}
				asked = append(asked, m.Scope)
				if len(asked) > len(tt.answers) {
					t.Error("too many requests")
					return
				}
				var status int
				a := tt.answers[len(asked)-1]
				_, _ = fmt.Sscan(a, &status)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = io.WriteString(w, a[4:])
			}))
			defer srv.Close()
			md := &Metadata{RegistrationEndpoint: srv.URL, ScopesSupported: []string{"openid", "wlcg", "compute.read", "read:/"}}
			reg, err := local().Register(context.Background(), md, "test", wanted, "")
			if !slices.Equal(asked, tt.asked) {
				t.Errorf("requested %q, want %q", asked, tt.asked)
			}
			if tt.code == 0 {
				if err != nil || reg.ClientID != "new-client" || reg.ClientSecret != "client-secret" {
					t.Fatal(err)
				}
				// The answer has no scopes, so they are those of the last request.
				if want := strings.TrimSuffix(tt.asked[len(tt.asked)-1], " +"); strings.Join(reg.Scopes, " ") != want {
					t.Errorf("registered with %q", reg.Scopes)
				}
				return
			}
			var known cli.Explained
			if reg != nil || !errors.As(err, &known) || known.ExitCode() != tt.code || len(known.Hints()) != 1 || !strings.Contains(known.Hints()[0], tt.hint) {
				t.Errorf("%T %v", err, err)
			}
		})
	}
	t.Run("openid is refused, though it is listed", func(t *testing.T) {
		var asked []string
		c := clientOf(func(r *http.Request) answer {
			var m struct{ Scope string }
			_ = json.NewDecoder(r.Body).Decode(&m)
			if asked = append(asked, m.Scope); strings.Contains(m.Scope, "openid") {
				return refusal(403, `{"error":"insufficient_scope"}`)
			}
			return answer{201, "application/json", `{"client_id":"c"}`}
		})
		md := &Metadata{RegistrationEndpoint: "https://i/r", ScopesSupported: []string{"openid", "wlcg"}}
		reg, err := c.Register(context.Background(), md, "test", []string{"openid", "wlcg", "more"}, "")
		if err != nil || !slices.Equal(asked, []string{"more openid wlcg", "openid wlcg", "wlcg"}) || !slices.Equal(reg.Scopes, []string{"wlcg"}) {
			t.Errorf("%q, %v", asked, err)
		}
	})
	t.Run("an issuer that lists no scopes", func(t *testing.T) {
		n := 0
		c := clientOf(func(*http.Request) answer { n++; return refusal(400, `{"error":"invalid_client_metadata"}`) })
		if _, err := c.Register(context.Background(), endpoints, "test", []string{"b", "a", "b"}, ""); err == nil || n != 1 {
			t.Errorf("%d requests for the same, %v", n, err)
		}
	})
	t.Run("no endpoint", func(t *testing.T) {
		var un *UnsupportedError
		if _, err := clientOf(nil).Register(context.Background(), &Metadata{}, "test", nil, ""); !errors.As(err, &un) || !strings.Contains(un.Hint, "--client-id") {
			t.Errorf("%T %v", err, err)
		}
	})
}

func TestRegistrationAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		want         Registration
	}{
		{
			"everything", `{"client_id":"c","client_secret":"client-secret","token_endpoint_auth_method":"client_secret_post","scope":"b a","registration_client_uri":"https://i/r/c","registration_access_token":"reg-token"}`,
			Registration{"c", "client-secret", "client_secret_post", []string{"a", "b"}, "https://i/r/c", "reg-token"},
		},
		{"nothing else", `{"client_id":"c"}`, Registration{"c", "", "none", []string{"x", "y"}, "", ""}},
		{"no method", `{"client_id":"c","client_secret":"client-secret"}`, Registration{"c", "client-secret", "client_secret_basic", []string{"x", "y"}, "", ""}},
		{"a method, but no secret", `{"client_id":"c","client_secret":null,"token_endpoint_auth_method":"client_secret_basic"}`, Registration{"c", "", "none", []string{"x", "y"}, "", ""}},
		{"scope as a list", `{"client_id":"c","scope":["b","a"]}`, Registration{"c", "", "none", []string{"a", "b"}, "", ""}},
		{"no scope was kept", `{"client_id":"c","scope":""}`, Registration{"c", "", "none", nil, "", ""}},
		{"scope null", `{"client_id":"c","scope":null}`, Registration{"c", "", "none", []string{"x", "y"}, "", ""}},
		{"byte order mark", "\xef\xbb\xbf" + `{"client_id":"c"}`, Registration{"c", "", "none", []string{"x", "y"}, "", ""}},
		{"managed over http", `{"client_id":"c","registration_client_uri":"http://i/r/c","registration_access_token":"reg-token"}`, Registration{"c", "", "none", []string{"x", "y"}, "", ""}},
		{"managed nowhere", `{"client_id":"c","registration_client_uri":7,"registration_access_token":"reg-token"}`, Registration{"c", "", "none", []string{"x", "y"}, "", ""}},
	} {
		reg, err := clientOf(func(*http.Request) answer { return answer{201, "application/json", tt.answer} }).
			Register(context.Background(), endpoints, "test", []string{"y", "x"}, "")
		if err != nil || len(reg.Scopes) == 0 != (tt.want.Scopes == nil) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if reg.Scopes = slices.Clip(reg.Scopes); len(reg.Scopes) == 0 {
			reg.Scopes = nil
		}
		if !reflect.DeepEqual(*reg, tt.want) {
			t.Errorf("%s: %+v", tt.name, *reg)
		}
	}
	for _, bad := range []string{"", "null", "[]", "{}", `{"client_id":""}`, "<html>"} {
		var known cli.Explained
		if _, err := clientOf(func(*http.Request) answer { return answer{201, "application/json", bad} }).
			Register(context.Background(), endpoints, "test", nil, ""); !errors.As(err, &known) || known.ExitCode() != cli.Network {
			t.Errorf("%q: %T %v", bad, err, err)
		}
	}
}

func TestInitialAccessToken(t *testing.T) {
	for initial, want := range map[string]string{"": "", "initial-token": "Bearer initial-token"} {
		c := clientOf(func(r *http.Request) answer {
			if got := r.Header.Get("Authorization"); got != want {
				t.Errorf("%q: Authorization %q", initial, got)
			}
			return answer{201, "application/json", `{"client_id":"c"}`}
		})
		if _, err := c.Register(context.Background(), endpoints, "test", nil, initial); err != nil {
			t.Error(err)
		}
	}
}

func TestUnregister(t *testing.T) {
	for status, want := range map[int]int{200: 0, 204: 0, 404: 0, 410: 0, 401: cli.Refused, 403: cli.Refused, 400: cli.Refused, 500: cli.Network} {
		synctest.Test(t, func(t *testing.T) {
			err := clientOf(func(r *http.Request) answer {
				if r.Method != http.MethodDelete || r.Header.Get("Authorization") != "Bearer reg-token" {
					t.Errorf("%s with %q", r.Method, r.Header)
				}
				return answer{status, "", ""}
			}).Unregister(context.Background(), "https://i/r/c", "reg-token")
			if got := cli.Explain(err).Code; err == nil && want != 0 || err != nil && got != want {
				t.Errorf("%d: %v", status, err)
			}
		})
	}
	for _, status := range []int{405, 501} {
		if err := clientOf(func(*http.Request) answer { return answer{status, "", ""} }).Unregister(context.Background(), "https://i/r/c", "reg-token"); !errors.Is(err, ErrNotDeleted) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// If an endpoint echoes the whole request, no secret of it is printed: neither unchanged
// nor percent-encoded, as JSON, or in its Basic form.
func TestEchoesAreRedacted(t *testing.T) {
	const secret = `s3cr/t+ %&"é=client`
	const sent = "sent-token/with+signs=="
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		cr := Credentials{"the client", secret, method}
		calls := map[string]func(*Client) error{
			"refresh": func(c *Client) error {
				_, err := c.Refresh(context.Background(), endpoints, cr, sent, []string{"x"}, nil, clock)
				return err
			},
			"exchange": func(c *Client) error {
				_, err := c.Exchange(context.Background(), endpoints, cr, sent, []string{"x"}, nil, clock)
				return err
			},
			"client credentials": func(c *Client) error {
				_, err := c.ClientCredentials(context.Background(), endpoints, cr, nil, nil, clock)
				return err
			},
			"device": func(c *Client) error {
				_, err := c.StartDevice(context.Background(), endpoints, cr, nil, nil, true, clock)
				return err
			},
			"revocation": func(c *Client) error { return c.Revoke(context.Background(), endpoints, cr, sent) },
			"registration": func(c *Client) error {
				_, err := c.Register(context.Background(), endpoints, "t", nil, sent)
				return err
			},
			"deletion": func(c *Client) error { return c.Unregister(context.Background(), "https://i/r/c", sent) },
		}
		for name, call := range calls {
			for _, form := range []string{"description", "code", "object", "page", "text"} {
				var trace []string
				c := clientOf(func(r *http.Request) answer {
					b := ""
					if r.Body != nil {
						raw, _ := io.ReadAll(r.Body)
						b = string(raw)
					}
					values, _ := url.ParseQuery(b)
					auth := r.Header.Get("Authorization")
					decoded, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
					echo := strings.Join([]string{"you sent", auth, b, string(decoded), values.Get("client_secret"), values.Get("token"), values.Get("refresh_token")}, " ")
					j, _ := json.Marshal(echo)
					switch form {
					case "description":
						return refusal(400, `{"error":"invalid_request","error_description":`+string(j)+`}`)
					case "code":
						return refusal(400, `{"error":`+string(j)+`}`)
					case "object":
						return refusal(400, `{"error":{"code":`+string(j)+`,"message":`+string(j)+`}}`)
					case "page":
						return answer{400, "text/html", "<pre>" + echo}
					}
					return answer{200, "application/json", echo}
				})
				c.opts.Trace = func(f string, a ...any) { trace = append(trace, fmt.Sprintf(f, a...)) }
				err := call(c)
				if err == nil && (name == "deletion" || name == "revocation") && form == "text" {
					continue
				}
				if err == nil {
					t.Fatalf("%s, %s: no error", name, form)
				}
				shown := err.Error() + strings.Join(cli.Explain(err).Hints(), " ") + strings.Join(trace, " ")
				for _, x := range []string{
					secret, url.QueryEscape(secret), url.PathEscape(secret), sent, url.QueryEscape(sent), strings.ReplaceAll(sent, "/", `\/`), "s3cr", "sent-token",
					base64.StdEncoding.EncodeToString([]byte(cr.ClientID + ":" + secret)),
					base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(cr.ClientID) + ":" + url.QueryEscape(secret))),
				} {
					if strings.Contains(shown, x) {
						t.Errorf("%s, %s, %s: %q is in %s", name, form, method, x, shown)
						break
					}
				}
			}
		}
	}
}

func TestRedactor(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"as it is", "token abc/d+e= end", "token [redacted] end"},
		{"form-encoded", "token=abc%2Fd%2Be%3D&x", "token=[redacted]&x"},
		{"path-encoded", "/abc%2Fd+e=/x", "/[redacted]/x"},
		{"JSON", `{"t":"abc\/d+e="}`, `{"t":"[redacted]"}`},
		{"twice", "abc/d+e=abc/d+e=", "[redacted][redacted]"},
		{"the longer of two", "abc/d+e=and-more", "[redacted]"},
		{"too short to remove", "a tea", "a tea"},
		{"Basic", "Authorization: Basic Y2xpZW50OnMzY3JldA==", "Authorization: Basic [redacted]"},
		{"an unknown token", "got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "got [redacted]"},
		{"an encrypted token", "eyJhbGciOiJkaXIiLCJl..aXY.Y2lwaGVy.dGFn", "[redacted]"},
		{"lines", "one\ntwo", `one\u000atwo`},
	} {
		var r redactor
		r.secret("abc/d+e=", "abc/d+e=and-more", "tea", "")
		r.basic("client", "s3cret")
		if got := r.redact(tt.in); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	var r redactor
	r.basic("public", "")
	if got := r.redact("cHVibGljOg== public:"); got != "cHVibGljOg== public:" {
		t.Errorf("a client without a secret: %q", got)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("s3cret/+", "an s3cret/+ and s3cret%2F%2B")
	f.Add("[redacted]", "[redacted]x")
	f.Add("redacted", "redacted")
	f.Fuzz(func(t *testing.T, secret, text string) {
		if len(secret) < minSecret || strings.Contains("[redacted]…", secret) || strings.Contains(text, "[redacted]") {
			return
		}
		var r redactor
		r.secret(secret)
		if got := r.redact(text + secret + url.QueryEscape(secret) + text); strings.Contains(got, secret) && !strings.Contains(`\u000a`, secret) && !strings.ContainsAny(secret, "[]\n\\…\x00") {
			// Removing one occurrence can create another one.
			if strings.Contains(text, secret) {
				t.Fatalf("%q is left in %q", secret, got)
			}
		}
	})
}

func TestMetadataIsReadLeniently(t *testing.T) {
	const start = `"issuer":"https://i","token_endpoint":"https://i/token"`
	for _, tt := range []struct {
		name, doc string
		want      Metadata
	}{
		{"scopes in a string", `{` + start + `,"scopes_supported":"a b"}`, Metadata{ScopesSupported: []string{"a", "b"}}},
		{"scopes among other things", `{` + start + `,"scopes_supported":["a",null,7,{"b":1},"c"]}`, Metadata{ScopesSupported: []string{"a", "c"}}},
		{"scopes a number", `{` + start + `,"scopes_supported":7}`, Metadata{}},
		{"scopes null", `{` + start + `,"scopes_supported":null}`, Metadata{}},
		{"endpoints of other types", `{` + start + `,"device_authorization_endpoint":7,"registration_endpoint":null,"revocation_endpoint":["https://i/r"]}`, Metadata{}},
		{"endpoints empty", `{` + start + `,"device_authorization_endpoint":"","registration_endpoint":""}`, Metadata{}},
		{"methods in a string", `{` + start + `,"token_endpoint_auth_methods_supported":"none"}`, Metadata{TokenEndpointAuthMethodsSupported: []string{"none"}}},
		{"byte order mark", "\xef\xbb\xbf{" + start + `}`, Metadata{}},
		{"unknown members", `{` + start + `,"x":{"y":[1,2,{}]}}`, Metadata{}},
		{"a member twice", `{"token_endpoint":"https://other/token",` + start + `}`, Metadata{}},
	} {
		md, err := ParseMetadata([]byte(tt.doc), "https://i/")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		tt.want.Issuer, tt.want.TokenEndpoint = "https://i", "https://i/token"
		if len(md.ScopesSupported) == 0 {
			md.ScopesSupported = nil
		}
		if len(md.TokenEndpointAuthMethodsSupported) == 0 {
			md.TokenEndpointAuthMethodsSupported = nil
		}
		if !reflect.DeepEqual(*md, tt.want) {
			t.Errorf("%s: %+v", tt.name, *md)
		}
	}
}

func TestAuthMethod(t *testing.T) {
	for want, list := range map[string][]string{
		"client_secret_basic": {"private_key_jwt", "client_secret_post", "client_secret_basic"},
		"client_secret_post":  {"tls_client_auth", "none", "client_secret_post"},
		"none":                {"none", "private_key_jwt"},
	} {
		if got := AuthMethod(&Metadata{TokenEndpointAuthMethodsSupported: list}); got != want {
			t.Errorf("%q: %s", list, got)
		}
	}
	for _, list := range [][]string{nil, {"private_key_jwt"}} {
		if got := AuthMethod(&Metadata{TokenEndpointAuthMethodsSupported: list}); got != "client_secret_basic" {
			t.Errorf("%q: %s", list, got)
		}
	}
}

func TestScopesSupported(t *testing.T) {
	some := &Metadata{ScopesSupported: []string{"openid", "read:/", "wlcg"}}
	for _, tt := range []struct {
		md    *Metadata
		scope string
		want  bool
	}{
		{some, "wlcg", true}, {some, "offline_access", false}, {&Metadata{}, "offline_access", true},
	} {
		if got := tt.md.Lists(tt.scope); got != tt.want {
			t.Errorf("%s: %v", tt.scope, got)
		}
	}
	if got := some.registrable([]string{"wlcg", "read:/store", "read:/other", "compute.read"}); !slices.Equal(got, []string{"read:/", "wlcg"}) {
		t.Errorf("%q", got)
	}
}

// The metadata of RFC 8414 is read if there is no discovery document.
func TestDiscover(t *testing.T) {
	const (
		openID = "/vo/.well-known/openid-configuration"
		oauth  = "/.well-known/oauth-authorization-server/vo"
		behind = "/vo/.well-known/oauth-authorization-server"
		all    = openID + " " + oauth + " " + behind
	)
	good := `{"issuer":"ISSUER/vo","token_endpoint":"ISSUER/token"}`
	for _, tt := range []struct {
		name    string
		answers map[string]string // bodies, or statuses
		as      any
		says    string
		asked   string
	}{
		{"discovery", map[string]string{openID: good, oauth: "500"}, nil, "", openID},
		{"RFC 8414 alone", map[string]string{oauth: good}, nil, "", openID + " " + oauth},
		{"RFC 8414 behind 403", map[string]string{openID: "403", oauth: good}, nil, "", openID + " " + oauth},
		{"RFC 8414 behind 405", map[string]string{openID: "405", oauth: good}, nil, "", openID + " " + oauth},
		{"RFC 8414 behind the path", map[string]string{behind: good}, nil, "", all},
		{"RFC 8414 beside a page", map[string]string{openID: "<!doctype html>", oauth: "<!doctype html>", behind: good}, nil, "", all},
		{"neither", nil, new(*ResponseError), "404", all},
		{"the first answer is reported", map[string]string{openID: "403"}, new(*ResponseError), "403", all},
		{"another issuer", map[string]string{oauth: `{"issuer":"https://other.example.org/","token_endpoint":"ISSUER/token"}`}, new(*MismatchError), "other.example.org", openID + " " + oauth},
		{"a page", map[string]string{openID: "<!doctype html>", oauth: "<!doctype html>"}, new(*NotJSONError), "a web page", all},
		{"down", map[string]string{openID: "501", oauth: good}, new(*ResponseError), "501", openID},
		{"redirected to another host", map[string]string{openID: "https://other.example.org/vo/.well-known/openid-configuration", oauth: good}, new(*RedirectError), "another host", openID},
		{"redirected on the same host", map[string]string{openID: "/there", "/there": good}, nil, "", openID + " /there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.Path)
				body := tt.answers[r.URL.Path]
				var status int
				switch {
				case body == "":
					http.NotFound(w, r)
				case len(body) == 3:
					_, _ = fmt.Sscan(body, &status)
					w.WriteHeader(status)
				case body[0] == '<':
					w.Header().Set("Content-Type", "text/html")
					_, _ = io.WriteString(w, body)
				case body[0] != '{':
					http.Redirect(w, r, body, http.StatusFound)
				default:
					_, _ = io.WriteString(w, strings.ReplaceAll(body, "ISSUER", "http://"+r.Host))
				}
			}))
			defer srv.Close()
			md, doc, err := local().Discover(context.Background(), srv.URL+"/vo")
			if got := strings.Join(asked, " "); got != tt.asked {
				t.Errorf("requested %s", got)
			}
			if tt.as == nil {
				if err != nil || md.TokenEndpoint != srv.URL+"/token" || len(doc) == 0 {
					t.Errorf("%v", err)
				}
				return
			}
			if !errors.As(err, tt.as) || !strings.Contains(err.Error(), tt.says) || md != nil || doc != nil {
				t.Errorf("%T %v", err, err)
			}
		})
	}
}

// A connection that is handed over with status 101 would never end. The client closes it.
func TestSwitchingProtocols(t *testing.T) {
	var served sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		defer served.Done()
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: slow\r\n\r\n")
		_ = rw.Flush()
		// The limit only keeps a client that does not close it from hanging.
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		var ne net.Error
		if _, err := conn.Read(make([]byte, 1)); errors.As(err, &ne) && ne.Timeout() {
			t.Error("the client keeps the connection")
		}
	}))
	defer srv.Close()
	defer served.Wait()
	md := &Metadata{Issuer: srv.URL, TokenEndpoint: srv.URL, DeviceAuthorizationEndpoint: srv.URL, RegistrationEndpoint: srv.URL, RevocationEndpoint: srv.URL}
	c := local()
	_, rerr := c.Refresh(context.Background(), md, Credentials{ClientID: "c"}, "old-refresh-token", nil, nil, clock)
	_, derr := c.StartDevice(context.Background(), md, Credentials{ClientID: "c"}, nil, nil, false, clock)
	_, gerr := c.Register(context.Background(), md, "test", nil, "")
	_, _, ierr := c.Discover(context.Background(), srv.URL)
	for name, err := range map[string]error{"refresh": rerr, "device": derr, "registration": gerr, "discovery": ierr, "revocation": c.Revoke(context.Background(), md, Credentials{}, "x")} {
		var nj *NotJSONError
		if !errors.As(err, &nj) || !strings.Contains(err.Error(), "101") {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
}

// The refresh token of the request is invalid as soon as a new one arrives, even if the
// rest of the answer does not.
func TestConnectionBreaksAfterTheRefreshToken(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"refresh_token":"new-refresh-token","access_token":"opaq`)
	}))
	defer srv.Close()
	g, err := local().Refresh(context.Background(), &Metadata{Issuer: srv.URL, TokenEndpoint: srv.URL}, Credentials{ClientID: "c"}, "old-refresh-token", nil, nil, clock)
	if err == nil || !strings.Contains(err.Error(), "the answer is incomplete") || g == nil || g.RefreshToken != "new-refresh-token" || asked.Load() != 1 {
		t.Errorf("%v, asked %d times: %v", g != nil, asked.Load(), err)
	}
}

// net/http ignores a proxy whose address it cannot parse.
func TestProxies(t *testing.T) {
	for value, good := range map[string]bool{
		"": true, "proxy.example.org:3128": true, "http://proxy.example.org:3128": true, "https://proxy.example.org": true,
		"http://user:pass@proxy.example.org:3128": true, "socks5://127.0.0.1:1080": true, "socks5h://proxy:1080": true, "[::1]:3128": true, "proxy": true,
		"http://": false, "http:// proxy:3128": false, "proxy example:3128": false, "http://proxy:port": false, "proxy:port": false, "://": false, ":3128": false, "http://[::1": false, "http://user:pa ss@%zz": false, " ": false,
	} {
		for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
			c := NewClient(HTTPOptions{LookupEnv: func(k string) (string, bool) {
				if k == name {
					return value, true
				}
				return "", false
			}})
			err := c.Ready()
			var le *LocalError
			if good != (err == nil) || err != nil && (!errors.As(err, &le) || !strings.HasPrefix(err.Error(), name+" ") || strings.Contains(err.Error(), "pa ss")) {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
	// A client with a broken proxy makes no request.
	if _, err := NewClient(HTTPOptions{LookupEnv: func(k string) (string, bool) { return "http://", k == "HTTPS_PROXY" }}).client(); err == nil {
		t.Error("a client with a broken proxy works")
	}
}

// A temporary failure is retried: a GET twice, a POST once, a registration only if the
// status means that the issuer did nothing.
func TestRepeats(t *testing.T) {
	get := func(c *Client) error { _, _, err := c.Discover(context.Background(), "https://i/"); return err }
	post := func(c *Client) error { _, err := refresh(c); return err }
	register := func(c *Client) error { _, err := c.Register(context.Background(), endpoints, "t", nil, ""); return err }
	for _, tt := range []struct {
		name   string
		call   func(*Client) error
		status int
		want   int
	}{
		{"GET", get, 503, 3}, {"GET", get, 500, 3}, {"GET", get, 429, 3}, {"GET", get, 404, 2 /* RFC 8414 */}, {"GET", get, 501, 1},
		{"POST", post, 503, 2}, {"POST", post, 500, 2}, {"POST", post, 429, 2}, {"POST", post, 400, 1}, {"POST", post, 501, 1},
		{"registration", register, 503, 2}, {"registration", register, 429, 2}, {"registration", register, 500, 1}, {"registration", register, 502, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			err := tt.call(clientOf(func(*http.Request) answer { n++; return answer{tt.status, "", ""} }))
			if err == nil || n != tt.want {
				t.Errorf("%s answered with %d: %d requests, want %d (%v)", tt.name, tt.status, n, tt.want, err)
			}
		})
	}
}

func TestMain(m *testing.M) {
	// The tests connect only to this machine.
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

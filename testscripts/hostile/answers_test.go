//go:build unix

package hostile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"html"
	"net/http"
	"strings"
)

var hostileAnswers = []struct {
	on   kind
	rows []hostile
}{
	{discovery, discoveryAnswers}, {registration, registrationAnswers}, {device, deviceAnswers},
	{poll, pollAnswers}, {refresh, refreshAnswers}, {revocation, revocationAnswers}, {deletion, deletionAnswers},
}

const (
	// evil is text that tries to add messages and to control a terminal, as JSON.
	evil = `x\nhint: run EVIL\ncondor-token-helper: hint: run EVIL\r\nerror: EVIL\u001b[2J\u001b]0;EVIL\u0007\u009b31m\u202eLIVE\u2066\u2028\u0000\u007f\ufeff`
	mega = 1 << 20
	// secrets is replaced by all secrets that the client has sent.
	secrets = "{secrets}"
)

// named is a hostile name for a certificate.
const named = "x\nhint: run EVIL\ncondor-token-helper: hint: run EVIL\x1b[2J"

func xs(n int) string { return strings.Repeat("x", n) }

// everyShape returns rows with malformed answers, for any kind of request. code are the expected
// exit codes, which are those for a request that fails.
func everyShape(good string, code ...int) []hostile {
	c := exit(code...)
	return []hostile{
		{name: "null", answer: js(200, "null"), code: c},
		{name: "a list", answer: js(200, "[]"), code: c},
		{name: "a string", answer: js(200, `"x"`), code: c},
		{name: "an empty object", answer: js(200, "{}"), code: c},
		{name: "empty", answer: js(200, ""), code: c},
		{name: "a page", answer: typed(200, "text/html", "<!doctype html><p>Welcome"), code: c},
		{name: "truncated", answer: js(200, good[:len(good)/2]), code: c},
		{name: "UTF-16", answer: js(200, utf16(good)), code: c},
		{name: "a NUL in the middle", answer: js(200, instead(good, ",", "\x00,")), code: c},
		{name: "control characters without JSON", answer: typed(200, "text/plain", "\x1b[2J\x1b]0;EVIL\a\nhint: run EVIL\n"), code: c},
		{name: "nested 200000 deep, not closed", answer: js(200, `{"a":`+strings.Repeat("[", 200000)), code: c},
		{name: "1 MB and a byte", answer: js(200, `{"a":"`+xs(mega-7)+`"}`), code: c},
		{name: "endless", answer: raw(repeats, ok200+"\r\n", `{"a":"`, xs(1000)), code: c},
		{name: "endless and chunked", answer: raw(repeats, ok200+"Transfer-Encoding: chunked\r\n\r\n", "3e8\r\n"+xs(1000)+"\r\n"), code: c},
		{name: "gzip bomb", answer: bomb, code: c},
		{name: "gzip, truncated", answer: zipped(good, 20), code: c},
		{name: "not gzip", answer: raw(closed, ok200+"Content-Encoding: gzip\r\n\r\n"+good), code: c},
		{name: "slow drip", answer: raw(drips, ok200+"\r\n", " "), code: c, short: true},
		{name: "slow drip of headers", answer: raw(drips, "HTTP/1.1 200 OK\r\n", "x: y\r\n"), code: c, short: true},
		{name: "endless headers", answer: raw(repeats, "HTTP/1.1 200 OK\r\n", "X-Header: "+xs(1000)+"\r\n"), code: c},
		{name: "one endless header", answer: raw(repeats, "HTTP/1.1 200 OK\r\nX-Header: ", xs(1000)), code: c},
		{name: "endless 1xx", answer: raw(repeats, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), code: c, short: true},
		{name: "101", answer: raw(hangs, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), code: c, short: true},
		{name: "204", answer: js(204, ""), code: c},
		{name: "reset in the middle", answer: raw(resets, ok200+"Content-Length: 1000\r\n\r\n", `{"a":`), code: c},
		{name: "reset at once", answer: raw(resets, ""), code: c},
		{name: "half-closed", answer: raw(halfClosed, ok200+"Content-Length: 1000\r\n\r\n", `{"a":`), code: c, short: true},
		{name: "no answer", answer: raw(hangs, ""), code: c, short: true},
		{name: "not HTTP", answer: raw(closed, "SSH-2.0-OpenSSH_9.2\r\n\x1b[2JEVIL\r\n"), code: c},
		{name: "an invalid status", answer: raw(closed, "HTTP/1.1 20x \x1b[31mEVIL\r\n\r\n"), code: c},
		{name: "a reason with secrets and control characters", answer: raw(closed, "HTTP/1.1 400 "+secrets+"\x1b[2J\x1b]0;EVIL\a\u202e\r\nContent-Length: 0\r\n\r\n"), code: c},
		{name: "a status with secrets", answer: raw(closed, "HTTP/1.1 "+secrets+"\r\n\r\n"), code: c},
		{name: "a status of 300 kB", answer: raw(closed, "HTTP/1.1 "+xs(300000)+"\r\n\r\n"), code: c},
		{name: "secrets instead of a status line", answer: raw(closed, secrets+"\r\n\r\n"), code: c},
		{name: "a header with secrets", answer: raw(closed, "HTTP/1.1 200 OK\r\n"+secrets+"\r\n\r\n"), code: c},
		{name: "a header of 300 kB without a colon", answer: raw(closed, "HTTP/1.1 200 OK\r\n"+xs(300000)+"\r\n\r\n"), code: c},
		{name: "a length with secrets", answer: raw(closed, "HTTP/1.1 200 OK\r\nContent-Length: "+secrets+"\r\n\r\n"), code: c},
		{name: "a transfer encoding with secrets", answer: raw(closed, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+secrets+"\r\n\r\n"), code: c},
		{name: "a trailer with secrets", answer: raw(closed, ok200+"Transfer-Encoding: chunked\r\nTrailer: "+secrets+"\r\n\r\n0\r\n"+secrets+"\r\n\r\n"), code: c},
		{name: "two lengths", answer: raw(closed, ok200+"Content-Length: 10\r\nContent-Length: 20\r\n\r\n{}        "), code: c},
		{name: "a negative length", answer: raw(closed, ok200+"Content-Length: -1\r\n\r\n{}"), code: c},
		{name: "length too short", answer: sized(-10, good, closed), code: c},
		{name: "an unsolicited second answer", answer: raw(closed, ok200+"Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\n"+secrets+"\nhint: run EVIL\n\x1b[2J"), code: c},
		{name: "a chunk of a negative length", answer: raw(closed, ok200+"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n"), code: c},
		{name: "500", answer: js(500, `{"error":"`+evil+`"}`), code: c},
		{name: "503, Retry-After an hour", answer: raw(closed, "HTTP/1.1 503 "+xs(2000)+"\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"), code: c},
	}
}

// everyRedirect returns rows with redirects, none of which may be followed. code are the expected
// exit codes.
func everyRedirect(code ...int) []hostile {
	c := exit(code...)
	return []hostile{
		{name: "301 to another host", answer: redirect(301, "https://other.example.org/x"), code: c, says: "redirects to"},
		{name: "302 to plain http", answer: redirect(302, "http://{elsewhere}/x"), code: c, says: "redirects to"},
		{name: "303 to another port", answer: redirect(303, "https://{elsewhere}/x"), code: c, says: "redirects to"},
		{name: "307 to another host", answer: redirect(307, "https://other.example.org/x"), code: c, says: "redirects to"},
		{name: "308 to plain http", answer: redirect(308, "http://{elsewhere}/x"), code: c, says: "redirects to"},
		{name: "307 to plain http elsewhere", answer: redirect(307, "http://other.example.org/x"), code: c, says: "redirects to"},
		{name: "302 to a file", answer: redirect(302, "file:///etc/passwd"), code: c},
		{name: "302 to a script", answer: redirect(302, "javascript:alert(1)"), code: c},
		{name: "302 with a password and control characters", answer: redirect(302, "https://user:EVIL@{elsewhere}/%0ahint:%20run%20EVIL%1b[2J"), code: c},
		{name: "302 with 100 kB", answer: redirect(302, "https://other.example.org/"+xs(100000)), code: c},
		{name: "307 with secrets", answer: redirect(307, "https://other.example.org/{encoded}"), code: c},
		{name: "302 with secrets, not a URL", answer: redirect(302, "https://other.example.org:port/%zz{secrets}"), code: c},
		{name: "302 without a target", answer: redirect(302, ""), code: anyCode},
	}
}

func join(lists ...[]hostile) (all []hostile) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// some returns the rows with these names. It panics if one is missing.
func some(rows []hostile, names ...string) (out []hostile) {
	for _, n := range names {
		found := false
		for _, r := range rows {
			if r.name == n {
				out, found = append(out, r), true
			}
		}
		if !found {
			panic("no row " + n)
		}
	}
	return out
}

var discoveryAnswers = join(everyShape(goodDiscovery, 4, 5), everyRedirect(5), []hostile{
	{name: "labelled text/plain", answer: typed(200, "text/plain", goodDiscovery), code: exit(0)},
	{name: "byte order mark, no content type", answer: typed(200, "", "\xef\xbb\xbf"+goodDiscovery), code: exit(0)},
	{name: "invalid UTF-8 in a member", answer: js(200, instead(goodDiscovery, `{"issuer"`, "{\"x\":\"\xff\xfe\",\"issuer\"")), code: exit(0)},
	{name: "only RFC 8414", answer: metadataAlone, code: exit(0)},
	{name: "scopes_supported is null", answer: js(200, instead(goodDiscovery, `["openid","offline_access","wlcg","compute.read","compute.modify","compute.cancel","compute.create"]`, "null")), code: exit(0)},
	{name: "duplicate members", answer: js(200, instead(goodDiscovery, `"token_endpoint"`, `"token_endpoint":"http://{elsewhere}/","token_endpoint"`)), code: exit(0)},
	{name: "nested 5000 deep", answer: js(200, instead(goodDiscovery, `{"issuer"`, `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"issuer"`)), code: exit(0)},
	{name: "nested 200000 deep", answer: js(200, instead(goodDiscovery, `{"issuer"`, `{"x":`+strings.Repeat("[", 200000)+strings.Repeat("]", 200000)+`,"issuer"`)), code: exit(5)},
	{name: "another issuer with control characters", answer: js(200, instead(goodDiscovery, "{issuer}", evil)), code: exit(4)},
	{name: "another issuer of 300 kB", answer: js(200, instead(goodDiscovery, "{issuer}", "https://"+xs(300000))), code: exit(4)},
	{name: "another issuer as a command", answer: js(200, instead(goodDiscovery, "{issuer}", "https://x/;rm -rf $HOME`id`")), code: exit(4)},
	{name: "token endpoint without https", answer: js(200, instead(goodDiscovery, "{base}/token", "http://other.example.org/token")), code: exit(5), says: "not https"},
	{name: "device endpoint without https", answer: js(200, instead(goodDiscovery, "{base}/devicecode", "http://other.example.org/x")), code: exit(5), says: "not https"},
	{name: "registration endpoint without https", answer: js(200, instead(goodDiscovery, "{base}/register", "http://other.example.org/x")), code: exit(5), says: "not https"},
	{name: "revocation endpoint without https", answer: js(200, instead(goodDiscovery, "{base}/revoke", "http://other.example.org/x")), code: exit(5), says: "not https"},
	{name: "token endpoint with a password", answer: js(200, instead(goodDiscovery, "{base}/token", "https://u:EVIL-password@{elsewhere}/")), code: exit(5), says: "!EVIL-password"},
	{name: "token endpoint with control characters", answer: js(200, instead(goodDiscovery, "{base}/token", "https://"+evil)), code: exit(5)},
	{name: "token endpoint of 300 kB", answer: js(200, instead(goodDiscovery, "{base}/token", "http://other.example.org/"+xs(300000))), code: exit(5)},
	{name: "token endpoint null", answer: js(200, instead(goodDiscovery, `"{base}/token"`, "null")), code: exit(4)},
	{name: "token endpoint a number", answer: js(200, instead(goodDiscovery, `"{base}/token"`, "7")), code: exit(4, 5)},
	{name: "token endpoint a list", answer: js(200, instead(goodDiscovery, `"{base}/token"`, `["{base}/token"]`)), code: exit(0, 4, 5)},
	{name: "token endpoint relative", answer: js(200, instead(goodDiscovery, `"{base}/token"`, `"/token"`)), code: exit(5)},
	{name: "token endpoint a file", answer: js(200, instead(goodDiscovery, "{base}/token", "file:///etc/passwd")), code: exit(5)},
	{name: "no device endpoint", answer: js(200, instead(goodDiscovery, "device_authorization_endpoint", "x")), code: exit(4), args: []string{"login"}},
	{name: "scopes_supported with control characters", answer: js(200, instead(goodDiscovery, `"openid"`, `"openid","`+evil+`"`)), code: exit(0)},
	{name: "error with control characters", answer: js(400, `{"error":"`+evil+`","error_description":"`+evil+evil+`"}`), code: exit(4)},
	{name: "error of 300 kB", answer: js(400, `{"error":"`+xs(300000)+`","error_description":"`+xs(300000)+`"}`), code: exit(4)},
	{name: "a self-signed certificate", cert: &x509.Certificate{Subject: pkix.Name{CommonName: named}}, code: exit(5)},
	{name: "a self-signed certificate, 100 kB", cert: &x509.Certificate{Subject: pkix.Name{CommonName: xs(100000)}}, code: exit(5)},
	{name: "a certificate for other names", cert: &x509.Certificate{Subject: pkix.Name{CommonName: named}, DNSNames: []string{"EVIL.example.org", named}}, trusted: true, code: exit(5)},
	{name: "a certificate for 5000 names", cert: &x509.Certificate{DNSNames: strings.Fields(strings.Repeat("x.example.org ", 5000))}, trusted: true, code: exit(5)},
	{name: "redirect in a circle", answer: redirect(302, "{base}/.well-known/openid-configuration"), code: exit(5)},
})

// metadataAlone returns no OpenID Connect document, only that of RFC 8414.
func metadataAlone(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.on, h.answer = metadata, js(200, goodDiscovery)
	h.mu.Unlock()
	http.NotFound(w, r)
}

var registrationAnswers = join(some(everyShape(goodRegistration, 4, 5), "null", "a list", "an empty object", "empty", "a page", "truncated", "UTF-16", "nested 200000 deep, not closed", "1 MB and a byte",
	"endless", "gzip bomb", "slow drip", "101", "204", "reset in the middle", "length too short", "an unsolicited second answer", "500", "503, Retry-After an hour", "a reason with secrets and control characters", "secrets instead of a status line"),
	everyRedirect(5), []hostile{
		{name: "labelled text/plain", answer: typed(200, "text/plain", goodRegistration), code: exit(0)},
		{name: "byte order mark, no content type", answer: typed(201, "", "\xef\xbb\xbf"+goodRegistration), code: exit(0)},
		{name: "the scope as a list", answer: js(201, instead(goodRegistration, "{", `{"scope":["openid","offline_access","compute.read","compute.modify","compute.cancel","compute.create"],`)), code: exit(0)},
		{name: "the scope null", answer: js(201, instead(goodRegistration, "{", `{"scope":null,`)), code: exit(0)},
		{name: "client ID a number", answer: js(201, instead(goodRegistration, `"{client}","client_secret"`, `4711,"client_secret"`)), code: exit(0)},
		{name: "no client ID", answer: js(201, `{"client_secret":"{secret}"}`), code: exit(5)},
		{name: "client ID null", answer: js(201, `{"client_id":null,"client_secret":"{secret}"}`), code: exit(5)},
		{name: "client ID with control characters", answer: js(201, instead(goodRegistration, `"{client}","client_secret"`, `"`+evil+`","client_secret"`)), code: exit(0, 5)},
		{name: "client ID of 300 kB", answer: js(201, instead(goodRegistration, `"{client}","client_secret"`, `"`+xs(300000)+`","client_secret"`)), code: exit(0, 5)},
		{name: "client secret with control characters", answer: js(201, instead(goodRegistration, "{secret}", evil)), code: exit(0)},
		{name: "no client secret", answer: js(201, instead(goodRegistration, `"client_secret":"{secret}",`, "")), code: exit(0)},
		{name: "client secret of 700 kB", answer: js(201, instead(goodRegistration, "{secret}", "{secret}"+xs(700000))), code: exit(0, 5, 8)},
		{name: "an unknown authentication method", answer: js(201, instead(goodRegistration, "client_secret_basic", evil)), code: exit(0, 5)},
		{name: "the registration without https", answer: js(201, instead(goodRegistration, "{base}/register/{client}", "http://{elsewhere}/x")), code: exit(0)},
		{name: "the registration null", answer: js(201, instead(goodRegistration, `"{base}/register/{client}"`, "null")), code: exit(0)},
		{name: "echo of the request", answer: echo(400, "invalid_client_metadata"), code: exit(4)},
		{name: "echo of the request, 401", answer: echo(401, "invalid_token"), code: exit(4)},
		{name: "error with control characters", answer: js(403, `{"error":"`+evil+`","error_description":"`+evil+`"}`), code: exit(4)},
		{name: "error as an object", answer: js(400, `{"error":{"code":"invalid_client_metadata","message":"no such grant `+evil+`"}}`), code: exit(4), says: "no such grant"},
		{name: "invalid_redirect_uri, always", answer: js(400, `{"error":"invalid_redirect_uri"}`), code: exit(4)},
		{name: "invalid_scope, always", answer: js(400, `{"error":"invalid_scope"}`), code: exit(4)},
	})

var deviceAnswers = join(everyShape(goodDevice, 4, 5), everyRedirect(5), []hostile{
	{name: "labelled text/plain", answer: typed(200, "text/plain", goodDevice), code: exit(0)},
	{name: "labelled text/html, byte order mark", answer: typed(200, "text/html", "\xef\xbb\xbf"+goodDevice), code: exit(0)},
	{name: "no content type", answer: typed(200, "", goodDevice), code: exit(0)},
	{name: "a form", answer: typed(200, "application/x-www-form-urlencoded", "device_code={device-form}&user_code=ABCD&verification_uri={base-form}%2Fdevice&interval=1"), code: exit(0)},
	{name: "times as strings", answer: js(200, instead(instead(goodDevice, "600", `"600"`), ":1}", `:"1"}`)), code: exit(0)},
	{name: "times with fractions", answer: js(200, instead(instead(goodDevice, "600", "600.5"), ":1}", `:"1.0"}`)), code: exit(0)},
	{name: "lifetime empty", answer: js(200, instead(goodDevice, "600", `""`)), code: exit(0)},
	{name: "interval empty", answer: js(200, instead(instead(goodDevice, "600", "1"), ":1}", `:""}`)), code: exit(7)},
	{name: "no lifetime", answer: js(200, instead(goodDevice, `"expires_in":600,`, "")), code: exit(0)},
	{name: "lifetime null", answer: js(200, instead(goodDevice, "600", "null")), code: exit(0)},
	{name: "lifetime negative", answer: js(200, instead(goodDevice, "600", "-600")), code: exit(0)},
	{name: "lifetime NaN", answer: js(200, instead(goodDevice, "600", `"NaN"`)), code: exit(0)},
	{name: "lifetime huge", answer: js(200, instead(goodDevice, "600", "1e300")), code: exit(0)},
	{name: "lifetime over 64 bits", answer: js(200, instead(goodDevice, "600", "99999999999999999999")), code: exit(0)},
	{name: "lifetime of a second", answer: js(200, instead(goodDevice, "600", "1")), code: exit(7), says: "expired"},
	{name: "no interval", answer: js(200, instead(goodDevice, `,"interval":1`, "")), code: exit(0)},
	{name: "interval negative", answer: js(200, instead(goodDevice, ":1}", ":-1}")), code: exit(0)},
	{name: "interval null", answer: js(200, instead(instead(goodDevice, "600", "1"), ":1}", ":null}")), code: exit(7)},
	{name: "interval beyond the lifetime", answer: js(200, instead(instead(goodDevice, ":1}", ":9223372036854775807}"), "600", "1")), code: exit(7)},
	{name: "verification_url", answer: js(200, instead(goodDevice, "verification_uri", "verification_url")), code: exit(0), says: "{base}/device"},
	{name: "error null beside it", answer: js(200, instead(goodDevice, "{\"", `{"error":null,"`)), code: exit(0)},
	{name: "duplicate members", answer: js(200, instead(goodDevice, "{\"", `{"verification_uri":"javascript:EVIL","`)), code: exit(0)},
	{name: "members nested 5000 deep", answer: js(200, instead(goodDevice, "{\"", `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"`)), code: exit(0)},
	{name: "user code a number", answer: js(200, instead(goodDevice, `"ABCD-EFGH"`, "12345678")), code: exit(0), says: "12345678"},
	{name: "user code null", answer: js(200, instead(goodDevice, `"ABCD-EFGH"`, "null")), code: exit(5)},
	{name: "user code of 300 kB", answer: js(200, instead(goodDevice, "ABCD-EFGH", xs(300000))), code: exit(5)},
	{name: "user code with newlines", answer: js(200, instead(goodDevice, "ABCD-EFGH", `A\n\nhint: run EVIL\n`)), code: exit(0, 5)},
	{name: "user code with control characters", answer: js(200, instead(goodDevice, "ABCD-EFGH", `A\u001b[2J\u0000\r\u009b31m\u202eB`)), code: exit(0, 5)},
	{name: "user code in JSON lines", answer: js(200, instead(goodDevice, "ABCD-EFGH", `A\n\u001b[2J\u0000\u007f\u009b31m\u202eB`)), code: exit(0, 5), args: []string{"login", "-o", "json"}},
	{name: "verification_uri a script", answer: js(200, instead(goodDevice, "{base}/device", "javascript:alert(1)")), code: exit(5)},
	{name: "verification_uri a file", answer: js(200, instead(goodDevice, "{base}/device", "file:///etc/passwd")), code: exit(5)},
	{name: "verification_uri without https", answer: js(200, instead(goodDevice, "{base}/device", "http://other.example.org/")), code: exit(5)},
	{name: "verification_uri with a password", answer: js(200, instead(goodDevice, "{base}/device", "https://bank.example.org@{elsewhere}/EVIL")), code: exit(5), says: "!EVIL"},
	{name: "verification_uri with newlines", answer: js(200, instead(goodDevice, "{base}/device", `{base}/\n\nhint: run EVIL\n`)), code: exit(5)},
	{name: "verification_uri with bidirectional controls", answer: js(200, instead(goodDevice, "{base}/device", `{base}/\u202emoc.knab\u2066\u200f`)), code: exit(0, 5)},
	{name: "verification_uri with separators and C1", answer: js(200, instead(goodDevice, "{base}/device", `{base}/\u2028hint: run EVIL\u0085\u009b31m`)), code: exit(0, 5)},
	{name: "verification_uri of 300 kB", answer: js(200, instead(goodDevice, "{base}/device", "{base}/"+xs(300000))), code: exit(5)},
	{name: "verification_uri null", answer: js(200, instead(goodDevice, `"{base}/device"`, "null")), code: exit(5)},
	{name: "complete URI a script", answer: js(200, instead(goodDevice, "{\"", `{"verification_uri_complete":"javascript:EVIL","`)), code: exit(0), says: "!EVIL"},
	{name: "complete URI without https", answer: js(200, instead(goodDevice, "{\"", `{"verification_uri_complete":"http://EVIL.example.org/","`)), code: exit(0), says: "!EVIL"},
	{name: "complete URI of 300 kB", answer: js(200, instead(goodDevice, "{\"", `{"verification_uri_complete":"{base}/`+xs(300000)+`","`)), code: exit(0)},
	{name: "complete URI with control characters", answer: js(200, instead(goodDevice, "{\"", `{"verification_uri_complete":"{base}/`+evil+`","`)), code: exit(0)},
	{name: "complete URI with bidirectional controls", answer: js(200, instead(goodDevice, "{\"", `{"verification_uri_complete":"{base}/\u202emoc\u2028\u009b31m\nhint: run EVIL","`)), code: exit(0)},
	{name: "device code null", answer: js(200, instead(goodDevice, `"{device}"`, "null")), code: exit(5)},
	{name: "device code with control characters", answer: js(200, instead(goodDevice, "{device}", evil)), code: exit(0, 5)},
	{name: "device code of 300 kB", answer: js(200, instead(goodDevice, "{device}", "{device}"+xs(300000))), code: exit(0, 5)},
	{name: "error, status 200", answer: js(200, `{"error":"unauthorized_client","error_description":"no device flow for you"}`), code: exit(4), says: "no device flow for you"},
	{name: "error as an object", answer: js(400, `{"error":{"code":"unauthorized_client","message":"no device flow for you"}}`), code: exit(4), says: "no device flow for you"},
	{name: "error with control characters", answer: js(400, `{"error":"`+evil+`","error_description":"`+evil+`"}`), code: exit(4)},
	{name: "error in invalid UTF-8", answer: js(400, "{\"error\":\"invalid_request\",\"error_description\":\"\xff\xfe\x80 \xed\xa0\x80\"}"), code: exit(4)},
	{name: "error of 500 kB", answer: js(400, `{"error":"`+xs(500000)+`","error_description":"`+xs(500000)+`"}`), code: exit(4)},
	{name: "echo of the request", answer: echo(400, "invalid_request"), code: exit(4)},
	{name: "echo of the request, as a scope", answer: echo(400, "invalid_scope"), code: exit(4)},
	{name: "PKCE required, always", answer: js(400, `{"error":"invalid_request","error_description":"Missing parameter: code_challenge"}`), code: exit(4)},
	{name: "PKCE required, once", answer: js(400, `{"error":"invalid_request","error_description":"Missing parameter: code_challenge"}`), first: 1, code: exit(0)},
	{name: "openid required, always", answer: js(400, `{"error":"invalid_scope","error_description":"openid is required"}`), code: exit(4)},
	{name: "offline_access refused, once", answer: js(400, `{"error":"invalid_scope","error_description":"offline_access"}`), first: 1, code: exit(0)},
	{name: "client unknown, always", answer: js(401, `{"error":"invalid_client"}`), code: exit(4)},
	{name: "client unknown, once", answer: js(404, ""), first: 1, code: exit(0)},
})

const (
	goodToken  = `{"access_token":"{access}","refresh_token":"{refresh}","expires_in":3600}`
	plainToken = `{"access_token":"{access}","expires_in":3600}`
)

// pollAnswers contains rows in which broken answers to a poll are followed by a good one.
var pollAnswers = join(again(1, some(append(everyShape(plainToken, 0), everyRedirect(0)...),
	"null", "an empty object", "empty", "a page", "truncated", "1 MB and a byte", "101", "no answer", "503, Retry-After an hour", "307 to another host", "308 to plain http",
	"302 with 100 kB", "307 with secrets", "an unsolicited second answer")),
	// Requests with these answers are repeated once, without waiting for the next poll.
	again(2, some(everyShape(plainToken, 0), "reset in the middle", "length too short", "secrets instead of a status line", "500")), []hostile{
		{name: "one broken answer after the other", answer: inTurn(some(append(everyShape(plainToken, 0), everyRedirect(0)...),
			"a list", "UTF-16", "control characters without JSON", "nested 200000 deep, not closed", "endless", "gzip bomb", "204", "302 to plain http")...), first: 8, code: exit(0)},
		{name: "labelled text/plain", answer: typed(200, "text/plain", goodToken), code: exit(0)},
		{name: "byte order mark, no content type", answer: typed(200, "", "\xef\xbb\xbf"+goodToken), code: exit(0)},
		{name: "lifetime as a string", answer: js(200, instead(goodToken, "3600", `"3600"`)), code: exit(0)},
		{name: "the scope as a list", answer: js(200, instead(goodToken, "{\"", `{"scope":["compute.read","compute.modify","compute.cancel","compute.create"],"`)), code: exit(0)},
		{name: "the scope with control characters", answer: js(200, instead(goodToken, "{\"", `{"scope":"`+requested+` `+evil+`","`)), code: exit(0, 6)},
		{name: "pending, status 200", answer: js(200, `{"error":"authorization_pending"}`), first: 1, code: exit(0)},
		{name: "pending, as an object", answer: js(400, `{"error":{"code":"authorization_pending"}}`), first: 1, code: exit(0)},
		{name: "pending, labelled text/html", answer: typed(400, "text/html", "\xef\xbb\xbf"+`{"error":"authorization_pending"}`), first: 1, code: exit(0)},
		{name: "temporarily unavailable", answer: js(400, `{"error":"temporarily_unavailable"}`), first: 1, code: exit(0)},
		{name: "denied, with control characters", answer: js(400, `{"error":"access_denied","error_description":"`+evil+`"}`), code: exit(4)},
		{name: "expired", answer: js(400, `{"error":"expired_token"}`), code: exit(7)},
		{name: "error with control characters", answer: js(400, `{"error":"`+evil+`","error_description":"`+evil+`"}`), code: exit(4)},
		{name: "echo of the request", answer: echo(400, "invalid_grant"), code: exit(4)},
		{name: "no refresh token", answer: js(200, `{"access_token":"{access}"}`), code: exit(0), lost: "there is no refresh token"},
		{name: "a token with a newline", answer: js(200, `{"access_token":"{access}\nEVIL"}`), code: exit(1, 6), lost: "there is no refresh token"},
		{name: "a token with control characters", answer: js(200, `{"access_token":"{access}`+evil+`"}`), code: exit(1, 6), lost: "there is no refresh token"},
		{name: "refresh token of 20 kB", answer: refreshToken(xs(20000)), code: exit(0)},
	})

// again makes the answers of rows hostile for only the first requests, and drops the text that
// stderr must contain.
func again(first int, rows []hostile) []hostile {
	for i := range rows {
		rows[i].first, rows[i].says = first, ""
	}
	return rows
}

var refreshAnswers = join(everyShape(plainToken, 4, 5), everyRedirect(5), []hostile{
	{name: "correct", answer: js(200, goodToken), code: exit(0)},
	{name: "HTTP/1.0 without headers", answer: raw(closed, "HTTP/1.0 200 OK\r\n\r\n"+goodToken), code: exit(0)},
	{name: "labelled text/plain", answer: typed(200, "text/plain", goodToken), code: exit(0)},
	{name: "labelled text/html", answer: typed(200, "text/html", goodToken), code: exit(0)},
	{name: "no content type, byte order mark", answer: typed(200, "", "\xef\xbb\xbf\r\n"+goodToken), code: exit(0)},
	{name: "lifetime as a string", answer: js(200, instead(goodToken, "3600", `"3600"`)), code: exit(0)},
	{name: "lifetime with a fraction", answer: js(200, instead(goodToken, "3600", "3599.97")), code: exit(0)},
	{name: "lifetime empty", answer: js(200, instead(goodToken, "3600", `""`)), code: exit(0)},
	{name: "lifetime null", answer: js(200, instead(goodToken, "3600", "null")), code: exit(0)},
	{name: "lifetime negative", answer: js(200, instead(goodToken, "3600", "-1")), code: exit(0)},
	{name: "lifetime NaN", answer: js(200, instead(goodToken, "3600", `"NaN"`)), code: exit(0)},
	{name: "lifetime huge", answer: js(200, instead(goodToken, "3600", "1e300")), code: exit(0)},
	{name: "lifetime over 64 bits", answer: js(200, instead(goodToken, "3600", "99999999999999999999")), code: exit(0)},
	{name: "login's lifetime huge", answer: js(200, instead(goodToken, "{\"", `{"refresh_expires_in":1e300,"`)), code: exit(0)},
	{name: "login's lifetime negative", answer: js(200, instead(goodToken, "{\"", `{"refresh_expires_in":-9223372036854775808,"`)), code: exit(0)},
	{name: "no lifetime", answer: js(200, instead(goodToken, `,"expires_in":3600`, "")), code: exit(0)},
	{name: "token type a number", answer: js(200, instead(goodToken, "{\"", `{"token_type":1,"`)), code: exit(0)},
	{name: "error null beside it", answer: js(200, instead(goodToken, "{\"", `{"error":null,"`)), code: exit(0)},
	{name: "the scope as a list", answer: js(200, `{"access_token":"opaque","refresh_token":"{refresh}","expires_in":3600,"scope":["compute.read","compute.modify","compute.cancel","compute.create"]}`), code: exit(0)},
	{name: "opaque and only openid, as a list", answer: js(200, `{"access_token":"opaque","refresh_token":"{refresh}","expires_in":3600,"scope":["openid"]}`), code: exit(6)},
	{name: "opaque and only openid", answer: js(200, `{"access_token":"opaque","refresh_token":"{refresh}","expires_in":3600,"scope":"openid"}`), code: exit(6)},
	{name: "a form", answer: typed(200, "application/x-www-form-urlencoded", "access_token=opaque&expires_in=3600"), code: exit(0)},
	{name: "duplicate members", answer: js(200, instead(goodToken, "{\"", `{"access_token":7,"refresh_token":"EVIL","`)), code: exit(0)},
	{name: "invalid UTF-8 beside it", answer: js(200, instead(goodToken, "{\"", "{\"x\":\"\xff\xfe\",\"")), code: exit(0)},
	{name: "nested 5000 deep beside it", answer: js(200, instead(goodToken, "{\"", `{"x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`,"`)), code: exit(0)},
	{name: "gzip", answer: zipped(goodToken, 0), code: exit(0)},
	{name: "no access token", answer: js(200, `{"refresh_token":"{refresh}"}`), code: exit(5)},
	{name: "refresh token beside an error", answer: js(400, `{"error":"invalid_grant","refresh_token":"{refresh}"}`), code: exit(3)},
	{name: "refresh token beside an error 500", answer: js(500, `{"error":"server_error","refresh_token":"{refresh}"}`), code: exit(5)},
	{name: "token beside an error 400", answer: js(400, goodToken), code: exit(4)},

	// These answers break after the new refresh token has arrived.
	{name: "whole, length too long", answer: sized(10, goodToken, closed), code: exit(0, 5)},
	{name: "whole, then a reset", answer: sized(10, goodToken, resets), code: exit(0, 5)},
	{name: "whole, then silence", answer: sized(10, goodToken, hangs), code: exit(0, 5), short: true},
	{name: "whole, then a slow drip", answer: raw(drips, ok200+"\r\n", goodToken, " "), code: exit(0, 5), short: true},
	{name: "whole, the last chunk missing", answer: chunkedWithoutEnd, code: exit(0, 5)},
	{name: "whole, then 1 MB of spaces", answer: js(200, goodToken+strings.Repeat(" ", mega)), code: exit(0, 5)},
	{name: "whole, then endless", answer: raw(repeats, ok200+"\r\n", goodToken, xs(1000)), code: exit(0, 5)},
	{name: "whole, gzip without its checksum", answer: zipped(goodToken, 8), code: exit(0, 5)},
	{name: "whole, then garbage", answer: js(200, goodToken+"\x00}}EVIL"), code: exit(0, 5)},

	{name: "invalid_grant, an echo", answer: echo(400, "invalid_grant"), code: exit(3)},
	{name: "invalid_token, 401, an echo", answer: echo(401, "invalid_token"), code: exit(3)},
	// The echo contains the word audience, which Keycloak uses for another error.
	{name: "invalid_client, an echo", answer: echo(401, "invalid_client"), code: exit(3, 4)},
	{name: "invalid_client", answer: js(401, `{"error":"invalid_client"}`), code: exit(3)},
	{name: "access_denied, an echo", answer: echo(403, "access_denied"), code: exit(4)},
	{name: "invalid_scope, an echo", answer: echo(400, "invalid_scope"), code: exit(4)},
	{name: "invalid_request, an echo", answer: echo(400, "invalid_request"), code: exit(4)},
	{name: "server_error, an echo", answer: echo(500, "server_error"), code: exit(5)},
	{name: "secrets percent-encoded in lower case", answer: recode(400, "invalid_grant", lowerHex), code: exit(3)},
	{name: "secrets escaped for HTML", answer: recode(400, "invalid_grant", html.EscapeString), code: exit(3)},
	{name: "interaction_required", answer: js(400, `{"error":"interaction_required","error_description":"`+evil+`"}`), code: exit(3)},
	{name: "temporarily_unavailable", answer: js(400, `{"error":"temporarily_unavailable"}`), code: exit(5)},
	{name: "error with control characters", answer: js(400, `{"error":"`+evil+`","error_description":"`+evil+`"}`), code: exit(4)},
	{name: "invalid_grant with control characters", answer: js(400, `{"error":"invalid_grant","error_description":"`+evil+`"}`), code: exit(3)},
	{name: "invalid_scope with control characters", answer: js(400, `{"error":"invalid_scope","error_description":"compute.read `+evil+`"}`), code: exit(4)},
	{name: "error as an object", answer: js(400, `{"error":{"code":"access_denied","message":"not on Sundays `+evil+`"}}`), code: exit(4), says: "not on Sundays"},
	{name: "error nested deep", answer: js(400, `{"error":`+strings.Repeat(`{"message":`, 1000)+`"x"`+strings.Repeat("}", 1000)+`}`), code: exit(4)},
	{name: "error of 500 kB", answer: js(400, `{"error":"`+xs(500000)+`","error_description":"`+xs(500000)+`"}`), code: exit(4)},
	{name: "error, status 200", answer: js(200, `{"error":"access_denied","error_description":"not on Sundays"}`), code: exit(4), says: "not on Sundays"},

	{name: "a token with a space", answer: js(200, instead(goodToken, "{access}", "{access} {access}")), code: exit(1, 5, 6)},
	{name: "a token with a newline", answer: js(200, instead(goodToken, "{access}", `{access}\nhint: run EVIL`)), code: exit(1, 5, 6)},
	{name: "a token with control characters", answer: js(200, instead(goodToken, "{access}", `{access}`+evil)), code: exit(1, 5, 6)},
	{name: "a token that is not ASCII", answer: js(200, instead(goodToken, "{access}", `{access}é`)), code: exit(1, 5, 6)},
	{name: "an opaque token with a NUL", answer: js(200, instead(goodToken, "{access}", `opaque\u0000`)), code: exit(1, 5, 6)},
	{name: "a token of 900 kB", answer: js(200, instead(goodToken, "{access}", "{access}"+xs(900000))), code: anyCode},
	{name: "an encrypted token", answer: js(200, instead(goodToken, "{access}", "a.b.c.d.e")), code: anyCode},
	{name: "an unsigned token", answer: jwt(`{"alg":"none"}`, `{"iss":"{issuer}","aud":"`+audience+`","scope":"`+requested+`","exp":4102444800}`), code: anyCode},
	{name: "a token of another audience", answer: claims(map[string]any{"aud": []string{"x\nhint: run EVIL\x1b[2J"}}), code: exit(6)},
	{name: "a token of another issuer", answer: claims(map[string]any{"iss": "https://x/\nhint: run EVIL\x1b[2J\u202e"}), code: exit(6)},
	{name: "a token of other scopes", answer: claims(map[string]any{"scope": "x\nhint: run EVIL\x1b[2J\u202e"}), code: exit(6)},
	{name: "a token of more scopes", answer: claims(map[string]any{"scope": requested + " \nhint:\nrun\nEVIL\x1b[2J\u202e compute.admin"}), code: exit(0, 6)},
	{name: "a token of 20000 scopes", answer: claims(map[string]any{"scope": requested + strings.Repeat(" compute.x", 20000)}), code: anyCode},
	{name: "a token of 5000 audiences", answer: claims(map[string]any{"aud": strings.Split(strings.Repeat("https://x.example.org ", 5000), " ")}), code: exit(6)},
	{name: "a token of an unknown profile", answer: claims(map[string]any{"wlcg.ver": "1.0\nhint: run EVIL\x1b[2J"}), code: exit(0, 6)},
	{name: "a token of a list of profiles", answer: claims(map[string]any{"wlcg.ver": []any{nil, map[string]any{}}, "ver": 7}), code: anyCode},
	{name: "a token that has expired", answer: claims(map[string]any{"exp": -1}), code: exit(6)},
	{name: "a token with a text as exp", answer: claims(map[string]any{"exp": "soon\nhint: run EVIL"}), code: anyCode},
	{name: "a token that never expires", answer: claims(map[string]any{"exp": 1e300, "iat": -1e300, "nbf": -1}), code: anyCode},
	{name: "a token from the far future", answer: claims(map[string]any{"iat": 1e18, "nbf": 1e300, "exp": 1e301}), code: exit(6)},
	{name: "a token of nulls", answer: jwt("null", "null"), code: anyCode},
	{name: "a token nested deep", answer: jwt(`{"alg":"ES256"}`, `{"iss":"{issuer}","x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`}`), code: anyCode},
	{name: "a token with duplicate claims", answer: jwt(`{"alg":"ES256"}`, `{"iss":"https://EVIL/","iss":"{issuer}","aud":"EVIL","aud":"`+audience+`","scope":"`+requested+`","exp":1,"exp":4102444800}`), code: anyCode},

	{name: "a token that has expired, in the year 9999", answer: dated("Fri, 31 Dec 9999 23:59:59 GMT", claims(map[string]any{"exp": 1})), code: exit(6)},
	{name: "a token of the future, in the year 1", answer: dated("Mon, 01 Jan 0001 00:00:00 GMT", claims(map[string]any{"iat": 4102444800, "nbf": 4102444800, "exp": 4102448400})), code: exit(6)},

	{name: "refresh token of 20 kB", answer: refreshToken(xs(20000)), code: exit(0)},
	{name: "refresh token of 200 kB", answer: refreshToken(xs(200000)), code: exit(0)},
	{name: "refresh token of 900 kB", answer: refreshToken(xs(900000)), code: exit(8), lost: "it is too long to be saved, which is reported"},
	{name: "refresh token with newlines and controls", answer: refreshToken("\nhint: run EVIL\x1b[2J\r\x7f\u202e"), code: exit(0)},
	{name: "refresh token that is not ASCII", answer: refreshToken(" é\u2028\ufeff "), code: exit(0)},
	{name: "refresh token with a NUL", answer: refreshToken("\x00x"), code: exit(0)},
	{name: "refresh token empty", answer: js(200, `{"access_token":"{access}","refresh_token":"","expires_in":3600}`), code: exit(0)},
	{name: "refresh token null", answer: js(200, `{"access_token":"{access}","refresh_token":null,"expires_in":3600}`), code: exit(0)},
	{name: "refresh token an object", answer: js(200, `{"access_token":"{access}","refresh_token":{"x":"y"},"expires_in":3600}`), code: exit(0)},
	{name: "refresh token that is a JWT with exp 1e300", answer: refreshToken(".eyJleHAiOjFlMzAwfQ."), code: exit(0)},
})

// dated sets the Date header of an answer.
func dated(date string, a answer) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date)
		a(h, w, r)
	}
}

// chunkedWithoutEnd sends the whole answer in one chunk, and closes the connection.
func chunkedWithoutEnd(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
	b := h.expand(goodToken)
	raw(closed, fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", ok200, len(b), b))(h, w, r)
}

var revocationAnswers = join(some(everyShape(goodToken, 4, 5), "a reason with secrets and control characters", "a header with secrets", "secrets instead of a status line", "slow drip", "no answer", "endless headers", "reset in the middle", "500", "101", "not HTTP"),
	some(everyRedirect(5), "307 to another host", "308 to plain http", "302 to plain http", "307 with secrets"), []hostile{
		{name: "a page", answer: typed(200, "text/html", "<p>EVIL"), code: exit(0, 5)},
		{name: "endless", answer: raw(repeats, ok200+"\r\n", xs(1000)), code: exit(0, 5)},
		{name: "echo of the request", answer: echo(400, "invalid_request"), code: exit(4)},
		{name: "echo of the request, 403", answer: echo(403, "access_denied"), code: exit(4)},
		{name: "error with control characters", answer: js(400, `{"error":"`+evil+`","error_description":"`+evil+`"}`), code: exit(4)},
	})

var deletionAnswers = join(some(everyShape(goodToken, 4, 5), "a reason with secrets and control characters", "slow drip", "no answer", "reset in the middle", "500", "101"),
	some(everyRedirect(4, 5), "307 to another host", "308 to plain http"), []hostile{
		{name: "echo of the request", answer: echo(400, "invalid_request"), code: exit(4)},
		{name: "echo of the request, 401", answer: echo(401, "invalid_token"), code: exit(4)},
		{name: "error with control characters", answer: js(403, `{"error":"`+evil+`","error_description":"`+evil+`"}`), code: exit(4)},
		{name: "405", answer: js(405, ""), code: exit(0)},
	})

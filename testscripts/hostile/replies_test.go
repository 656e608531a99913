//go:build unix

package hostile

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// js answers with JSON.
func js(status int, body string) answer { return typed(status, "application/json", body) }

// typed answers with a body and its label, which is left out if it is empty.
func typed(status int, contentType, body string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		b := h.expand(body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, b)
	}
}

// claims answers with an access token that has the claims, and a new refresh token.
func claims(c map[string]any) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		js(200, `{"access_token":"`+h.mint(c)+`","refresh_token":"{refresh}","expires_in":3600}`)(h, w, r)
	}
}

// jwt answers with an access token of this header and these claims.
func jwt(header, claims string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		raw := h.handOut(encodeJWT(header, h.expand(claims)))
		js(200, `{"access_token":"`+raw+`","refresh_token":"{refresh}","expires_in":3600}`)(h, w, r)
	}
}

// refreshToken answers with a new refresh token that ends with the suffix.
func refreshToken(suffix string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		h.replace(h.next + suffix)
		b, err := json.Marshal(map[string]any{"access_token": h.mint(nil), "refresh_token": h.next + suffix, "expires_in": 3600})
		if err != nil {
			panic(err) // two strings and a number
		}
		js(200, string(b))(h, w, r)
	}
}

// echo refuses with everything that the request holds in the description, in the form
// in which it came and decoded.
func echo(status int, code string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		authorization := r.Header.Get("Authorization")
		user, password, _ := r.BasicAuth()
		plainUser, _ := url.QueryUnescape(user)
		plain, _ := url.QueryUnescape(password)
		said := fmt.Sprintf("%s: %s", authorization, body)
		if form, err := url.ParseQuery(string(body)); err == nil {
			for name, v := range form {
				said = fmt.Sprintf("%s=%s %s", name, v[0], said)
			}
		}
		said = fmt.Sprintf("%s %s %s %s %s", user, password, plainUser, plain, said)
		b, err := json.Marshal(map[string]string{"error": code, "error_description": said})
		if err != nil {
			panic(err) // strings
		}
		js(status, string(b))(h, w, r)
	}
}

// recode is echo with the secrets in another encoding.
func recode(status int, code string, f func(string) string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		b, err := json.Marshal(map[string]string{"error": code, "error_description": "no: " + f(h.old) + " " + f(h.clientSecret)})
		if err != nil {
			panic(err) // strings
		}
		js(status, string(b))(h, w, r)
	}
}

// lowerHex percent-encodes with lower-case digits.
func lowerHex(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// inTurn gives the answers of several rows one after the other.
func inTurn(rows ...hostile) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		rows[(h.hostilities()-1)%len(rows)].answer(h, w, r)
	}
}

// redirect answers with a redirect.
func redirect(status int, to string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", h.expand(to))
		w.WriteHeader(status)
	}
}

// ending is how a raw answer ends.
type ending int

const (
	closed ending = iota
	hangs
	resets
	halfClosed // the TCP connection, without TLS's own close
	repeats    // what was written last, without end
	drips      // a byte of it every now and then
)

const ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// raw answers with exactly these bytes, of which the last part is repeated or dripped if
// the ending says so.
func raw(end ending, parts ...string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err) // HTTP/1.1 is all that is spoken here
		}
		defer func() { _ = conn.Close() }()
		tcp := conn.(*tls.Conn).NetConn().(*net.TCPConn)
		for _, p := range parts {
			if _, err := io.WriteString(conn, h.expand(p)); err != nil {
				return
			}
		}
		last := []byte(h.expand(parts[len(parts)-1]))
		switch end {
		case hangs:
			waitForEnd(conn)
		case resets:
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
		case halfClosed:
			_ = tcp.CloseWrite()
			waitForEnd(conn)
		case repeats:
			for err == nil {
				_, err = conn.Write(last)
			}
		case drips:
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for i := 0; err == nil; i++ {
				<-tick.C
				_, err = conn.Write(last[i%len(last) : i%len(last)+1])
			}
		}
	}
}

// waitForEnd waits until the client closes the connection.
func waitForEnd(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// sized answers with a Content-Length that is off by so much.
func sized(off int, body string, end ending) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		b := h.expand(body)
		raw(end, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok200, len(b)+off, b))(h, w, r)
	}
}

// zipped answers with a gzip stream of the body, without its last bytes.
func zipped(body string, cut int) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, h.expand(body))
		_ = z.Close()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes()[:b.Len()-cut])
	}
}

// bomb answers with a JSON object that unpacks to 200 MB.
func bomb(_ *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	_, _ = w.Write(packed())
}

var packed = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, `{"error":"`)
	block := bytes.Repeat([]byte("a"), 1<<20)
	for range 200 {
		_, _ = z.Write(block)
	}
	_, _ = io.WriteString(z, `"}`)
	_ = z.Close()
	return b.Bytes()
})

// utf16 encodes ASCII as UTF-16 with a byte order mark.
func utf16(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range []byte(s) {
		b.Write([]byte{c, 0})
	}
	return b.String()
}

// instead returns s with the first occurrence of a part replaced, which must be there.
func instead(s, part, by string) string {
	if !strings.Contains(s, part) {
		panic(part + " is not in " + s)
	}
	return strings.Replace(s, part, by, 1)
}

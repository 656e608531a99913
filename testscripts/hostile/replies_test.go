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

// js returns an answer that is labelled as JSON.
func js(status int, body string) answer { return typed(status, "application/json", body) }

// typed returns an answer with a body and a Content-Type, which is omitted if it is empty.
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

// claims returns an answer with an access token that has the claims, and a new refresh token.
func claims(c map[string]any) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		js(200, `{"access_token":"`+h.mint(c)+`","refresh_token":"{refresh}","expires_in":3600}`)(h, w, r)
	}
}

// jwt returns an answer with an access token that has this header and these claims.
func jwt(header, claims string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		raw := h.issue(encodeJWT(header, h.expand(claims)))
		js(200, `{"access_token":"`+raw+`","refresh_token":"{refresh}","expires_in":3600}`)(h, w, r)
	}
}

// refreshToken returns an answer with a new refresh token that ends with the suffix.
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

// echo returns an error whose description repeats the credentials and the body of the request,
// both as they were sent and decoded.
func echo(status int, code string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		authorization := r.Header.Get("Authorization")
		user, password, _ := r.BasicAuth()
		plainUser, _ := url.QueryUnescape(user)
		plain, _ := url.QueryUnescape(password)
		text := fmt.Sprintf("%s: %s", authorization, body)
		if form, err := url.ParseQuery(string(body)); err == nil {
			for name, v := range form {
				text = fmt.Sprintf("%s=%s %s", name, v[0], text)
			}
		}
		text = fmt.Sprintf("%s %s %s %s %s", user, password, plainUser, plain, text)
		b, err := json.Marshal(map[string]string{"error": code, "error_description": text})
		if err != nil {
			panic(err) // strings
		}
		js(status, string(b))(h, w, r)
	}
}

// recode returns an error whose description contains two secrets, encoded with f.
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

// inTurn returns an answer that uses the answers of several rows in turn.
func inTurn(rows ...hostile) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		rows[(h.hostilities()-1)%len(rows)].answer(h, w, r)
	}
}

// redirect returns an answer that is a redirect.
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
	halfClosed // the TCP connection is half-closed, without a TLS close_notify
	repeats    // the last part is repeated endlessly
	drips      // the bytes of the last part are repeated slowly, one at a time
)

const ok200 = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// raw returns an answer with exactly these bytes, which ends as end says.
func raw(end ending, parts ...string) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err) // the server uses only HTTP/1.1
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

// sized returns an answer whose Content-Length is the length of the body plus off.
func sized(off int, body string, end ending) answer {
	return func(h *hostileIssuer, w http.ResponseWriter, r *http.Request) {
		b := h.expand(body)
		raw(end, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok200, len(b)+off, b))(h, w, r)
	}
}

// zipped returns an answer with the body compressed by gzip, without the last cut bytes.
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

// bomb answers with a gzip-compressed JSON object of 200 MB.
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

// instead replaces the first occurrence of part in s. It panics if there is none.
func instead(s, part, by string) string {
	if !strings.Contains(s, part) {
		panic(part + " is not in " + s)
	}
	return strings.Replace(s, part, by, 1)
}

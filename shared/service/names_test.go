package service

import (
	"strings"
	"testing"
)

func TestStorageAudience(t *testing.T) {
	good := map[string]string{
		"root://X.example.org":                "https://x.example.org:1094",
		"root://x.example.org//store/f":       "https://x.example.org:1094",
		"roots://x.example.org:2094/":         "https://x.example.org:2094",
		"xroot://x.example.org?a=b":           "https://x.example.org:1094",
		"https://x.example.org":               "https://x.example.org",
		"https://x.example.org:443/":          "https://x.example.org",
		"HTTPS://x.example.org:1094/store/me": "https://x.example.org:1094",
		"davs://x.example.org:8443":           "https://x.example.org:8443",
		"x.example.org":                       "https://x.example.org:1094",
		"x.example.org:11094":                 "https://x.example.org:11094",
		"[2001:db8::1]":                       "https://[2001:db8::1]:1094",
		"root://x.example.org:443":            "https://x.example.org",
	}
	for in, want := range good {
		if got, err := StorageAudience("--server", in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "http://x", "ftp://x", "https://", "https://u@x", "https://u:p@x", "x/y", "root://x:0", "https://x y", "://x"} {
		if got, err := StorageAudience("--server", in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestScopePath(t *testing.T) {
	good := map[string]string{
		"/": "/", "//": "/", "/store/./user//me/": "/store/user/me", "/a/../b": "/b", "/../..": "/",
		"/with space": "/with%20space", "/%7Eme": "/~me", "/é": "/%C3%A9", "/a+b": "/a+b", "/a,b": "/a,b",
	}
	for in, want := range good {
		if got, err := ScopePath("--path", in); err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "store", "./x", "/a%2Fb", "/a%2fb", "/%", "/%zz", "/100%25", "/a%255b", `/a\b`, "/a%5Cb", "/a\x00", "/a\nb", "/%0a", "/\xff"} {
		if got, err := ScopePath("--path", in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzScopePath(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%41", "/a b", "/%25"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ScopePath("--path", s)
		if err != nil {
			return
		}
		if again, err := ScopePath("--path", p); err != nil || again != p {
			t.Fatalf("%q becomes %q, and this becomes %q %v", s, p, again, err)
		}
		if p[0] != '/' || strings.ContainsAny(p, " \t\r\n") || strings.Contains(p, "/../") {
			t.Fatalf("%q", p)
		}
	})
}

package store

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkTokenCache reads, writes and sweeps a cache of many entries.
func BenchmarkTokenCache(b *testing.B) {
	for _, entries := range []int{10, 1000, 100_000} {
		home := b.TempDir()
		s := New(Options{LookupEnv: func(k string) (string, bool) { return home, k == "HOME" }, Now: func() time.Time { return epoch }})
		key := CacheKey{Issuer: "https://i/", Scopes: []string{"s"}}
		if err := s.PutToken(key, opaque(epoch.Add(time.Hour))); err != nil {
			b.Fatal(err)
		}
		dir, err := s.tokenDir()
		if err != nil {
			b.Fatal(err)
		}
		entry, err := os.ReadFile(filepath.Join(dir, key.file()))
		if err != nil {
			b.Fatal(err)
		}
		for range entries - 1 {
			var name [32]byte
			_, _ = rand.Read(name[:])
			if err := os.WriteFile(filepath.Join(dir, hex.EncodeToString(name[:])+cacheSuffix), entry, 0o600); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("op=get/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok, err := s.CachedToken(key); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
		b.Run(fmt.Sprintf("op=put/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.PutToken(key, opaque(epoch.Add(time.Hour))); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("op=sweep/entries=%d", entries), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := os.Remove(filepath.Join(dir, sweptFile)); err != nil {
					b.Fatal(err)
				}
				s.sweep(dir)
			}
		})
	}
}

// Command fill fills a token cache or a list of logins with copies of its first entry.
//
//	fill tokens COUNT DIR     copies the cached token in DIR until there are COUNT
//	fill logins COUNT FILE    copies the login in FILE until there are COUNT
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: fill tokens COUNT DIR | logins COUNT FILE")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if args[0] == "tokens" {
		return tokens(n, args[2])
	}
	return logins(n, args[2])
}

func tokens(n int, dir string) error {
	list, err := filepath.Glob(filepath.Join(dir, "*.token"))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("no token in " + dir)
	}
	b, err := os.ReadFile(list[0])
	if err != nil {
		return err
	}
	for range n - len(list) {
		var name [32]byte
		_, _ = rand.Read(name[:])
		if err := os.WriteFile(filepath.Join(dir, hex.EncodeToString(name[:])+".token"), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func logins(n int, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var list struct {
		Version int              `json:"version"`
		Logins  []map[string]any `json:"logins"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	if len(list.Logins) == 0 {
		return errors.New("no login in " + file)
	}
	for i := len(list.Logins); i < n; i++ {
		c := map[string]any{}
		for k, v := range list.Logins[0] {
			c[k] = v
		}
		c["issuer"] = fmt.Sprintf("https://issuer-%05d.example.org/", i)
		list.Logins = append(list.Logins, c)
	}
	if b, err = json.Marshal(list); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}

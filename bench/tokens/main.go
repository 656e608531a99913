// Command tokens generates the input of the benchmarks. It also does the minimum work that is
// possible with this input, as a floor to compare with.
//
//	tokens make COUNT ALG KEYS > tokens   signed tokens of 1 kB for a compute element, one per line; their
//	                                      JWK Set in the file KEYS
//	tokens make COUNT ALG KEYS storage > tokens    the same for storage
//	tokens log < tokens > log             the same tokens in lines of a JSON log
//	tokens decode < tokens                base64 decoding and JSON validation, on all processors
//	tokens decode log < log               the same, after validation of the log line as JSON
//	tokens verify KEYS < tokens           the same, and one verification each by Go's crypto
package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tokens:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case (len(args) == 4 || len(args) == 5 && args[4] == "storage") && args[0] == "make":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		purpose := use{"ce.example.org:9619", "compute.read compute.modify compute.cancel compute.create"}
		if len(args) == 5 {
			purpose = use{"https://ce.example.org:1094", "storage.read:/ storage.modify:/store/user storage.create:/store/group"}
		}
		return generate(n, args[2], args[3], purpose)
	case len(args) == 1 && args[0] == "log":
		return toLog()
	case len(args) == 1 && args[0] == "decode":
		return process(false, func(string, []byte) bool { return true })
	case len(args) == 2 && args[0] == "decode" && args[1] == "log":
		return process(true, func(string, []byte) bool { return true })
	case len(args) == 2 && args[0] == "verify":
		check, err := verifier(args[1])
		if err != nil {
			return err
		}
		return process(false, check)
	}
	return errors.New("usage: tokens make COUNT ALG KEYS [storage] | log | decode [log] | verify KEYS")
}

var b64 = base64.RawURLEncoding

const (
	keyID = "bench"
	// size is the length of a token in bytes, without the newline.
	size = 1000
	// rsaTokens is the number of different tokens signed with RSA, which takes a millisecond
	// each. They are repeated.
	rsaTokens = 2000
)

// use is the audience and the scopes of the tokens.
type use struct{ audience, scope string }

// generate writes n tokens that the service accepts, and the key set to the file keys.
func generate(n int, alg, keys string, purpose use) error {
	var sign func(digest []byte) ([]byte, error)
	key := map[string]string{"kid": keyID, "use": "sig", "alg": alg}
	length := 64
	different := n
	switch alg {
	case "ES256":
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			return err
		}
		key["kty"], key["crv"], key["x"], key["y"] = "EC", "P-256", b64.EncodeToString(point[1:33]), b64.EncodeToString(point[33:])
		sign = func(digest []byte) ([]byte, error) {
			r, s, err := ecdsa.Sign(rand.Reader, private, digest)
			if err != nil {
				return nil, err
			}
			out := make([]byte, 64)
			r.FillBytes(out[:32])
			s.FillBytes(out[32:])
			return out, nil
		}
	case "RS256":
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		key["kty"], key["n"], key["e"] = "RSA", b64.EncodeToString(private.N.Bytes()), b64.EncodeToString(big.NewInt(int64(private.E)).Bytes())
		sign = func(digest []byte) ([]byte, error) {
			return rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest)
		}
		length, different = 256, min(n, rsaTokens)
	default:
		return fmt.Errorf("unknown algorithm %q", alg)
	}
	set, err := json.Marshal(map[string]any{"keys": []any{key}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(keys, set, 0o600); err != nil {
		return err
	}
	header := b64.EncodeToString([]byte(fmt.Sprintf(`{"kid":%q,"alg":%q,"typ":"JWT"}`, keyID, alg)))
	// room is the size of the claims.
	room := b64.DecodedLen(size - len(header) - b64.EncodedLen(length) - 2)
	lines := make([]string, different)
	err = parallel(different, func(i int) error {
		input := header + "." + b64.EncodeToString([]byte(claims(i, room, purpose)))
		digest := sha256.Sum256([]byte(input))
		sig, err := sign(digest[:])
		lines[i] = input + "." + b64.EncodeToString(sig) + "\n"
		return err
	})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(os.Stdout, 1<<20)
	for i := range n {
		if _, err := w.WriteString(lines[i%different]); err != nil {
			return err
		}
	}
	return w.Flush()
}

// claims returns the claims of a WLCG token, filled with groups up to the size room. The token
// is valid for an hour from 2026-01-01T00:00:00Z.
func claims(i, room int, purpose use) string {
	head := fmt.Sprintf(`{"wlcg.ver":"1.0","sub":"%08x-5c1c-4d8a-9d4f-0f8a5f3b6c2d","aud":%q,"nbf":1767225540,"scope":%q,`+
		`"iss":"https://iam.example.org/","exp":1767229200,"iat":1767225600,"jti":"%08x-93a1-4c53-8a55-7e0f1c3f1c11","client_id":"a3f1b5c2-7d1e-4b57-9a4e-2f6f0d9c8b7a","wlcg.groups":["/wlcg"`, i, purpose.audience, purpose.scope, i)
	var b strings.Builder
	b.WriteString(head)
	for j := 0; ; j++ {
		group := fmt.Sprintf(`,"/wlcg/group-%02d"`, j)
		if b.Len()+len(group)+2 > room {
			break
		}
		b.WriteString(group)
	}
	b.WriteString("]")
	b.WriteString(strings.Repeat(" ", max(0, room-b.Len()-1)))
	return b.String() + "}"
}

// toLog writes a line of a web server's log for each token.
func toLog() error {
	sc := bufio.NewScanner(os.Stdin)
	w := bufio.NewWriterSize(os.Stdout, 1<<20)
	for i := 0; sc.Scan(); i++ {
		_, err := fmt.Fprintf(w, `{"time":"2026-01-01T00:00:00.%06dZ","level":"info","msg":"request","remote":"192.0.2.%d:4711","method":"POST","path":"/condor","status":200,"request":{"headers":{"Host":["ce.example.org:9619"],"Authorization":["Bearer %s"],"User-Agent":["curl/7.88.1"]}},"duration":0.00%03d}`+"\n",
			i%1000000, i%256, sc.Bytes(), i%1000)
		if err != nil {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return err
	}
	return w.Flush()
}

// parallel calls f for 0 to n-1 on all processors.
func parallel(n int, f func(int) error) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// process decodes every line of stdin on all processors, checks that header and claims are
// JSON, and calls check with the signed part and the signature, in any order. In a log, the
// token follows the word Bearer.
func process(log bool, check func(signed string, signature []byte) bool) error {
	chunks := make(chan []byte, runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	good, bad := 0, 0
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			var buf [3][]byte
			for chunk := range chunks {
				ok, failed := 0, 0
				for line := range bytes.Lines(chunk) {
					line = bytes.TrimSuffix(line, []byte("\n"))
					if log {
						valid := json.Valid(line)
						_, line, _ = bytes.Cut(line, []byte("Bearer "))
						if line, _, _ = bytes.Cut(line, []byte(`"`)); !valid {
							line = nil
						}
					}
					if decode(line, &buf, check) {
						ok++
					} else {
						failed++
					}
				}
				mu.Lock()
				good, bad = good+ok, bad+failed
				mu.Unlock()
			}
		})
	}
	err := split(os.Stdin, chunks)
	close(chunks)
	wg.Wait()
	fmt.Printf("%d good, %d bad\n", good, bad)
	if err == nil && bad > 0 {
		err = errors.New("invalid tokens")
	}
	return err
}

// split sends chunks of whole lines.
func split(r io.Reader, chunks chan<- []byte) error {
	var rest []byte
	for {
		chunk := make([]byte, 256<<10)
		n := copy(chunk, rest)
		m, err := io.ReadFull(r, chunk[n:])
		chunk = chunk[:n+m]
		if err != nil {
			chunks <- chunk
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil
			}
			return err
		}
		end := bytes.LastIndexByte(chunk, '\n') + 1
		rest = append([]byte(nil), chunk[end:]...)
		chunks <- chunk[:end]
	}
}

func decode(line []byte, buf *[3][]byte, check func(string, []byte) bool) bool {
	parts := bytes.SplitN(line, []byte("."), 3)
	if len(parts) != 3 {
		return false
	}
	for i, p := range parts {
		if need := b64.DecodedLen(len(p)); cap(buf[i]) < need {
			buf[i] = make([]byte, need)
		}
		n, err := b64.Decode(buf[i][:cap(buf[i])], p)
		if err != nil {
			return false
		}
		buf[i] = buf[i][:n]
	}
	return json.Valid(buf[0]) && json.Valid(buf[1]) && check(string(line[:len(line)-len(parts[2])-1]), buf[2])
}

// verifier returns a function that verifies signatures with the key in a file of generate.
func verifier(file string) (func(string, []byte) bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, err
	}
	if len(set.Keys) != 1 {
		return nil, fmt.Errorf("%s has %d keys, not 1", file, len(set.Keys))
	}
	part := func(name string) []byte {
		b, _ := b64.DecodeString(set.Keys[0][name])
		return b
	}
	if set.Keys[0]["kty"] == "RSA" {
		pub := &rsa.PublicKey{N: new(big.Int).SetBytes(part("n")), E: int(new(big.Int).SetBytes(part("e")).Int64())}
		return func(signed string, sig []byte) bool {
			digest := sha256.Sum256([]byte(signed))
			return rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], sig) == nil
		}, nil
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, part("x")...), part("y")...))
	if err != nil {
		return nil, err
	}
	return func(signed string, sig []byte) bool {
		digest := sha256.Sum256([]byte(signed))
		return len(sig) == 64 && ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	}, nil
}

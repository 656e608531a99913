package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/finding"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/jwks"
	"example.org/token-helpers/shared/token"
)

// The states of a signature.
const (
	notChecked = "not checked"
	sigValid   = "valid"
	sigInvalid = "invalid"
	sigNone    = "none"
	sigMissing = "missing"
)

// keys are the keys that signatures are checked against: those of a file, or those that
// issuers publish. The zero value has no keys.
type keys struct {
	// file is the name of the file of set.
	file string
	set  *jwks.Set
	// fetcher fetches the keys. It is nil unless --fetch-keys is given.
	fetcher *fetcher
}

func (k *keys) none() bool { return k.set == nil && k.fetcher == nil }

// signature is the result of checking a signature.
type signature struct {
	findings []finding.Finding
	state    string
	// hadKeys means that there were keys to check with.
	hadKeys bool
	// code is the exit code if the keys could not be fetched, otherwise [cli.OK].
	code int
}

// verify checks a signature if there are keys. only, unless it is "", is the only issuer
// from which keys are fetched.
func (k *keys) verify(j *token.JWT, raw []byte, only string) signature {
	if j.Unsigned() {
		return signature{state: sigNone, hadKeys: k.set != nil}
	}
	if j.SignatureMissing() {
		return signature{state: sigMissing}
	}
	set := k.set
	iss, _ := j.String("iss")
	if k.fetcher != nil && (only == "" || token.SameIssuer(iss, only)) {
		var err error
		if set, err = k.fetcher.keys(iss); err != nil {
			return unavailable(err)
		}
	}
	if set == nil {
		return signature{state: notChecked}
	}
	s := signature{findings: set.Verify(string(raw), j), state: sigValid, hadKeys: true}
	for _, f := range s.findings {
		switch f.Code {
		case finding.CritUnknown:
		case finding.SignatureInvalid, finding.AlgRefused:
			s.state = sigInvalid
		default: // there is no usable key
			s.state = notChecked
		}
	}
	return s
}

func unavailable(err error) signature {
	s := signature{state: notChecked, code: cli.Failed}
	if issuer.IsNetwork(err) {
		s.code = cli.Network
	}
	s.findings = []finding.Finding{{Code: finding.KeysUnavailable, Message: "could not fetch the issuer's keys: " + err.Error(),
		Hint:   "servers fetch them the same way: check the issuer's name, give its CA with --cafile, or give the keys with --jwks FILE",
		Source: "OpenID Connect Discovery section 3, RFC 8414 section 2"}}
	return s
}

// fetcher fetches the keys of issuers, each once.
type fetcher struct {
	client *issuer.Client
	// budget is the time limit for all issuers together, so that a file of tokens cannot
	// keep the program busy forever. It starts with the first request, not when the program
	// starts to wait for input.
	budget  time.Duration
	ctx     context.Context
	fetched map[string]fetchedKeys
}

type fetchedKeys struct {
	set *jwks.Set
	err error
}

// maxIssuers is the maximum number of issuers that are contacted, so that a file of tokens
// cannot cause a flood of requests.
const maxIssuers = 20

func (f *fetcher) keys(iss string) (*jwks.Set, error) {
	if k, ok := f.fetched[iss]; ok {
		return k.set, k.err
	}
	if len(f.fetched) >= maxIssuers {
		return nil, fmt.Errorf("keys of %d other issuers were fetched already, which is the limit", maxIssuers)
	}
	set, err := f.fetch(iss)
	f.fetched[iss] = fetchedKeys{set, err}
	return set, err
}

func (f *fetcher) fetch(iss string) (*jwks.Set, error) {
	if iss == "" {
		return nil, errors.New("the token names no issuer")
	}
	if err := issuer.CheckURL("the issuer", iss); err != nil {
		return nil, err
	}
	if f.ctx == nil {
		ctx, cancel := context.WithTimeout(context.Background(), f.budget)
		context.AfterFunc(ctx, cancel)
		f.ctx = ctx
	}
	b, err := f.client.Keys(f.ctx, iss)
	if err != nil {
		return nil, err
	}
	return jwks.Parse(b)
}

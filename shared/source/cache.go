package source

import (
	"context"
	"time"

	"example.org/token-helpers/shared/token"
)

func init() {
	register("cache", func(d *Deps, _ string) (Source, error) { return cache{d}, nil })
}

// cache has the tokens that were handed out before and still live long enough.
type cache struct{ d *Deps }

func (c cache) Token(_ context.Context, req token.Request) (token.Token, error) {
	if c.d.ForceNew {
		return token.Token{}, none("a new token was asked for")
	}
	t, ok, err := c.d.Store.CachedToken(c.d.CacheKey(req))
	if err != nil {
		return token.Token{}, err
	}
	if !ok {
		return token.Token{}, none("no token is cached for this request")
	}
	if left, known := t.Lifetime(c.d.Now()); !known || left < req.MinLifetime {
		return token.Token{}, none("the cached token ends too soon")
	}
	t.Source = "cache"
	return t, nil
}

// Report implements [Reporter].
func (c cache) Report(ctx context.Context, req token.Request) (bool, string) {
	t, err := c.Token(ctx, req)
	if err != nil {
		return false, err.Error()
	}
	left, _ := t.Lifetime(c.d.Now())
	return true, "a token that ends in " + left.Round(time.Second).String()
}

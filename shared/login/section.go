package login

import (
	"context"
	"errors"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// section calls change in a critical section for the logins at an issuer. The order of the
// steps protects refresh tokens:
//
//  1. The keyring is opened and read, which may prompt for a passphrase. This is done before
//     the lock is acquired, so that no other process waits for the user.
//  2. The issuer's lock is acquired. Logins are loaded under it.
//  3. Signals are deferred and diagnostics are delayed.
//  4. change prepares everything that a save needs, sends the request to the issuer, and
//     saves. Only the HTTP client's timeout can interrupt the request.
//  5. Signals are restored, the lock is released, and diagnostics are printed.
//
// A signal that was deferred then terminates the process, unless a login was lost, which must
// be reported first. In this case SIGPIPE is ignored as well.
func (l *Logins) section(ctx context.Context, issuerURL, clientID string, change func(context.Context, *changing) error) error {
	if err := l.Store.Unlock(ctx, issuerURL, clientID); err != nil {
		return err
	}
	tx, err := l.Store.Begin(ctx, issuerURL)
	if err != nil {
		return err
	}
	defer tx.End()
	flush := l.Hold()
	deferred := cli.DeferSignals()
	err = change(store.Guarded(context.WithoutCancel(ctx)), &changing{l: l, tx: tx, issuer: issuerURL})
	var lost *LostError
	isLost := errors.As(err, &lost)
	if isLost {
		// The access token must still be printed, even if stderr is closed.
		cli.IgnorePipe()
	}
	pending := deferred.Restore()
	tx.End()
	if isLost {
		pending = nil
	}
	cli.Raise(pending)
	flush()
	return err
}

// changing is the state of a change. It is valid only inside the section.
type changing struct {
	l      *Logins
	tx     *store.Tx
	issuer string
}

// save saves a login whose refresh token may be the only one that the issuer accepts. It
// ignores the cancellation of ctx. If it fails, the login is lost, and the [LostError]
// contains t, the last access token. [store.Tx.Prepare] must have been called before the
// request to the issuer.
func (c *changing) save(ctx context.Context, lg *store.Login, t token.Token) error {
	if err := c.tx.Save(context.WithoutCancel(ctx), lg); err != nil {
		return &LostError{Token: t, Issuer: c.issuer, Err: err}
	}
	return nil
}

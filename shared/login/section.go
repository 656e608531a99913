package login

import (
	"context"
	"errors"

	"example.org/token-helpers/shared/cli"
	"example.org/token-helpers/shared/store"
	"example.org/token-helpers/shared/token"
)

// section changes logins at an issuer. The order is what keeps a refresh token safe:
//
//  1. the keyring is opened and read, and a passphrase asked for, before the lock, so
//     that no process waits for a person;
//  2. the issuer's lock is taken, and logins are loaded under it;
//  3. signals are deferred, and diagnostics are held back;
//  4. change prepares everything that a save needs, asks the issuer, and saves. Only
//     the client's own time limit ends an exchange;
//  5. signals are restored, the lock is released, and diagnostics are printed.
//
// A signal that arrived meanwhile then ends the process, unless a login was lost, which
// must be reported first. Then a closed pipe does not end the process any more either.
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
	gone := errors.As(err, &lost)
	if gone {
		// The access token is still to be printed, even if nobody reads the messages.
		cli.IgnorePipe()
	}
	pending := deferred.Restore()
	tx.End()
	if gone {
		pending = nil
	}
	cli.Raise(pending)
	flush()
	return err
}

// changing is a change under way. It is only valid inside of the section.
type changing struct {
	l      *Logins
	tx     *store.Tx
	issuer string
}

// save saves a login whose refresh token may be the only one that the issuer accepts.
// Neither an interrupt nor a time limit cuts it short. If it fails, the login is lost,
// and t is what is left of it. [store.Tx.Prepare] must have been called before the issuer
// was asked.
func (c *changing) save(ctx context.Context, lg *store.Login, t token.Token) error {
	if err := c.tx.Save(context.WithoutCancel(ctx), lg); err != nil {
		return &LostError{Token: t, Issuer: c.issuer, Err: err}
	}
	return nil
}

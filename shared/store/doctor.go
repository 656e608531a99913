package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"example.org/token-helpers/shared/private"
)

// Place is a directory of the store.
type Place struct {
	// What describes its contents.
	What, Path string
	// Exists is false until something is stored in it.
	Exists bool
	// Err is the reason why it cannot be used, or nil.
	Err error
}

// Places checks and returns the directories of the store. It changes nothing.
func (s *Store) Places() []Place {
	var out []Place
	for _, p := range []struct {
		what string
		dir  func() (string, error)
	}{
		{"list of logins", s.stateDir},
		{"encrypted logins", func() (string, error) {
			d, err := s.dataDir()
			return filepath.Join(d, "keyring"), err
		}},
		{"discovery documents", func() (string, error) {
			d, err := s.cacheDir()
			return filepath.Join(d, "discovery"), err
		}},
		{"access tokens", s.tokenDir},
	} {
		place := Place{What: p.what}
		place.Path, place.Err = p.dir()
		if place.Err == nil {
			place.Exists, place.Err = usable(place.Path)
		}
		place.Err = wrap("check the directory", place.Err)
		out = append(out, place)
	}
	return out
}

// usable reports whether a directory exists. It returns an error if the directory cannot be
// used or created.
func usable(dir string) (exists bool, err error) {
	err = private.CheckDir(dir)
	if err == nil {
		return true, private.Writable(dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	// It would be created in the nearest parent that exists.
	parent := filepath.Dir(dir)
	for {
		err := private.Writable(parent)
		if !errors.Is(err, fs.ErrNotExist) || parent == filepath.Dir(parent) {
			return false, err
		}
		parent = filepath.Dir(parent)
	}
}

// KeyringState describes where logins are or would be stored, and how that is unlocked. It
// does not open the keyring, prompt the user or change anything, so an available keyring may
// still fail to open.
func (s *Store) KeyringState() (what string, err error) {
	const op = "check the keyring"
	name, err := s.remembered()
	if err != nil {
		return "", wrap(op, err)
	}
	chosen := "remembered from an earlier login"
	if s.o.Backend != "" && s.o.Backend != auto {
		name, chosen = s.o.Backend, "chosen with --keyring"
	}
	if name == "" {
		chosen = "as no login has been saved yet"
		for _, c := range usableCandidates() {
			if name = c.backend; name == file || available(name) == nil {
				break
			}
		}
	}
	if name != file {
		if err := available(name); err != nil {
			return "", wrap(op, &Error{Op: "open the keyring " + name, Err: err, Hint: hintFor(name)})
		}
		return fmt.Sprintf("%s (%s)", name, chosen), nil
	}
	dir, err := s.dataDir()
	if err != nil {
		return "", err
	}
	how, err := (&fileRing{s: s, dir: filepath.Join(dir, "keyring")}).unlocks()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("encrypted files (%s); the passphrase is %s", chosen, how), nil
}

// unlocks describes where the passphrase would come from. A passphrase file is checked even
// while it is not needed because the kernel holds the passphrase.
func (r *fileRing) unlocks() (string, error) {
	if path := r.s.getenv(passphraseVariable); path != "" {
		_, err := private.ReadSecret(path)
		return "read from " + path, secretError("read the passphrase", err)
	}
	switch {
	case r.s.o.UnlockFor > 0 && held(r.holdName()) != nil:
		return "held by the kernel", nil
	case r.s.getenv(passphraseCommand) != "":
		return "printed by the command in " + passphraseCommand, nil
	case r.s.o.Passphrase != nil:
		return "asked for on the terminal", nil
	}
	return "", nobodyToAsk()
}

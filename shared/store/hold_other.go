//go:build !linux

package store

import "time"

func hold(string, []byte, time.Duration) error { return errNoKeyStore }

func held(string) []byte { return nil }

func unhold(string) {}

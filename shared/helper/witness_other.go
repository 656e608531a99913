//go:build !linux && !windows

package helper

import (
	"os"
	"syscall"
)

// observer is implemented only on Linux.
type observer struct{}

func newObserver() *observer                { return nil }
func (*observer) begin()                    {}
func (*observer) saw(n syscall.Signal) bool { return terminalSignal(n) }
func (*observer) continued() bool           { return false }
func (*observer) close()                    {}
func ignoredAtStart(os.Signal) bool         { return false }

//go:build !windows

package prompt

const ttyName = "/dev/tty"

package fresh

import (
	"net"
	"strings"
	"time"
)

// Notifier reports the state of a service to the service manager (sd_notify(3)).
type Notifier struct {
	socket string
}

// NewNotifier returns a Notifier for the socket named by NOTIFY_SOCKET. If that is not set, the
// Notifier does nothing.
func NewNotifier(getenv func(string) string) Notifier { return Notifier{getenv("NOTIFY_SOCKET")} }

// Send sends assignments, such as READY=1 and STATUS=text. It ignores errors, because the
// service works without the notification.
func (n Notifier) Send(assignments ...string) {
	if n.socket == "" {
		return
	}
	name := n.socket
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return // vsock addresses, for example, are not supported
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	// A service manager that does not read must not block the renewals.
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte(strings.Join(assignments, "\n")))
}

package fresh

import (
	"net"
	"strings"
	"time"
)

// Notifier tells the service manager what state a service is in (sd_notify(3)).
type Notifier struct {
	socket string
}

// NewNotifier makes a Notifier for the socket that NOTIFY_SOCKET names. Without one it
// does nothing.
func NewNotifier(getenv func(string) string) Notifier { return Notifier{getenv("NOTIFY_SOCKET")} }

// Send sends assignments, such as READY=1 and STATUS=text. A service manager that cannot
// be reached is not an error: nobody waits for the message.
func (n Notifier) Send(assignments ...string) {
	if n.socket == "" {
		return
	}
	name := n.socket
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return // vsock addresses and the like
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	// A service manager that does not read must not stop the renewals.
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte(strings.Join(assignments, "\n")))
}

//go:build linux

package credd

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"example.org/token-helpers/shared/text"
)

// Log writes lines in the format of HTCondor's daemons, each with the user and the service
// that it is about. It is never given a secret, and what others wrote in a line cannot begin
// another one.
type Log struct {
	mu   sync.Mutex
	path string
	w    io.Writer // in the place of a file
	now  func() time.Time
	most int64
}

// NewLog makes a log that writes to a file, which becomes FILE.old when it is longer than
// most bytes, or to w if path is empty.
func NewLog(path string, w io.Writer, most int64, now func() time.Time) *Log {
	return &Log{path: path, w: w, most: most, now: now}
}

// Info, Warning and Error log a line about a user's service. Both may be empty.
func (l *Log) Info(user, service, format string, a ...any) { l.log("", user, service, format, a...) }

// Warning logs a problem that the credmon deals with.
func (l *Log) Warning(user, service, format string, a ...any) {
	l.log("WARNING: ", user, service, format, a...)
}

// Error logs a problem that somebody must deal with.
func (l *Log) Error(user, service, format string, a ...any) {
	l.log("ERROR: ", user, service, format, a...)
}

// descriptors are paths that mean nothing to a reader: the directories with logins.
var descriptors = text.Pattern{Expr: `/proc/self/fd/[0-9]+`}

func (l *Log) log(level, user, service, format string, a ...any) {
	if l == nil {
		return
	}
	about := ""
	if user != "" {
		about = "user " + text.Foreign(user, 100)
		if service != "" {
			about += ", service " + text.Foreign(service, 100)
		}
		about += ": "
	}
	said := descriptors.Get().ReplaceAllLiteralString(fmt.Sprintf(format, a...), user+"/"+loginsDir)
	said = strings.ReplaceAll(said, "\n", "; ") // of joined errors
	line := fmt.Sprintf("%s (pid:%d) %s%s%s\n", l.now().Format("01/02/06 15:04:05"), os.Getpid(), level, about, text.Foreign(said, 1000))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" {
		_, _ = io.WriteString(l.w, line)
		return
	}
	// The file is opened each time, since others may rotate it. Its directory belongs to
	// HTCondor's account.
	f, err := openLog(l.path)
	if err != nil {
		_, _ = io.WriteString(l.w, line)
		return
	}
	_, _ = f.WriteString(line)
	fi, err := f.Stat()
	_ = f.Close()
	if err == nil && l.most > 0 && fi.Size() > l.most {
		_ = os.Rename(l.path, l.path+".old")
	}
}

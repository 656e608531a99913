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
// that it is about. Callers never pass secrets. Newlines in values are replaced, so that a
// value cannot forge a line.
type Log struct {
	mu   sync.Mutex
	path string
	w    io.Writer // used if path is empty or the file cannot be opened
	now  func() time.Time
	most int64
}

// NewLog returns a log that writes to the file path, or to w if path is empty. The file is
// renamed to FILE.old when it is longer than most bytes.
func NewLog(path string, w io.Writer, most int64, now func() time.Time) *Log {
	return &Log{path: path, w: w, most: most, now: now}
}

// Info logs a line about a user's service. Both may be empty.
func (l *Log) Info(user, service, format string, a ...any) { l.log("", user, service, format, a...) }

// Warning logs a problem that the credmon handles.
func (l *Log) Warning(user, service, format string, a ...any) {
	l.log("WARNING: ", user, service, format, a...)
}

// Error logs a problem that the user or the administrator must solve.
func (l *Log) Error(user, service, format string, a ...any) {
	l.log("ERROR: ", user, service, format, a...)
}

// descriptors matches the paths of the directories with logins, which mean nothing to a
// reader.
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
	msg := descriptors.Get().ReplaceAllLiteralString(fmt.Sprintf(format, a...), user+"/"+loginsDir)
	msg = strings.ReplaceAll(msg, "\n", "; ") // between joined errors
	line := fmt.Sprintf("%s (pid:%d) %s%s%s\n", l.now().Format("01/02/06 15:04:05"), os.Getpid(), level, about, text.Foreign(msg, 1000))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" {
		_, _ = io.WriteString(l.w, line)
		return
	}
	// The file is opened for each line, because other programs may rotate it: its directory
	// belongs to HTCondor's account.
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

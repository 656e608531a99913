package credd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openLog opens a log file for appending. It rejects symbolic links and files with several
// names.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 {
		_ = f.Close()
		return nil, errors.New("the log is not a regular file with one name")
	}
	return f, nil
}

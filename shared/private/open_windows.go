package private

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
)

// open opens a file for reading.
func open(path string, _ int) (*os.File, error) {
	return share(path, windows.GENERIC_READ, windows.OPEN_EXISTING)
}

// createTemp creates a file that is open for reading and writing.
func createTemp(dir string) (*os.File, error) {
	return share(filepath.Join(dir, tempPrefix+rand.Text()), windows.GENERIC_READ|windows.GENERIC_WRITE, windows.CREATE_NEW)
}

// share opens a file such that it can be renamed and removed while it is open, as on other
// systems. With package os that is not possible (https://go.dev/issue/32088).
func share(path string, access, disposition uint32) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	// FILE_FLAG_BACKUP_SEMANTICS is required to open directories.
	h, err := windows.CreateFile(name, access, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		disposition, windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// renameTimeout is how long rename waits for other programs.
const renameTimeout = 2 * time.Second

// rename renames from to to. It retries, because on Windows renaming fails while another
// process, such as another helper or a virus scanner, has the existing file open.
func rename(from, to string) error {
	end := time.Now().Add(renameTimeout)
	for {
		err := os.Rename(from, to)
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || time.Now().After(end) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

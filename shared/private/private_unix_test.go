//go:build !windows

package private

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
	must(t, os.Chmod(path, mode))
}

// names returns the names in a directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	items, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, it := range items {
		out = append(out, it.Name())
	}
	return strings.Join(out, " ")
}

// notRegular creates something other than a regular file at path.
var notRegular = map[string]struct {
	make func(t *testing.T, path string)
	want string
}{
	"link": {func(t *testing.T, path string) {
		write(t, path+"-target", "secret", 0o600)
		must(t, os.Symlink(path+"-target", path))
	}, "is a symbolic link"},
	"dangling link": {func(t *testing.T, path string) { must(t, os.Symlink(path+"-none", path)) }, "is a symbolic link"},
	"named pipe":    {func(t *testing.T, path string) { must(t, syscall.Mkfifo(path, 0o600)) }, "is not a regular file"},
	"directory":     {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "is not a regular file"},
	"socket": {func(t *testing.T, path string) {
		l, err := net.Listen("unix", path)
		must(t, err)
		t.Cleanup(func() { _ = l.Close() })
	}, "is not a regular file"},
}

func TestMakeDir(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(t *testing.T, dir string)
		want string // the reason, or "" if the directory is accepted
		mode fs.FileMode
	}{
		"new":             {func(*testing.T, string) {}, "", 0},
		"private":         {func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o700)) }, "", 0},
		"owner read-only": {func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o500)) }, "", 0},
		"group can list":  {func(t *testing.T, dir string) { must(t, os.Mkdir(dir, 0o750)) }, "can be used by other users (mode 0750)", 0o700},
		"others can enter": {func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chmod(dir, 0o701))
		}, "can be used by other users (mode 0701)", 0o700},
		"everybody can write": {func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.Chmod(dir, 0o777|fs.ModeSticky))
		}, "can be used by other users (mode 0777)", 0o700},
		"link to a private directory": {func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+"-target", 0o700))
			must(t, os.Symlink(dir+"-target", dir))
		}, "is a symbolic link", 0},
		"dangling link": {func(t *testing.T, dir string) { must(t, os.Symlink(dir+"-none", dir)) }, "is a symbolic link", 0},
		"file":          {func(t *testing.T, dir string) { write(t, dir, "", 0o600) }, "is not a directory", 0},
		"named pipe":    {func(t *testing.T, dir string) { must(t, syscall.Mkfifo(dir, 0o600)) }, "is not a directory", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			tt.make(t, dir)
			before, berr := os.Lstat(dir)
			err := MakeDir(dir)
			if tt.want == "" {
				must(t, err)
				fi, err := os.Lstat(dir)
				must(t, err)
				if !fi.IsDir() || berr != nil && fi.Mode().Perm() != 0o700 {
					t.Errorf("mode %v", fi.Mode())
				}
				return
			}
			var pe *Error
			if !errors.As(err, &pe) || pe.Path != dir || pe.Reason != tt.want || pe.Owner != -1 || pe.Mode != tt.mode {
				t.Fatalf("%T %v", err, err)
			}
			if after, aerr := os.Lstat(dir); berr == nil && (aerr != nil || after.Mode() != before.Mode()) {
				t.Errorf("the mode was changed: %v, %v", after, aerr)
			}
		})
	}
	t.Run("with its parents", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "b", "c")
		must(t, MakeDir(dir))
		must(t, MakeDir(dir))
		for d := dir; filepath.Base(d) != "a"; d = filepath.Dir(d) {
			must(t, CheckDir(filepath.Dir(d)))
		}
	})
	t.Run("below a file", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		write(t, file, "", 0o600)
		if err := MakeDir(filepath.Join(file, "dir")); !errors.Is(err, syscall.ENOTDIR) {
			t.Error(err)
		}
	})
}

// Root creates no files in the home directory of another user, who could neither use nor
// remove them.
func TestMakeDirAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	home := filepath.Join(t.TempDir(), "home")
	must(t, os.Mkdir(home, 0o755))
	must(t, os.Chown(home, 12345, 12345))
	for _, below := range []string{"dir", "a/b/dir"} {
		err := MakeDir(filepath.Join(home, below))
		var pe *Error
		if !errors.As(err, &pe) || pe.Path != home || pe.Owner != 12345 || !strings.Contains(pe.Reason, "but you are running as root") || !strings.Contains(pe.Hint(), "without sudo") {
			t.Errorf("%s: %v", below, err)
		}
	}
	if got := names(t, home); got != "" {
		t.Errorf("created %s", got)
	}
	// An existing directory that belongs to root is accepted.
	must(t, os.Mkdir(filepath.Join(home, "mine"), 0o700))
	must(t, MakeDir(filepath.Join(home, "mine")))
}

func TestRead(t *testing.T) {
	t.Run("private", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "d", "f")
		must(t, MakeDir(filepath.Dir(path)))
		must(t, Write(path, []byte("x\n")))
		b, err := Read(path)
		if err != nil || string(b) != "x\n" {
			t.Errorf("%q, %v", b, err)
		}
	})
	dir := func(t *testing.T) string {
		d := filepath.Join(t.TempDir(), "d")
		must(t, os.Mkdir(d, 0o700))
		return d
	}
	t.Run("does not exist", func(t *testing.T) {
		d := dir(t)
		for _, path := range []string{filepath.Join(d, "f"), filepath.Join(d, "none", "f")} {
			if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
	for bit := fs.FileMode(1); bit <= 0o040; bit <<= 1 {
		t.Run(fmt.Sprintf("mode %04o", 0o600|bit), func(t *testing.T) {
			path := filepath.Join(dir(t), "f")
			write(t, path, "x", 0o600|bit)
			_, err := Read(path)
			var pe *Error
			if !errors.As(err, &pe) || pe.Mode != 0o600 || pe.Hint() != "run: chmod 600 "+path {
				t.Errorf("%v", err)
			}
		})
	}
	for name, tt := range notRegular {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir(t), "f")
			tt.make(t, path)
			b, err := Read(path)
			var pe *Error
			if !errors.As(err, &pe) || pe.Reason != tt.want || pe.Path != path || b != nil {
				t.Errorf("%q, %T %v", b, err, err)
			}
		})
	}
	t.Run("in a directory that is not private", func(t *testing.T) {
		d := dir(t)
		write(t, filepath.Join(d, "f"), "x", 0o600)
		must(t, os.Chmod(d, 0o755))
		var pe *Error
		if _, err := Read(filepath.Join(d, "f")); !errors.As(err, &pe) || pe.Path != d {
			t.Error(err)
		}
	})
	t.Run("too long", func(t *testing.T) {
		path := filepath.Join(dir(t), "f")
		write(t, path, strings.Repeat("x", MaxRead), 0o600)
		b, err := Read(path)
		must(t, err)
		if len(b) != MaxRead {
			t.Errorf("%d bytes", len(b))
		}
		write(t, path, strings.Repeat("x", MaxRead+1), 0o600)
		if _, err := Read(path); !errors.Is(err, ErrTooLong) {
			t.Error(err)
		}
	})
}

func TestOpenOwn(t *testing.T) {
	for _, tt := range []struct {
		mode, forbidden fs.FileMode
		ok              bool
	}{
		{0o600, 0o077, true},
		{0o644, 0o022, true},
		{0o644, 0o077, false},
		{0o664, 0o022, false},
		{0o602, 0o022, false},
		{0o666, 0, true},
	} {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, "x", tt.mode)
		f, err := OpenOwn(path, tt.forbidden)
		if (err == nil) != tt.ok {
			t.Errorf("mode %o without %o: %v", tt.mode, tt.forbidden, err)
		}
		if err == nil {
			must(t, f.Close())
		}
	}
	for name, tt := range notRegular {
		path := filepath.Join(t.TempDir(), "f")
		tt.make(t, path)
		var pe *Error
		if _, err := OpenOwn(path, 0); !errors.As(err, &pe) || pe.Reason != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenOwn(filepath.Join(t.TempDir(), "none"), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("open"), "x", 0o644)
	must(t, os.Symlink("open", path("link")))
	must(t, syscall.Mkfifo(path("pipe"), 0o600))
	r, w, err := os.Pipe()
	must(t, err)
	defer func() { _ = r.Close() }()
	_, err = io.WriteString(w, "x")
	must(t, err)
	must(t, w.Close())
	for name, want := range map[string]string{
		path("open"): "", path("link"): "", fmt.Sprintf("/dev/fd/%d", r.Fd()): "",
		path("pipe"): "is a named pipe", dir: "is a directory", path("none"): "no such file",
	} {
		f, err := OpenFile(name)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		must(t, err)
		b, err := ReadAll(f)
		if err != nil || string(b) != "x" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		must(t, f.Close())
	}
}

func TestReadSecret(t *testing.T) {
	for _, tt := range []struct {
		content string
		mode    fs.FileMode
		want    string
		wantErr string
	}{
		{"pw\n", 0o600, "pw", ""},
		{"pw", 0o400, "pw", ""},
		{"pw\r\n", 0o600, "pw", ""},
		{" pw \n\n", 0o600, " pw \n", ""}, // only one line end is removed
		{"pw", 0o440, "pw", ""},           // as secrets are mounted into containers
		{"pw", 0o640, "", "can be used by other users (mode 0640)"},
		{"pw", 0o444, "", "can be used by other users (mode 0444)"},
		{"pw", 0o604, "", "can be used by other users (mode 0604)"},
		{"", 0o600, "", "is empty"},
		{"\n", 0o600, "", "is empty"},
		{strings.Repeat("x", MaxRead+1), 0o600, "", "longer than 1048576 bytes"},
	} {
		t.Run(fmt.Sprintf("%.10q %04o", tt.content, tt.mode), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, tt.content, tt.mode)
			// Mounted secrets are behind symbolic links.
			must(t, os.Symlink("f", path+"-link"))
			for _, p := range []string{path, path + "-link"} {
				got, err := ReadSecret(p)
				if got != tt.want || (err == nil) != (tt.wantErr == "") {
					t.Errorf("%.10q, %v", got, err)
				}
				if err != nil && (!strings.HasPrefix(err.Error(), p) || !strings.Contains(err.Error(), tt.wantErr)) {
					t.Errorf("%v, want %s", err, tt.wantErr)
				}
			}
		})
	}
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	for name, want := range map[string]string{"pipe": "is a named pipe", ".": "is a directory", "none": "no such file"} {
		if _, err := ReadSecret(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("descriptor", func(t *testing.T) {
		r, w, err := os.Pipe()
		must(t, err)
		defer func() { _ = r.Close() }()
		// The writing command may be slow.
		go func() {
			_, _ = io.WriteString(w, "p")
			_, _ = io.WriteString(w, "w\n")
			_ = w.Close()
		}()
		got, err := ReadSecret(fmt.Sprintf("/dev/fd/%d", r.Fd()))
		if err != nil || got != "pw" {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// status is an [fs.FileInfo] with an owner and a mode.
type status struct {
	uid  int
	mode fs.FileMode
}

func (s status) Name() string       { return "f" }
func (s status) Size() int64        { return 1 }
func (s status) Mode() fs.FileMode  { return s.mode }
func (s status) ModTime() time.Time { return time.Time{} }
func (s status) IsDir() bool        { return s.mode.IsDir() }
func (s status) Sys() any           { return &syscall.Stat_t{Uid: uint32(s.uid)} }

func TestOwners(t *testing.T) {
	me := os.Geteuid()
	const other = 54321
	for _, tt := range []struct {
		name           string
		fi             status
		secret, config bool // whether checkSecret and CheckWriters accept it
	}{
		{"own", status{me, 0o600}, true, true},
		{"own, read-only", status{me, 0o400}, true, true},
		{"own, mounted", status{me, 0o440}, true, true},
		{"own, readable", status{me, 0o644}, false, true},
		{"own, group can write", status{me, 0o660}, false, false},
		{"own, others can write", status{me, 0o602}, false, false},
		{"root's, mounted", status{0, 0o440}, true, true},
		{"root's, group can read", status{0, 0o640}, me != 0, true},
		{"root's, readable", status{0, 0o644}, false, true},
		{"root's, group can write", status{0, 0o460}, false, false},
		{"another user's", status{other, 0o600}, false, false},
		{"another user's, mounted", status{other, 0o440}, false, false},
		{"another user's, readable", status{other, 0o644}, false, false},
		{"a pipe", status{other, fs.ModeNamedPipe | 0o600}, true, false},
		{"an open pipe", status{other, fs.ModeNamedPipe | 0o604}, false, false},
	} {
		if err := checkSecret("f", tt.fi); (err == nil) != tt.secret {
			t.Errorf("a secret that is %s: %v", tt.name, err)
		}
		if err := CheckWriters("f", tt.fi); (err == nil) != tt.config {
			t.Errorf("a configuration that is %s: %v", tt.name, err)
		}
	}
	var pe *Error
	if err := checkOwner("f", status{other, 0o600}, 0o077); !errors.As(err, &pe) || pe.Owner != other || !strings.HasPrefix(pe.Reason, "belongs to user 54321") {
		t.Error(err)
	}
	if Owner(status{other, 0}) != other {
		t.Error("Owner returns another user")
	}
}

// In a user namespace with the current user only, root's files belong to the overflow user.
func TestUnmapped(t *testing.T) {
	for uids, want := range map[string]int{
		"         0          0 4294967295\n":                         -1,
		"      1000       1000          1\n":                         65534,
		"         0       1000          1\n":                         65534,
		"         0       1000          1\n  1  100000      65536\n": -1,
		"         0          0          1\n  1000 1000 1\n":          65534,
		"nonsense\n": -1,
	} {
		if got := unmapped(uids, 65534); got != want {
			t.Errorf("%q: %d, want %d", uids, got, want)
		}
	}
}

func TestHints(t *testing.T) {
	foreign := "check who created /x/f, and remove it or set HOME to a directory of your own"
	if os.Geteuid() == 0 {
		foreign = "run without sudo, or set HOME=/root"
	}
	for _, tt := range []struct {
		e    Error
		want string
	}{
		{Error{Path: "/x/f", Owner: -1, Mode: 0o600}, "run: chmod 600 /x/f"},
		{Error{Path: "/x/f", Owner: -1, Mode: fs.ModeDir | 0o700}, "run: chmod 700 /x/f"},
		{Error{Path: "/x/f", Owner: -1}, "check who created /x/f, and remove it"},
		{Error{Path: "/x/f", Owner: 54321}, foreign},
		{Error{Path: "/x/a b/f", Owner: -1, Mode: 0o600}, "run: chmod 600 '/x/a b/f'"},
	} {
		if got := tt.e.Hint(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.e, got, tt.want)
		}
	}
}

func TestDescriptor(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("file"), "", 0o600)
	for name, to := range map[string]string{
		"out": "/dev/stdout", "three": "/dev/fd/3", "again": "three", "loop": "loop2", "loop2": "loop", "tofile": "file", "dangling": "none",
	} {
		must(t, os.Symlink(to, path(name)))
	}
	chain := "/dev/fd/4"
	for n := range 9 {
		must(t, os.Symlink(chain, path(fmt.Sprintf("chain%d", n))))
		chain = path(fmt.Sprintf("chain%d", n))
	}
	for name, want := range map[string]int{
		"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/0": 0, "/dev/fd/3": 3, "/dev/fd/3/": 3, "/proc/self/fd/12": 12,
		fmt.Sprintf("/proc/%d/fd/5", os.Getpid()): 5, path("out"): 1, path("three"): 3, path("again"): 3, path("chain6"): 4,
		"/dev/fd/x": -1, "/dev/fd/-1": -1, "/dev/fd/": -1, "/dev/fd": -1, "/dev/null": -1, "/dev/fd/3/4": -1, "": -1,
		path("file"): -1, path("tofile"): -1, path("dangling"): -1, path("none"): -1, path("loop"): -1, path("chain8"): -1,
	} {
		fd, ok := Descriptor(name)
		if ok != (want >= 0) || ok && fd != want {
			t.Errorf("%s: %d, %v", name, fd, ok)
		}
	}
}

// checkFile checks the file at path, and that its directory contains no other files.
func checkFile(t *testing.T, path, want string) {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	b, err := os.ReadFile(path)
	must(t, err)
	if string(b) != want || fi.Mode() != 0o600 {
		t.Errorf("%q with mode %v, want %q", b, fi.Mode(), want)
	}
	if got := names(t, filepath.Dir(path)); got != filepath.Base(path) {
		t.Errorf("the directory contains %s", got)
	}
}

func TestCommit(t *testing.T) {
	for _, space := range []int{0, 3, 64 << 10} {
		for _, old := range []string{"none", "old contents", "link"} {
			t.Run(fmt.Sprintf("%d bytes reserved, %s", space, old), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "f")
				victim := filepath.Join(t.TempDir(), "victim")
				write(t, victim, "victim", 0o644)
				switch old {
				case "none":
				case "link":
					must(t, os.Symlink(victim, path))
				default:
					write(t, path, old, 0o644)
				}
				w, err := Create(path, space)
				must(t, err)
				if fi, err := w.f.Stat(); err != nil || fi.Size() != int64(space) || fi.Mode() != 0o600 {
					t.Errorf("prepared %v, %v", fi, err)
				}
				must(t, w.Commit([]byte("contents")))
				checkFile(t, path, "contents")
				w.Close()
				checkFile(t, path, "contents")
				if b, err := os.ReadFile(victim); err != nil || string(b) != "victim" {
					t.Errorf("the link was followed: %q, %v", b, err)
				}
			})
		}
	}
	t.Run("no commit", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, "old", 0o600)
		w, err := Create(path, 10)
		must(t, err)
		w.Close()
		checkFile(t, path, "old")
	})
	t.Run("another name", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		w, err := Create(path+"-unknown", 10)
		must(t, err)
		defer w.Close()
		must(t, w.CommitTo(path, []byte("x")))
		checkFile(t, path, "x")
	})
	t.Run("empty", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		must(t, Write(path, nil))
		checkFile(t, path, "")
	})
}

// A failed commit can be repeated. It does not change the existing file.
func TestCommitFails(t *testing.T) {
	t.Run("rename", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		must(t, os.MkdirAll(filepath.Join(path, "sub"), 0o700))
		w, err := Create(path, 100)
		must(t, err)
		defer w.Close()
		for range 3 {
			err := w.Commit([]byte("a rather long text"))
			var pe *fs.PathError
			if !errors.As(err, &pe) || pe.Path != path || strings.Contains(err.Error(), tempPrefix) {
				t.Fatalf("%T %v", err, err)
			}
		}
		must(t, os.RemoveAll(path))
		must(t, w.Commit([]byte("short")))
		checkFile(t, path, "short")
	})
	t.Run("write", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		write(t, path, "old", 0o600)
		w, err := Create(path, 0)
		must(t, err)
		defer w.Close()
		// A read-only descriptor simulates a disk that fails.
		good := w.f
		broken, err := os.Open(good.Name())
		must(t, err)
		w.f = broken
		err = w.Commit([]byte("new"))
		if err == nil || strings.Contains(err.Error(), tempPrefix) || !strings.HasPrefix(err.Error(), "write "+path+": ") {
			t.Fatal(err)
		}
		if b, err := Read(path); err == nil && string(b) != "old" {
			t.Errorf("%q", b)
		}
		must(t, broken.Close())
		w.f = good
		must(t, w.Commit([]byte("new")))
		checkFile(t, path, "new")
	})
	t.Run("no directory", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "none", "f")
		_, err := Create(path, 10)
		if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), tempPrefix) || !strings.Contains(err.Error(), path) {
			t.Error(err)
		}
		if err := Write(path, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Run("the temporary file is gone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		w, err := Create(path, 10)
		must(t, err)
		must(t, os.Remove(w.f.Name()))
		if err := w.Commit([]byte("x")); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		w.Close()
		if got := names(t, filepath.Dir(path)); got != "" {
			t.Error(got)
		}
	})
	t.Run("another process uses the temporary name", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		w, err := Create(path, 10)
		must(t, err)
		must(t, w.Commit([]byte("x")))
		write(t, w.f.Name(), "other", 0o600)
		w.Close()
		if b, err := os.ReadFile(w.f.Name()); err != nil || string(b) != "other" {
			t.Errorf("%q, %v", b, err)
		}
	})
}

func TestWriteInDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "f")
	must(t, writeIn(path, []byte("1")))
	must(t, writeIn(path, []byte("2")))
	checkFile(t, path, "2")
	must(t, os.Chmod(filepath.Dir(path), 0o755))
	var pe *Error
	if err := writeIn(path, []byte("3")); !errors.As(err, &pe) || pe.Mode != 0o700 {
		t.Error(err)
	}
	checkFile(t, path, "2")
}

// A reader sees one complete version while others write.
func TestWriteIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "f")
	content := func(n int) []byte { return bytes.Repeat([]byte{'a' + byte(n)}, 1000*(n+1)) }
	must(t, writeIn(path, content(0)))
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for n := range 4 {
		writers.Go(func() {
			for range 20 {
				if err := Write(path, content(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Go(func() {
		for {
			b, err := Read(path)
			if err != nil || len(b) == 0 || !bytes.Equal(b, content(int(b[0]-'a'))) {
				t.Errorf("%d bytes, %v", len(b), err)
				return
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	if got := names(t, filepath.Dir(path)); got != "f" {
		t.Errorf("left behind: %s", got)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	victim := t.TempDir()
	write(t, filepath.Join(victim, "keep"), "", 0o600)
	for name, age := range map[string]time.Duration{
		".tmp-old": 61 * time.Minute, ".tmp-young": 59 * time.Minute, ".tmp-future": -time.Hour, "f": 100 * time.Hour, ".other": 100 * time.Hour, "x.tmp-": 100 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		write(t, path, "", 0o600)
		must(t, os.Chtimes(path, now.Add(-age), now.Add(-age)))
	}
	old := filepath.Join(dir, ".keyring-old")
	must(t, os.Mkdir(old, 0o700))
	write(t, filepath.Join(old, "x"), "", 0o600)
	must(t, os.Symlink(victim, filepath.Join(old, "link")))
	must(t, os.Chtimes(old, now.Add(-2*time.Hour), now.Add(-2*time.Hour)))
	Sweep(dir, now)
	if got := names(t, dir); got != ".other .tmp-future .tmp-young f x.tmp-" {
		t.Errorf("left %s", got)
	}
	if got := names(t, victim); got != "keep" {
		t.Errorf("a link was followed: %q", got)
	}
	Sweep(filepath.Join(dir, "none"), now)
}

func TestWithoutLineEnd(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\r": "a", "a\n\n": "a\n", "\n": "", "a\nb\n": "a\nb"} {
		if got := WithoutLineEnd([]byte(in)); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// endless is a reader without an end, like /dev/zero.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestReadAllIsBounded(t *testing.T) {
	if _, err := ReadAll(endless{}); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if _, err := ReadAll(io.MultiReader(strings.NewReader("x"), errorReader{})); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, syscall.EIO }

func writeIn(path string, data []byte) error {
	if err := MakeDir(filepath.Dir(path)); err != nil {
		return err
	}
	return Write(path, data)
}

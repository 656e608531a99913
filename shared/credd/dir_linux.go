package credd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"example.org/token-helpers/shared/private"
)

// directory is an open directory. Its files are accessed through its descriptor, so that the
// directory cannot be replaced by another one in between.
type directory struct{ f *os.File }

// openDirectory opens a directory whose path the administrator has configured.
func openDirectory(path string) (*directory, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &directory{f}, nil
}

// path returns a path of the directory that stays valid if the directory is moved.
func (d *directory) path() string { return "/proc/self/fd/" + strconv.Itoa(int(d.f.Fd())) }

func (d *directory) close() { _ = d.f.Close() }

// names returns the names of the files in the directory.
func (d *directory) names() ([]string, error) {
	if _, err := d.f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.f.Readdirnames(-1)
}

// open opens a directory in d that belongs to one of the owners. It does not follow symbolic
// links. It returns errNotDirectory if name is not a directory.
func (d *directory) open(name string, owners []int) (*directory, error) {
	fd, err := unix.Openat(int(d.f.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, errNotDirectory
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	sub := &directory{os.NewFile(uintptr(fd), name)}
	fi, err := sub.f.Stat()
	if err == nil && !slices.Contains(owners, private.Owner(fi)) {
		err = fmt.Errorf("the directory %s belongs to user %d", name, private.Owner(fi))
	}
	if err != nil {
		sub.close()
		return nil, err
	}
	return sub, nil
}

// private opens a directory in d that only the user of this process can access, and creates
// it if it does not exist.
func (d *directory) private(name string) (*directory, error) {
	err := unix.Mkdirat(int(d.f.Fd()), name, 0o700)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	sub, err := d.open(name, []int{os.Geteuid()})
	if err != nil {
		return nil, err
	}
	fi, err := sub.f.Stat()
	if err == nil && fi.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("the directory %s can be used by other users (mode %04o)", name, fi.Mode().Perm())
	}
	if err != nil {
		sub.close()
		return nil, err
	}
	return sub, nil
}

// stat describes a file in d. It does not follow symbolic links.
func (d *directory) stat(name string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(d.f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return stamp{}, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return stampOf(&st), nil
}

// stamp distinguishes versions of a file.
type stamp struct {
	inode    uint64
	size     int64
	modified time.Time
	mode     uint32
	uid      int
	links    uint64
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{inode: st.Ino, size: st.Size, modified: time.Unix(st.Mtim.Unix()), mode: st.Mode, uid: int(st.Uid), links: uint64(st.Nlink)}
}

// read reads a file in d that belongs to the user of this process, as those of condor_credd
// do. It rejects symbolic links, files that are not regular or have several names, and files
// that other users own or can write.
func (d *directory) read(name string, most int64) ([]byte, stamp, error) {
	fd, err := unix.Openat(int(d.f.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, stamp{}, errors.New("the file is a symbolic link")
	}
	if err != nil {
		return nil, stamp{}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, stamp{}, err
	}
	s := stampOf(&st)
	if err := s.check(most); err != nil {
		return nil, s, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	return b, s, err
}

// regular reports whether it is a regular file.
func (s stamp) regular() bool { return s.mode&unix.S_IFMT == unix.S_IFREG }

// check rejects a file that another user could have written or that is not regular.
func (s stamp) check(most int64) error {
	switch {
	case s.mode&unix.S_IFMT == unix.S_IFLNK:
		return errors.New("the file is a symbolic link")
	case !s.regular():
		return errors.New("it is not a regular file")
	case s.uid != os.Geteuid():
		return fmt.Errorf("the file belongs to user %d", s.uid)
	case s.mode&0o022 != 0:
		return fmt.Errorf("other users can write the file (mode %04o)", s.mode&0o7777)
	case s.links != 1:
		return errors.New("the file has several names")
	case s.size > most:
		return fmt.Errorf("the file is longer than %d bytes", most)
	}
	return nil
}

// write replaces the file name in d atomically by a private file. The new file is made in
// spare, a private directory on the same file system.
func (d *directory) write(spare *directory, name string, data []byte) error {
	w, err := private.Create(spare.path()+"/"+name, 0)
	if err != nil {
		return plainPath(name, err)
	}
	defer w.Close()
	return plainPath(name, w.CommitTo(d.path()+"/"+name, data))
}

// plainPath replaces the path in err, which contains a descriptor, by the file's name.
func plainPath(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: name, Err: pe.Err}
	}
	return err
}

// exchange replaces a file that had the stamp old when it was read. If it has been replaced
// since, exchange leaves it as it is and returns errChanged.
func (d *directory) exchange(spare *directory, name string, old stamp, data []byte) error {
	w, err := private.Create(spare.path()+"/"+name, 0)
	if err != nil {
		return plainPath(name, err)
	}
	defer w.Close()
	if err := w.Commit(data); err != nil {
		return plainPath(name, err)
	}
	lost := false // the newer file could not be put back
	defer func() {
		if !lost {
			_ = unix.Unlinkat(int(spare.f.Fd()), name, 0)
		}
	}()
	swap := func() error {
		return unix.Renameat2(int(spare.f.Fd()), name, int(d.f.Fd()), name, unix.RENAME_EXCHANGE)
	}
	if err := swap(); err != nil {
		return &fs.PathError{Op: "replace", Path: name, Err: err}
	}
	now, err := spare.stat(name)
	if err == nil && now == old {
		private.SyncDir(d.path())
		return nil
	}
	if err := swap(); err != nil {
		lost = true
		return &fs.PathError{Op: "restore", Path: name, Err: err}
	}
	return errChanged
}

// remove removes a file in d. It is not an error if the file does not exist.
func (d *directory) remove(name string) error {
	err := unix.Unlinkat(int(d.f.Fd()), name, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

// removeAll removes a directory in d and its contents. It does not follow symbolic links.
func (d *directory) removeAll(name string) error {
	r, err := os.OpenRoot(d.path())
	if err != nil {
		return plainPath(name, err)
	}
	defer func() { _ = r.Close() }()
	return plainPath(name, r.RemoveAll(name))
}

// publish writes a file in d that all users can read, such as the process ID.
func (d *directory) publish(name string, data []byte) error {
	fd := int(d.f.Fd())
	// The suffix differs from that of name: Prometheus's collector reads each file *.prom.
	temp := "." + name + ".tmp"
	_ = unix.Unlinkat(fd, temp, 0) // left by a killed process
	n, err := unix.Openat(fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &fs.PathError{Op: "create", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(n), temp)
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = unix.Renameat(fd, temp, fd, name)
	}
	if err != nil {
		_ = unix.Unlinkat(fd, temp, 0)
		return plainPath(name, &fs.PathError{Op: "write", Path: name, Err: err})
	}
	return nil
}

// removeVersion removes a file that had the stamp st. If it has been replaced since,
// removeVersion leaves it as it is and returns errChanged.
func (d *directory) removeVersion(spare *directory, name string, st stamp) error {
	aside := name + ".old"
	if err := spare.remove(aside); err != nil {
		return err
	}
	err := unix.Renameat(int(d.f.Fd()), name, int(spare.f.Fd()), aside)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	if now, err := spare.stat(aside); err == nil && now != st {
		if err := unix.Renameat2(int(spare.f.Fd()), aside, int(d.f.Fd()), name, unix.RENAME_NOREPLACE); err == nil {
			return errChanged
		}
	}
	return spare.remove(aside)
}

//go:build linux && (amd64 || arm64)

package main

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// kind describes a system call on files: the positions of the arguments that name files, and
// how it can fail. Positions count from 0; -1 means none.
type kind struct {
	op string // the common name of calls that do the same, such as stat
	// A path is named by a directory's descriptor and a string; a call without a
	// directory has dir -1.
	dir, path   int
	dir2, path2 int // the new name, of rename and link
	fd          int // a descriptor that the call works on
	// errs are the errors that the call can return.
	errs []syscall.Errno
	// changes means that the call writes: it cannot succeed on a broken disk.
	changes bool
}

var (
	errsRead  = []syscall.Errno{unix.EIO}
	errsWrite = []syscall.Errno{unix.EIO, unix.ENOSPC}
)

func byPath(op string, dir, path int, errs []syscall.Errno, changes bool) kind {
	return kind{op: op, dir: dir, path: path, dir2: -1, path2: -1, fd: -1, errs: errs, changes: changes}
}

func byNames(op string, dir, path, dir2, path2 int) kind {
	return kind{op: op, dir: dir, path: path, dir2: dir2, path2: path2, fd: -1, errs: errsWrite, changes: true}
}

func byDescriptor(op string, errs []syscall.Errno, changes bool) kind {
	return kind{op: op, dir: -1, path: -1, dir2: -1, path2: -1, fd: 0, errs: errs, changes: changes}
}

// kinds are the system calls on files, by number. epoll_ctl and mmap are not included: Go
// ignores the result of epoll_ctl for the files that it opens, and does not map files.
var kinds = merge(map[uintptr]kind{
	unix.SYS_OPENAT:  byPath("open", 0, 1, []syscall.Errno{unix.EIO, unix.EMFILE}, false),
	unix.SYS_OPENAT2: byPath("open", 0, 1, []syscall.Errno{unix.EIO, unix.EMFILE}, false),

	unix.SYS_READ:       byDescriptor("read", errsRead, false),
	unix.SYS_READV:      byDescriptor("read", errsRead, false),
	unix.SYS_PREAD64:    byDescriptor("read", errsRead, false),
	unix.SYS_PREADV:     byDescriptor("read", errsRead, false),
	unix.SYS_PREADV2:    byDescriptor("read", errsRead, false),
	unix.SYS_GETDENTS64: byDescriptor("getdents", errsRead, false),
	unix.SYS_LSEEK:      byDescriptor("seek", errsRead, false),

	unix.SYS_WRITE:           byDescriptor("write", errsWrite, true),
	unix.SYS_WRITEV:          byDescriptor("write", errsWrite, true),
	unix.SYS_PWRITE64:        byDescriptor("write", errsWrite, true),
	unix.SYS_PWRITEV:         byDescriptor("write", errsWrite, true),
	unix.SYS_PWRITEV2:        byDescriptor("write", errsWrite, true),
	unix.SYS_SENDFILE:        byDescriptor("write", errsWrite, true),
	unix.SYS_FSYNC:           byDescriptor("sync", errsWrite, true),
	unix.SYS_FDATASYNC:       byDescriptor("sync", errsWrite, true),
	unix.SYS_SYNCFS:          byDescriptor("sync", errsWrite, true),
	unix.SYS_SYNC_FILE_RANGE: byDescriptor("sync", errsWrite, true),
	unix.SYS_FTRUNCATE:       byDescriptor("truncate", errsWrite, true),
	unix.SYS_FALLOCATE:       byDescriptor("allocate", []syscall.Errno{unix.EIO, unix.ENOSPC, unix.EOPNOTSUPP}, true),
	unix.SYS_COPY_FILE_RANGE: {op: "write", dir: -1, path: -1, dir2: -1, path2: -1, fd: 2, errs: errsWrite, changes: true},

	unix.SYS_CLOSE: byDescriptor("close", errsRead, false),
	unix.SYS_FLOCK: byDescriptor("lock", []syscall.Errno{unix.ENOLCK, unix.EIO}, false),
	unix.SYS_FCNTL: byDescriptor("fcntl", nil, false),
	unix.SYS_DUP:   byDescriptor("dup", []syscall.Errno{unix.EMFILE}, false),
	unix.SYS_DUP3:  byDescriptor("dup", []syscall.Errno{unix.EMFILE}, false),

	unix.SYS_FSTAT:      byDescriptor("stat", errsRead, false),
	unix.SYS_FSTATFS:    byDescriptor("statfs", errsRead, false),
	unix.SYS_NEWFSTATAT: byPath("stat", 0, 1, errsRead, false),
	unix.SYS_STATX:      byPath("stat", 0, 1, errsRead, false),
	unix.SYS_STATFS:     byPath("statfs", -1, 0, errsRead, false),
	unix.SYS_FACCESSAT:  byPath("access", 0, 1, errsRead, false),
	unix.SYS_FACCESSAT2: byPath("access", 0, 1, errsRead, false),
	unix.SYS_READLINKAT: byPath("readlink", 0, 1, errsRead, false),

	unix.SYS_RENAMEAT:  byNames("rename", 0, 1, 2, 3),
	unix.SYS_RENAMEAT2: byNames("rename", 0, 1, 2, 3),
	unix.SYS_LINKAT:    byNames("link", 0, 1, 2, 3),
	unix.SYS_SYMLINKAT: byPath("symlink", 1, 2, errsWrite, true),
	unix.SYS_UNLINKAT:  byPath("unlink", 0, 1, errsRead, true),
	unix.SYS_MKDIRAT:   byPath("mkdir", 0, 1, errsWrite, true),
	unix.SYS_TRUNCATE:  byPath("truncate", -1, 0, errsWrite, true),

	unix.SYS_FCHMOD:    byDescriptor("chmod", errsRead, true),
	unix.SYS_FCHMODAT:  byPath("chmod", 0, 1, errsRead, true),
	unix.SYS_FCHMODAT2: byPath("chmod", 0, 1, errsRead, true),
	unix.SYS_FCHOWN:    byDescriptor("chown", errsRead, true),
	unix.SYS_FCHOWNAT:  byPath("chown", 0, 1, errsRead, true),
	unix.SYS_UTIMENSAT: byPath("utime", 0, 1, errsRead, true),
}, olderCalls)

func merge(a, b map[uintptr]kind) map[uintptr]kind {
	for n, k := range b {
		a[n] = k
	}
	return a
}

// point identifies a system call of a process on its store. The order of calls varies, because
// Go schedules threads freely. Therefore a call is identified by its operation, its file and
// the number of the same calls before it.
type point struct {
	op   string
	role string // the file, without the parts of its name that differ between runs
	n    int    // counts from 1
}

// call is a system call that a process is entering.
type call struct {
	point
	kind kind
	path string // the path that the process passes; "FROM -> TO" for rename and link
	seq  int    // counts the process's calls on the store from 1
	// create means that an open creates the file, and writes that the descriptor is writable.
	create, writes bool
	// locks and unlocks mean that the call locks or unlocks a file.
	locks, unlocks bool
	answered       bool     // the issuer has sent its answer
	held           []string // roles of the files that the process has locked
}

// failures returns the errors that this call can return.
func (c *call) failures() []syscall.Errno {
	errs := c.kind.errs
	switch {
	case c.role == wire:
		return []syscall.Errno{unix.ECONNRESET}
	case c.op == "open" && c.create, c.op == "close" && c.writes:
		errs = append(slices.Clone(errs), unix.ENOSPC)
	case c.op == "lock":
		errs = []syscall.Errno{unix.ENOLCK, unix.EIO}
	case c.op == "dup":
		errs = []syscall.Errno{unix.EMFILE}
	}
	return errs
}

// changesStore reports whether the call fails on a file system that is full or broken.
func (c *call) changesStore() bool {
	return c.kind.changes || c.op == "open" && c.create || c.op == "close" && c.writes
}

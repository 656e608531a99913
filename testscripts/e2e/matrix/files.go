//go:build linux && (amd64 || arm64)

package main

import (
	"encoding/binary"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// wire is the role of a connection to the issuer.
const wire = "wire"

// roots are the directories of the store, with their names in roles. A subdirectory comes
// before its parent.
type roots []struct{ dir, name string }

// random are the parts of file names that differ between runs: hashes, and the
// numbers of temporary files.
var random = regexp.MustCompile(`[0-9a-f]{16,}|[0-9]{5,}`)

// role returns the role of a file, or "" if the file is not in the store.
func (r roots) role(path string) string {
	if !filepath.IsAbs(path) {
		return ""
	}
	path = filepath.Clean(path)
	for _, root := range r {
		rest, ok := strings.CutPrefix(path, root.dir)
		if ok && (rest == "" || rest[0] == '/') {
			return root.name + random.ReplaceAllString(rest, "*")
		}
	}
	return ""
}

// file is the file of a descriptor.
type file struct {
	path   string
	role   string
	writes bool
	locked bool
	socket bool
}

// files are a process's descriptors of files in the store and of sockets.
type files map[int]*file

func (f files) clone() files {
	c := files{}
	for fd, it := range f {
		one := *it
		c[fd] = &one
	}
	return c
}

// held returns the roles of the locked files, in the order of locking.
func (t *tracee) held() []string { return slices.Clone(t.locks) }

// at resolves the path that two arguments of a system call name.
func (t *tracee) at(th *thread, dir, path int) string {
	p := t.text(th, th.args[path])
	switch {
	case filepath.IsAbs(p):
		return p
	case dir < 0 || int32(th.args[dir]) == unix.AT_FDCWD:
		return filepath.Join(t.dir, p)
	}
	d := t.files[th.tgid][int(int32(th.args[dir]))]
	if d == nil || d.socket {
		return ""
	}
	return filepath.Join(d.path, p)
}

// identify returns the call that the thread is entering, or nil if it is neither on the store
// nor on a connection to the issuer.
func (t *tracee) identify(th *thread, k kind) *call {
	c := &call{kind: k, point: point{op: k.op}}
	if k.path >= 0 {
		c.path = t.at(th, k.dir, k.path)
		c.role = t.roots.role(c.path)
	}
	if k.path2 >= 0 {
		to := t.at(th, k.dir2, k.path2)
		if role := t.roots.role(to); role != "" {
			c.role += " -> " + role
		}
		c.path += " -> " + to
	}
	if k.fd >= 0 {
		f := t.files[th.tgid][int(int32(th.args[k.fd]))]
		if f == nil {
			return nil
		}
		c.path, c.role, c.writes = f.path, f.role, f.writes
	}
	if c.role == "" {
		return nil
	}
	switch k.op {
	case "open":
		flags := t.openFlags(th)
		c.create, c.writes = flags&unix.O_CREAT != 0, flags&unix.O_ACCMODE != unix.O_RDONLY
	case "lock":
		how := int(th.args[1]) &^ unix.LOCK_NB
		c.locks, c.unlocks = how == unix.LOCK_EX, how == unix.LOCK_UN
	case "fcntl":
		return t.fcntl(th, c)
	}
	// Only one call on a connection counts: the first read after the issuer has answered.
	if c.role == wire && (c.op != "read" || !c.answeredAt(t)) {
		return nil
	}
	return c
}

func (c *call) answeredAt(t *tracee) bool { return t.answered != nil && t.answered() }

func (t *tracee) openFlags(th *thread) uint64 {
	switch th.nr {
	case unix.SYS_OPENAT2:
		// The first member of struct open_how.
		if b := t.peek(th, th.args[2], 8); len(b) == 8 {
			return binary.NativeEndian.Uint64(b)
		}
		return 0
	case unix.SYS_OPENAT:
		return th.args[2]
	}
	return th.args[1]
}

// fcntl turns the call into one for its command. F_GETFL and the like cannot fail.
func (t *tracee) fcntl(th *thread, c *call) *call {
	switch th.args[1] {
	case unix.F_DUPFD, unix.F_DUPFD_CLOEXEC:
		c.op = "dup"
	case unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		c.op = "lock"
		// The first member of struct flock.
		if b := t.peek(th, th.args[2], 2); len(b) == 2 {
			kind := int16(binary.NativeEndian.Uint16(b))
			c.locks, c.unlocks = kind == unix.F_WRLCK, kind == unix.F_UNLCK
		}
	default:
		return nil
	}
	return c
}

// completed updates the tables of descriptors and locks after a system call that returned
// rval.
func (t *tracee) completed(th *thread, rval int64) {
	table := t.files[th.tgid]
	c := th.call
	switch op := th.kind.op; {
	case op == "close":
		if rval == 0 {
			t.closed(table, int(int32(th.args[0])))
		}
	case op == "open" && rval >= 0:
		delete(table, int(rval))
		if c != nil {
			table[int(rval)] = &file{path: c.path, role: c.role, writes: c.writes}
		}
	case (op == "dup" || op == "fcntl" && c != nil && c.op == "dup") && rval >= 0:
		delete(table, int(rval))
		if f := table[int(int32(th.args[0]))]; f != nil {
			one := *f
			table[int(rval)] = &one
		}
	case th.nr == unix.SYS_SOCKET && rval >= 0:
		table[int(rval)] = &file{socket: true}
	case th.nr == unix.SYS_CONNECT:
		if f := table[int(int32(th.args[0]))]; f != nil && t.port != 0 && t.connectsTo(th) == t.port {
			f.role, f.path = wire, "connection to the issuer"
		}
	case c != nil && c.locks && rval == 0:
		if f := table[int(int32(th.args[0]))]; f != nil && !f.locked {
			f.locked = true
			t.locks = append(t.locks, f.role)
		}
	case c != nil && c.unlocks && rval == 0:
		if f := table[int(int32(th.args[0]))]; f != nil {
			t.unlocked(f)
		}
	}
}

func (t *tracee) closed(table files, fd int) {
	if f := table[fd]; f != nil {
		t.unlocked(f)
		delete(table, fd)
	}
}

func (t *tracee) unlocked(f *file) {
	if i := slices.Index(t.locks, f.role); f.locked && i >= 0 {
		t.locks = slices.Delete(t.locks, i, i+1)
	}
	f.locked = false
}

// connectsTo returns the port in the address of a connect.
func (t *tracee) connectsTo(th *thread) int {
	b := t.peek(th, th.args[1], 4)
	if len(b) < 4 {
		return 0
	}
	if family := binary.NativeEndian.Uint16(b); family != unix.AF_INET && family != unix.AF_INET6 {
		return 0
	}
	return int(binary.BigEndian.Uint16(b[2:]))
}

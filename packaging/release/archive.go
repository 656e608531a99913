package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// name returns the name of the artifacts for t, without an extension.
func (r *release) name(t target) string {
	return fmt.Sprintf("token-helpers-%s-%s", r.version, t)
}

func (r *release) artifact(name string) string { return filepath.Join(r.dir, name) }

// archives writes an archive and a bill of materials for each target.
func (r *release) archives() error {
	for _, t := range targets {
		dir, err := r.stage(r.name(t), t, "PREFIX=/", "SYSCONFDIR=/etc")
		if err != nil {
			return err
		}
		if t.os == "windows" {
			err = writeZip(r.artifact(r.name(t)+".zip"), dir, r.name(t), r.date)
		} else {
			err = writeTarball(r.artifact(r.name(t)+".tar.gz"), dir, r.name(t), r.date)
		}
		if err != nil {
			return err
		}
		if err := r.writeMaterials(t, filepath.Join(r.dir, "build", t.String(), "bin")); err != nil {
			return err
		}
		r.say("wrote %s", r.name(t))
	}
	return nil
}

// entry is a file of an archive.
type entry struct {
	name   string // with slashes
	mode   fs.FileMode
	data   []byte
	target string // of a link
	uid    int
}

// tree returns the files below dir, sorted, with modes that do not depend on the umask.
func tree(dir string) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{mode: fi.Mode(), name: filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator)))}
		switch {
		case fi.IsDir():
			e.mode = fs.ModeDir | 0o755
		case fi.Mode()&fs.ModeSymlink != 0:
			e.mode = fs.ModeSymlink | 0o777
			e.target, err = os.Readlink(path)
		case fi.Mode()&0o111 != 0:
			e.mode = 0o755
			e.data, err = os.ReadFile(path)
		default:
			e.mode = 0o644
			e.data, err = os.ReadFile(path)
		}
		entries = append(entries, e)
		return err
	})
	return entries, err
}

// writeTar writes entries. Their owner is root unless they name another one.
func writeTar(w io.Writer, entries []entry, date time.Time) error {
	tw := tar.NewWriter(w)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: int64(e.mode.Perm()), Size: int64(len(e.data)), ModTime: date, Uid: e.uid, Gid: e.uid, Format: tar.FormatPAX}
		switch {
		case e.mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, e.name+"/"
		case e.target != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, e.target
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		if _, err := tw.Write(e.data); err != nil {
			return err
		}
	}
	return tw.Close()
}

// compress compresses the output of write with gzip -9, without name and time.
func compress(w io.Writer, write func(io.Writer) error) error {
	gz, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := write(gz); err != nil {
		return err
	}
	return gz.Close()
}

func writeTarball(path, dir, top string, date time.Time) error {
	entries, err := tree(dir)
	if err != nil {
		return err
	}
	for i := range entries {
		entries[i].name = top + "/" + entries[i].name
	}
	return writeFile(path, func(w io.Writer) error {
		return compress(w, func(w io.Writer) error { return writeTar(w, entries, date) })
	})
}

// writeZip writes the archive for Windows: programs and pages without the directories of
// other systems.
func writeZip(path, dir, top string, date time.Time) error {
	entries, err := tree(dir)
	if err != nil {
		return err
	}
	return writeFile(path, func(w io.Writer) error {
		zw := zip.NewWriter(w)
		for _, e := range entries {
			name, found := windowsName(e.name)
			if !e.mode.IsRegular() || !found {
				continue
			}
			h := &zip.FileHeader{Name: top + "/" + name, Method: zip.Deflate, Modified: date}
			h.SetMode(e.mode)
			f, err := zw.CreateHeader(h)
			if err != nil {
				return err
			}
			if _, err := f.Write(e.data); err != nil {
				return err
			}
		}
		return zw.Close()
	})
}

// windowsName returns the name of an installed file in the archive for Windows.
func windowsName(name string) (string, bool) {
	if program, ok := strings.CutPrefix(name, "bin/"); ok {
		return program, true
	}
	if page, ok := strings.CutPrefix(name, "share/doc/token-helpers/"); ok {
		return page, true
	}
	return "config.toml", name == "etc/token-helpers/config.toml"
}

// writeFile creates a file. If write fails, the file is removed.
func writeFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

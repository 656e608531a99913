package private

import (
	"os"
	"path/filepath"
	"testing"
)

// Write renames a file while it is open, which on Windows requires FILE_SHARE_DELETE.
func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "private", "token")
	if err := MakeDir(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"old", "new"} {
		if err := Write(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if b, err := Read(path); err != nil || string(b) != want {
			t.Errorf("%q %v, want %q", b, err, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v %v", entries, err)
	}
}

package testscripts

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var binaries = []string{"condor-token-helper", "xrd-token-helper", "jwt-inspect"}

func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "../cmd/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}

// TestBinariesLeaveDBusAlone checks that the initialization of package keyring neither runs
// dbus-launch nor waits for a session bus that does not answer: see shared/store/dbusguard.
func TestBinariesLeaveDBusAlone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no session bus on " + runtime.GOOS)
	}
	t.Parallel()
	bin := build(t)
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	if err := os.WriteFile(filepath.Join(dir, "dbus-launch"), []byte("#!/bin/sh\n: > '"+ran+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A bus that accepts the connection, but never answers.
	silent := filepath.Join(dir, "silent")
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, name := range binaries {
		for _, address := range []string{"", "autolaunch:", "unix:path=" + silent} {
			t.Run(name+" "+strings.SplitAfter(address+":", ":")[0], func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, filepath.Join(bin, name), "--version")
				cmd.Env = []string{"PATH=" + dir, "HOME=" + dir, "DISPLAY=:0"}
				if address != "" {
					cmd.Env = append(cmd.Env, "DBUS_SESSION_BUS_ADDRESS="+address)
				}
				out, err := cmd.Output()
				if err != nil || !strings.HasPrefix(string(out), name+" ") {
					t.Errorf("%v: %q", err, out)
				}
				if _, err := os.Stat(ran); err == nil {
					t.Error("dbus-launch ran")
				}
			})
		}
	}
}

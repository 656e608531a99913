// Command release builds the artifacts of a release: packages, archives, container images,
// software bills of materials, checksums, and the descriptions for Homebrew and krew. make
// packages, make image and make release run it. Its output depends only on the commit, the
// version and the Go release, except for signatures.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programs are the binaries, each built from cmd/NAME.
var programs = []string{"condor-token-helper", "xrd-token-helper", "jwt-inspect"}

// target is an operating system and an architecture, as Go names them.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "-" + t.arch }

var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

// linuxTargets are the targets of packages and images.
func (r *release) linuxTargets() []target {
	return slices.DeleteFunc(slices.Clone(targets), func(t target) bool {
		return t.os != "linux" || r.arch != "" && t.arch != r.arch
	})
}

// release is one run.
type release struct {
	version string    // without "v"
	date    time.Time // the commit's, or SOURCE_DATE_EPOCH
	dir     string    // where the artifacts are written, absolute
	url     string    // where they will be published, for Homebrew and krew
	key     string    // file with the OpenPGP key that signs, or empty
	arch    string    // the only architecture of packages and images, or empty
	stderr  io.Writer
	done    map[string]bool // directories that this run has filled
}

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "release: error: %s\n", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	r := &release{stderr: stderr, done: map[string]bool{}}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: release [flags] packages | image | all | checksums | notices DIR")
		flags.PrintDefaults()
	}
	flags.StringVar(&r.version, "version", "", "version without v; by default the commit's tag, or 0.0.0-DATE.COMMIT")
	flags.StringVar(&r.dir, "dir", "dist", "directory of the artifacts")
	flags.StringVar(&r.url, "url", "", "URL of the directory in which the artifacts will be published")
	flags.StringVar(&r.key, "key", "", "file with an OpenPGP secret key; NFPM_PASSPHRASE is its passphrase")
	flags.StringVar(&r.arch, "arch", "", "build packages and images for this architecture only")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.Arg(0) == "notices" && flags.NArg() == 2 {
		return writeNotices(flags.Arg(1))
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return errors.New("exactly one command is required")
	}
	if len(r.linuxTargets()) == 0 {
		return fmt.Errorf("unknown architecture %q: use amd64 or arm64", r.arch)
	}
	if err := r.identify(); err != nil {
		return err
	}
	switch flags.Arg(0) {
	case "packages":
		return r.packages()
	case "image":
		return r.images()
	case "all":
		return r.all()
	case "checksums":
		return r.checksums()
	}
	return fmt.Errorf("unknown command %q", flags.Arg(0))
}

// all builds all artifacts from the commit that the version's tag names.
func (r *release) all() error {
	if err := r.checkTag(); err != nil {
		return err
	}
	// Files of an earlier run must not be published with this release.
	if err := os.RemoveAll(r.dir); err != nil {
		return err
	}
	for _, step := range []func() error{r.packages, r.archives, r.images, r.descriptions, r.checksums} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

var versionForm = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// identify determines the version and the date. They do not depend on when or where the build
// runs.
func (r *release) identify() error {
	dir, err := filepath.Abs(r.dir)
	if err != nil {
		return err
	}
	r.dir = dir
	if r.key != "" {
		if r.key, err = filepath.Abs(r.key); err != nil {
			return err
		}
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = output("git", "log", "-1", "--format=%ct"); err != nil {
			return fmt.Errorf("set SOURCE_DATE_EPOCH, because this is not a git checkout: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	r.date = time.Unix(seconds, 0).UTC()
	if r.version == "" {
		tag, err := output("git", "describe", "--exact-match", "--tags", "--match", "v[0-9]*")
		r.version = strings.TrimPrefix(tag, "v")
		if err != nil {
			commit, err := output("git", "rev-parse", "--short=12", "HEAD")
			if err != nil {
				return fmt.Errorf("-version is required, because this is not a git checkout: %w", err)
			}
			r.version = "0.0.0-" + r.date.Format("20060102") + "." + commit
		}
	}
	if !versionForm.MatchString(r.version) {
		return fmt.Errorf("version %q is not of the form 1.2.3 or 1.2.3-rc.1", r.version)
	}
	return nil
}

// checkTag returns an error if the release could not be reproduced from its tag.
func (r *release) checkTag() error {
	head, err := output("git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	tagged, err := output("git", "rev-parse", "--verify", "--quiet", "refs/tags/v"+r.version+"^{commit}")
	if err != nil {
		return fmt.Errorf("there is no tag v%s: run git tag v%s", r.version, r.version)
	}
	if head != tagged {
		return fmt.Errorf("the tag v%s is not the commit that is checked out: run git checkout v%s", r.version, r.version)
	}
	changes, err := output("git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		return fmt.Errorf("the checkout has changes that are not in v%s:\n%s", r.version, changes)
	}
	return nil
}

// build compiles the programs for t once, and returns their directory.
func (r *release) build(t target) (string, error) {
	dir := filepath.Join(r.dir, "build", t.String(), "bin")
	if r.done[dir] {
		return dir, nil
	}
	r.say("building for %s", t)
	// -buildvcs=false: the version that Go derives from git depends on the tags that were fetched.
	cmd := command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X example.org/token-helpers/shared/cli.Version="+r.version,
		"-o", dir+string(filepath.Separator), "./cmd/...")
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch, "GOFLAGS=")
	if err := runCommand(cmd); err != nil {
		return "", err
	}
	r.done[dir] = true
	return dir, writeNotices(dir)
}

// pages writes the man pages and the completions, and returns their directory.
func (r *release) pages() (string, error) {
	dir := filepath.Join(r.dir, "build", "pages")
	if r.done[dir] {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	cmd := command("go", "run", "-ldflags", "-X example.org/token-helpers/shared/cli.Version="+r.version, "./packaging/pages", dir)
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.date.Unix(), 10))
	r.done[dir] = true
	return dir, runCommand(cmd)
}

// stage installs the files for t below a new directory, and returns it.
func (r *release) stage(name string, t target, variables ...string) (string, error) {
	bin, err := r.build(t)
	if err != nil {
		return "", err
	}
	pages, err := r.pages()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(r.dir, "build", "stage", name)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	system := map[string]string{"linux": "Linux", "darwin": "Darwin", "windows": "Windows"}[t.os]
	cmd := command("packaging/install")
	cmd.Env = append(cmd.Env, "DESTDIR="+dir, "BIN="+bin, "PAGES="+pages, "NOTICES="+filepath.Join(bin, noticesName), "SYSTEM="+system)
	cmd.Env = append(cmd.Env, variables...)
	return dir, runCommand(cmd)
}

func (r *release) say(format string, args ...any) {
	fmt.Fprintf(r.stderr, format+"\n", args...)
}

// command returns a command without the environment variables that would change its output.
func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"GOOS", "GOARCH", "GOAMD64", "GOARM64", "GOEXPERIMENT",
			"DESTDIR", "PREFIX", "SYSCONFDIR", "ZSHDIR", "BIN", "PAGES", "NOTICES", "SYSTEM", "MAKEFLAGS", "VERSION"}, name)
	})
	return cmd
}

// runCommand runs a command. If it fails, the error contains its output.
func runCommand(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args[:min(2, len(cmd.Args))], " "), err, out.Bytes())
	}
	return nil
}

func output(name string, args ...string) (string, error) {
	out, err := command(name, args...).Output()
	return strings.TrimSpace(string(out)), err
}

// Package submit reads the parts of HTCondor's submit files that a check of the jobs' tokens
// needs: the macros, conditions, includes and queue statements of the submit language, and
// the commands for credentials, file transfer and the grid universe.
//
// It was compared with condor_submit -dry-run of HTCondor 23.9.6 and 25.14.1. It never runs
// commands: a submit file that includes the output of one is rejected.
package submit

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"example.org/token-helpers/shared/text"
)

// Position is a place in a submit file or in a file that it includes.
type Position struct {
	File string
	Line int
}

// String returns FILE:LINE.
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Value is the expanded value of a submit command, and where it was set.
type Value struct {
	Text string
	At   Position
}

// Error is a mistake in a submit file, or a construct that cannot be evaluated without
// HTCondor.
type Error struct {
	At      Position
	Problem string
	// Hint is what to do; it may be empty.
	Hint string
}

func (e *Error) Error() string { return e.At.String() + ": " + e.Problem }

// Note is a construct that condor_submit accepts but that does not do what it appears to do.
type Note struct {
	At   Position
	Text string
	// Breaks means that the job fails because of it.
	Breaks bool
	Hint   string
}

// Credential is a token that a job requests with use_oauth_services.
type Credential struct {
	// Service and Handle are spelled as in their first command, and so is the name of the
	// token's file. Handle is empty for a token without a handle.
	Service, Handle string
	// Scopes and Audience are as requested in the submit file; Audience may be empty.
	Scopes   []string
	Audience string
	// Permissions is the text of the scopes, as HTCondor stores and compares it.
	Permissions string
	// At is the position of use_oauth_services or of the handle's first command.
	At Position
}

// Name returns the name of the token's file without .use, such as mysvc_ce.
func (c Credential) Name() string {
	if c.Handle == "" {
		return c.Service
	}
	return c.Service + "_" + c.Handle
}

// Command returns the name of a submit command of the credential, such as
// mysvc_oauth_resource_ce for the kind resource.
func (c Credential) Command(kind string) string {
	name := c.Service + "_oauth_" + kind
	if c.Handle != "" {
		name += "_" + c.Handle
	}
	return name
}

// Transfer is a URL that HTCondor transfers a file from or to.
type Transfer struct {
	// URL does not contain the credential. Credential is the name of the token's file, such as
	// mysvc_se, and empty if the URL does not name one.
	URL, Credential string
	// Given is the URL as HTCondor gets it.
	Given string
	// Write means that the file is written there.
	Write bool
	At    Position
}

// Job is one job of a submit file.
type Job struct {
	// Proc is the job's number in the cluster.
	Proc int
	// Needs are the names of the credentials that the job needs, such as mysvc*ce.
	Needs []string
	// Transfers are the URLs of its files.
	Transfers []Transfer
	// Collector is the HOST[:PORT] of the CE's collector, for a job of the grid universe with
	// grid_resource = condor. TokenFile is the file of the token that is presented there.
	Collector, TokenFile Value
	// Attributes are the attributes of the job's ClassAd that were read, as ClassAd
	// expressions.
	Attributes map[string]string
}

// File is what a submit file contains.
type File struct {
	// Jobs are the jobs. Total is their number, which is larger than len(Jobs) if there are
	// more than [MaxJobs].
	Jobs  []Job
	Total int
	// Credentials are the tokens that condor_submit requests, in the order of their names.
	Credentials []Credential
	Notes       []Note
}

// MaxJobs is the maximum number of jobs that are read from a submit file.
const MaxJobs = 100_000

// Options are the directory, files and environment that a submit file can refer to.
type Options struct {
	// Dir is the directory that relative names refer to. condor_submit uses the current
	// directory.
	Dir string
	// FS contains the files, with their absolute names without the first slash.
	FS fs.FS
	// Getenv looks up an environment variable.
	Getenv func(string) (string, bool)
}

// Read reads the submit file called name. Errors are of type *[Error], except those of
// reading the file itself.
func Read(name string, text []byte, o Options) (*File, error) {
	r := &reader{Options: o, macros: newMacros(o), file: &File{}, at: Position{name, 1}}
	r.macros.setLive("SUBMIT_FILE", name)
	if err := r.include(name, string(text), 0); err != nil {
		return nil, err
	}
	switch {
	case !r.queued && len(r.macros.table) == 0:
		return nil, &Error{At: r.at, Problem: "the submit file has no queue statement", Hint: "end it with the line: queue"}
	case !r.queued:
		r.note(Note{At: r.at, Text: NoQueue, Hint: "end the submit file with the line: queue"})
		if err := r.queue(nil, ""); err != nil {
			return nil, err
		}
	case r.file.Total == 0:
		return nil, &Error{At: r.queuedAt, Problem: "the queue statement queues no jobs", Hint: "check the number and the list of items"}
	}
	return r.file, nil
}

// reader reads a submit file and what it includes.
type reader struct {
	Options
	macros *macros
	file   *File
	at     Position
	// queued means that there was a queue statement. queuedAt is the position of the last one.
	queued   bool
	queuedAt Position
	// after means that a statement after the queue statement was noted.
	after bool
	// short means that an item with too few values was noted.
	short bool
	// depth is the include depth of the current file.
	depth int
}

// AfterQueue is the text of the note about further statements after the queue statement.
const AfterQueue = "HTCondor 24 and later reject a submit file with anything after its queue statement"

// NoQueue is the text of the note about a submit file without a queue statement.
const NoQueue = "the submit file has no queue statement: HTCondor 25 queues one job, and earlier versions reject it"

const maxDepth = 20

// include reads the statements of a file.
func (r *reader) include(name, text string, depth int) error {
	l := &lines{name: name, rest: text}
	var ifs conditions
	for {
		line, at, ok := l.next()
		if l.commented {
			l.commented = false
			r.note(Note{At: at, Text: "a comment inside a continued line ends it, and condor_submit 23.9.6 appends a part of the comment to the value",
				Hint: "move the comment above the continued line", Breaks: true})
		}
		if !ok {
			break
		}
		r.at = at
		handled, err := r.conditional(&ifs, line)
		if err != nil {
			return err
		}
		if handled || !ifs.active() {
			continue
		}
		if r.queued && !r.after {
			r.after = true
			r.note(Note{At: at, Text: AfterQueue,
				Hint: "merge the queue statements into one with a list of items"})
		}
		if err := r.statement(l, line, depth); err != nil {
			return err
		}
	}
	if len(ifs) > 0 {
		return r.errorf("use endif for each if", "the if statement has no endif")
	}
	return nil
}

// statement executes one statement.
func (r *reader) statement(l *lines, line string, depth int) error {
	word, rest := firstWord(line)
	switch strings.ToLower(word) {
	case "queue":
		return r.queue(l, rest)
	case "include":
		return r.includeStatement(rest, depth)
	case "use":
		return r.errorf("write the commands of the template into the submit file", "a use statement depends on the configuration of HTCondor, which is not read")
	}
	name, value, multi, ok := assignment(line)
	if !ok && slices.Contains(dagWords, strings.ToUpper(word)) {
		return r.errorf("check the submit files that its JOB lines name", "%q is a line of a DAG file: this is not a submit file", brief(line))
	}
	if !ok {
		return r.errorf("write it as NAME = VALUE", "%q is not a submit command", brief(line))
	}
	if multi {
		var closed bool
		if value, closed = l.until(value); !closed {
			return r.errorf("", "the value of %s is not closed", name)
		}
	}
	name, err := r.macros.expand(name)
	if err != nil {
		return r.failed(err)
	}
	if !identifier.Get().MatchString(name) {
		return r.errorf("the name of a command consists of letters, digits, '_', '.' and '/'; request a service with another name without its own commands", "%q is not the name of a submit command", brief(name))
	}
	r.macros.set(name, value, r.at)
	return nil
}

// identifier matches what condor_submit accepts as the name of a command (measured on 23.9.6
// and 25.14.1).
var identifier = text.Pattern{Expr: `^(?:[A-Za-z0-9_./]+|\+.+)$`}

// dagWords are the first words of the lines of a DAG file.
var dagWords = []string{"JOB", "PARENT", "VARS", "SPLICE", "SUBDAG", "FINAL", "SCRIPT", "RETRY", "CONFIG"}

// includeStatement includes a file. It returns an error instead of running a command.
func (r *reader) includeStatement(rest string, depth int) error {
	how, target, ok := strings.Cut(rest, ":")
	if !ok {
		return r.errorf("write it as include : FILE", "the include statement names no file")
	}
	target, err := r.macros.expand(strings.TrimSpace(target))
	if err != nil {
		return r.failed(err)
	}
	word, _ := firstWord(strings.TrimSpace(how))
	switch {
	case strings.EqualFold(word, "command") || strings.HasSuffix(target, "|"):
		return r.errorf("write the command's output to a file and include that", "the submit file includes the output of a command, which is not run here")
	case depth >= maxDepth:
		return r.errorf("", "more than %d files include each other", maxDepth)
	}
	text, err := r.read(target)
	if err != nil {
		if strings.EqualFold(word, "ifexist") {
			return nil
		}
		return r.errorf("condor_submit looks for it in the current directory", "could not read the included file %s: %s", target, reason(err))
	}
	at := r.at
	r.depth = depth + 1
	err = r.include(target, text, r.depth)
	r.at, r.depth = at, depth
	return err
}

func (r *reader) note(n Note) { r.file.Notes = append(r.file.Notes, n) }

// errorf returns an error at the current statement.
func (r *reader) errorf(hint, format string, a ...any) error {
	return &Error{At: r.at, Problem: fmt.Sprintf(format, a...), Hint: hint}
}

// failed adds the position of the current statement to the error of an expansion.
func (r *reader) failed(err error) error {
	return r.errorf("", "%s", err)
}

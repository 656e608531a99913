//go:build linux

package credd

import (
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"example.org/token-helpers/shared/fresh"
	"example.org/token-helpers/shared/issuer"
	"example.org/token-helpers/shared/token"
)

// Settings configures a [Monitor]. All fields except Log, Owner, Jitter and MetricsDir are
// required.
type Settings struct {
	// Dir is the credential directory, and StateDir the credmon's state directory.
	Dir, StateDir string
	Key           hostKey
	// SweepDelay is how long the credentials of a user without jobs are kept.
	SweepDelay time.Duration
	// Owner is the user ID of HTCondor's account. It or root must own the users' directories.
	Owner int
	// Issuer returns the settings of an issuer, or an error for one that this host does
	// not accept.
	Issuer func(url string) (IssuerSettings, error)
	// NewClient makes a client that trusts the CAs in caFile, or the default ones if
	// caFile is empty.
	NewClient func(caFile string) *issuer.Client
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	Log       *Log
	// Jitter returns a number in [0, 1). If nil, the numbers are random.
	Jitter func() float64
	// MetricsDir is the directory for the metrics. If empty, none are written.
	MetricsDir string
}

// IssuerSettings are the settings for requests to an issuer.
type IssuerSettings struct {
	AudienceParameter, CAFile string
}

const (
	// atOnce is the maximum number of concurrent exchanges with one issuer.
	atOnce = 8
	// Requests to an issuer that fails are repeated after firstPause, then after twice that
	// time, and so on up to lastPause.
	firstPause, lastPause = 5 * time.Second, 5 * time.Minute
	// A request that the issuer refuses is repeated less often.
	firstRefusal, lastRefusal = time.Minute, time.Hour
	// soonest is the minimum time between two renewals of one token.
	soonest = 5 * time.Second
)

// Monitor is a credmon. [Monitor.Scan] looks for credentials, and [Monitor.Dispatch]
// starts the work that is due. Both must be called from one goroutine.
type Monitor struct {
	s       Settings
	dir     *directory
	owners  []int
	users   map[string]*account
	issuers map[string]*issuerState
	done    chan result
	active  int
	stats   counts

	clientsMu sync.Mutex
	clients   map[string]agedClient // by the file of certificates
}

// account is the state of one user's directory.
type account struct {
	creds  map[string]*cred
	logins map[string]*loginRef
	// busy are the issuers with a job in progress; "" stands for all of them.
	busy map[string]bool
	// tidy means that the stored logins must be compared with the .top files, not
	// before tidyAt.
	tidy      bool
	tidyAt    time.Time
	tidyFails int
	marked    time.Time // zero if the user has jobs
	swept     time.Time // the mark that was processed
	problem   string
	seen      bool // this process has scanned the directory
	// next is when there is work to do. It is not valid while stale is set, which means that
	// something has changed.
	next  time.Time
	stale bool
}

// cred is a credential that jobs use.
type cred struct {
	stamp   stamp
	top     *top
	orphan  bool // the log says that there is no login for it
	next    time.Time
	got     time.Time
	expires time.Time
	// renewed means that the token was obtained, now or by an earlier process.
	renewed bool
	fails   int
}

// loginRef is a credential that is a login.
type loginRef struct {
	stamp   stamp
	top     *top // without the secret
	pending bool // the credmon has not taken it over yet
	retry   time.Time
	fails   int
}

// issuerState is the state of the requests to an issuer.
type issuerState struct {
	slots  chan struct{}
	active int
	fails  int
	until  time.Time // no requests before
}

// NewMonitor opens the credential directory.
func NewMonitor(s Settings) (*Monitor, error) {
	dir, err := openDirectory(s.Dir)
	if err != nil {
		return nil, err
	}
	if s.Jitter == nil {
		s.Jitter = rand.Float64
	}
	return &Monitor{
		s: s, dir: dir, owners: []int{os.Geteuid(), s.Owner},
		users: map[string]*account{}, issuers: map[string]*issuerState{}, clients: map[string]agedClient{},
		done: make(chan result),
	}, nil
}

// Close closes the credential directory.
func (m *Monitor) Close() { m.dir.close() }

// due returns when to renew a token: at half of its lifetime, or up to a twentieth of it
// later, so that tokens that were obtained together are not renewed together.
func (m *Monitor) due(t token.Token, got time.Time) time.Time {
	whole := fresh.Lifetime(t, got)
	half := max(whole/2, soonest)
	at := got.Add(half)
	if !t.Expires.IsZero() {
		// The clock of this host may be behind the issuer's.
		if limit := t.Expires.Add(-whole / 2); limit.Before(at) && limit.After(got.Add(soonest)) {
			at = limit
		}
	}
	return at.Add(time.Duration(m.s.Jitter() * float64(whole/20)))
}

// backOff returns how long to wait after n failures.
func (m *Monitor) backOff(n int, first, last time.Duration) time.Duration {
	d := last
	if n < 20 {
		d = min(first<<(n-1), last)
	}
	return d + time.Duration(m.s.Jitter()*float64(d/10))
}

// state returns the state of an issuer.
func (m *Monitor) state(url string) *issuerState {
	st := m.issuers[url]
	if st == nil {
		st = &issuerState{slots: make(chan struct{}, atOnce)}
		m.issuers[url] = st
	}
	return st
}

// clientAge is how long a client is used. A new one reads the CA certificates again, which
// may be replaced while the credmon runs for months.
const clientAge = 24 * time.Hour

// client returns the shared client for a file of CA certificates.
func (m *Monitor) client(caFile string) *issuer.Client {
	m.clientsMu.Lock()
	defer m.clientsMu.Unlock()
	c := m.clients[caFile]
	if now := m.s.Now(); c.Client == nil || now.Sub(c.made) > clientAge {
		c = agedClient{m.s.NewClient(caFile), now}
		m.clients[caFile] = c
	}
	return c.Client
}

// agedClient is a client, and when it was made.
type agedClient struct {
	*issuer.Client
	made time.Time
}

package store

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// Config says what a Store keeps, where, and whom it asks. Its zero value keeps
// nothing but what is imported, in memory.
type Config struct {
	// Dir is the directory that endorsements are kept in; see docs/endorsements.md
	// for what lies there. It is made if it is not there. Empty: memory only.
	Dir string
	// Vendors are asked for what is missing, and judge what is authentic. The
	// first one whose Endorser locates a name is the name's.
	Vendors []Vendor
	// Offline has the store ask nobody.
	Offline bool
	// Grace is how long documents that have expired are still handed out, and lists
	// that revoke nothing. Certificates, and lists that revoke any, are handed out for
	// ever. Defaults to 30 days.
	Grace time.Duration
	// RefreshEvery is the longest time between two looks at whether a list or
	// document was renewed. Defaults to 24 hours.
	RefreshEvery time.Duration
	// MaxEntries and MaxBytes (of content) bound the store. Key certificates that
	// the vendor hands out again make room for others, those unused for longest
	// first. They default to 32,768 entries and 64 MiB.
	MaxEntries int
	MaxBytes   int64

	// Transport carries requests. Defaults to one of the store's own, which goes
	// through the proxy that the environment names (HTTPS_PROXY, NO_PROXY).
	Transport http.RoundTripper
	// Now is the clock by which validity is judged. Defaults to time.Now. Waiting
	// and trying again go by the process's monotonic clock, which nobody sets.
	Now func() time.Time
	// Random returns a number in [0, 1) for jitter. Defaults to math/rand/v2's.
	Random func() float64
	// Notify is told of every change and refusal. It is called from several
	// goroutines and must not block. May be nil.
	Notify func(Event)
}

// Vendor is a service that hands out endorsements.
type Vendor struct {
	// Name is for people and metrics: "amd-kds".
	Name string
	// BaseURL is the service, or a mirror or caching proxy of it, with the prefix
	// of its paths: "https://kdsintf.amd.com". Only https, and http to this host itself.
	BaseURL string
	// Endorser knows the names and paths, and what is authentic.
	Endorser tee.Endorser
	// ChainHeaders name the header fields in which answers carry the issuers'
	// certificates, as PEM with %-escapes.
	ChainHeaders []string
	// RequestEvery and Burst are the bounds on requests: after Burst at once, one in
	// each RequestEvery. They default to 1 s and 16.
	RequestEvery time.Duration
	Burst        int
	// Concurrency is how many requests the vendor works on at once. Defaults to 4.
	Concurrency int
}

// Event is something that happened to a name. Err is nil if a new endorsement is
// in force, and says otherwise what failed; what was in force stays then.
//
// Without a name it is about the vendor as a whole: Err says why it is not
// available from now on, and is nil if it answers again.
type Event struct {
	Vendor string // empty: the directory
	Name   tee.EndorsementName
	Err    error
	// Withdraws says that it is a list or a document, which may withdraw what was said before;
	// a certificate does not.
	Withdraws bool
}

func (c Config) withDefaults() Config {
	c.Grace = orDefault(c.Grace, defaultGrace)
	c.RefreshEvery = orDefault(c.RefreshEvery, defaultRefreshEvery)
	c.MaxEntries = orDefault(c.MaxEntries, defaultMaxEntries)
	c.MaxBytes = orDefault(c.MaxBytes, defaultMaxBytes)
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Notify == nil {
		c.Notify = func(Event) {}
	}
	return c
}

func (v Vendor) withDefaults() Vendor {
	v.RequestEvery = orDefault(v.RequestEvery, defaultRequestEvery)
	v.Burst = orDefault(v.Burst, defaultBurst)
	v.Concurrency = orDefault(v.Concurrency, defaultConcurrency)
	return v
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value <= 0 {
		return otherwise
	}
	return value
}

// parseBase checks the base URL of a vendor. It comes from the configuration alone.
func parseBase(v Vendor) (*url.URL, error) {
	refuse := func(why string) (*url.URL, error) {
		return nil, evidence.Errorf(evidence.CodeEndorsementVendor, v.Name, "the base URL %q %s", v.BaseURL, why)
	}
	base, err := url.Parse(v.BaseURL)
	switch {
	case err != nil:
		return nil, evidence.Errorf(evidence.CodeEndorsementVendor, v.Name, "the base URL is none: %w", err)
	case base.Host == "" || base.Hostname() == "":
		return refuse("names no host")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "" || base.ForceQuery:
		return refuse("may have no user, query or fragment")
	case base.Scheme == "http" && !isLoopback(base.Hostname()):
		return refuse("must begin with https: http is for services on this host only")
	case base.Scheme != "https" && base.Scheme != "http":
		return refuse("must begin with https")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	if base.Path != "" && !isPlainPath(base.Path) {
		return refuse("has a path with empty, relative or escaped parts")
	}
	return base, nil
}

// repeats reports whether a base's path ends with two or more of the parts that a
// located path begins with, as other programs want it configured.
func repeats(base, located string) bool {
	path, _, _ := strings.Cut(located, "?")
	parts := strings.Split(path, "/") // the first is empty
	for n := 3; n <= len(parts); n++ {
		if strings.HasSuffix(base, strings.Join(parts[:n], "/")) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// at returns the URL of a path that an Endorser located. Nothing in the path can
// change the host or lead out of the base, whatever the path is.
func at(base *url.URL, located string) (*url.URL, bool) {
	path, query, _ := strings.Cut(located, "?")
	if !isPlainPath(path) || !isPlainQuery(query) {
		return nil, false
	}
	return &url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path + path, RawQuery: query}, true
}

// isPlainPath reports whether a path has parts of plain characters only, none of
// them empty, "." or "..".
func isPlainPath(path string) bool {
	parts := strings.Split(path, "/")
	if parts[0] != "" || len(parts) < 2 {
		return false
	}
	for _, part := range parts[1:] {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, isNotPlain) {
			return false
		}
	}
	return true
}

func isPlainQuery(query string) bool {
	return !strings.ContainsFunc(query, func(r rune) bool { return isNotPlain(r) && r != '=' && r != '&' })
}

// isNotPlain holds for what RFC 3986 does not call unreserved.
func isNotPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
}

package tdx

import (
	"crypto/x509"
	"time"

	"github.com/quotary/quotary/tee"
)

// window is a period of validity with the name of what is valid then.
type window struct {
	name     string
	from, to time.Time
	source   tee.EndorsementName // that the next issue comes under; zero for what a quote brings
}

func certificateWindow(name string, cert *x509.Certificate) window {
	return window{name: name, from: cert.NotBefore, to: cert.NotAfter}
}

// renewable reports whether there may be another issue.
func (w window) renewable() bool { return w.source != tee.EndorsementName{} }

func (w window) contains(now time.Time) bool { return !now.Before(w.from) && !now.After(w.to) }

// state renders the end that now lies beyond.
func (w window) state(now time.Time) string {
	if now.Before(w.from) {
		return w.name + " valid from " + stamp(w.from)
	}
	return w.name + " valid until " + stamp(w.to)
}

// earlier returns the earlier of two times, of which the first may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

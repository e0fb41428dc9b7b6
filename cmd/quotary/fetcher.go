package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// fetcher has a store fetch endorsements one by one, in the order in which one
// rests on the other, and takes note of what cannot be had.
type fetcher struct {
	s      streams
	store  *store.Store
	failed map[tee.EndorsementName]fetchFailure
}

// fetchFailure is why an endorsement cannot be had, and when to come back: zero
// if there is no point.
type fetchFailure struct {
	err   error
	again time.Duration
}

func newFetcher(s streams, from *store.Store) *fetcher {
	return &fetcher{s, from, map[tee.EndorsementName]fetchFailure{}}
}

// take has the store take in what is authentic of what was given: what is fetched
// may rest on it.
func (f *fetcher) take(given *tee.Endorsements) {
	if _, err := f.store.Import(given); err != nil {
		f.s.report(err)
	}
}

// carriedBy recognises the certificates that travel with a report. What is none
// is left out: verifying says more of it.
func carriedBy(item evidence.Item) *tee.Endorsements {
	found := &tee.Endorsements{}
	if snp, ok := item.(*evidence.SNP); ok {
		for _, der := range snp.Certificates {
			_ = endorsements.Parse("", der, found)
		}
	}
	return found
}

// fetch makes an endorsement available, or returns and remembers why not.
func (f *fetcher) fetch(ctx context.Context, name tee.EndorsementName) error {
	return f.ask(ctx, name, func() (time.Duration, error) { return f.store.Fetch(ctx, []tee.EndorsementName{name}) })
}

// renew fetches the newest issue of what is held already.
func (f *fetcher) renew(ctx context.Context, name tee.EndorsementName) error {
	return f.ask(ctx, name, func() (time.Duration, error) { return f.store.Renew(ctx, name) })
}

// ask asks until there is an answer or ctx would end before the next time that a
// vendor may be asked.
func (f *fetcher) ask(ctx context.Context, name tee.EndorsementName, once func() (time.Duration, error)) error {
	for {
		again, err := once()
		if err == nil {
			delete(f.failed, name)
			return nil
		}
		if !isThrottled(err) || !waits(ctx, again) {
			f.failed[name] = fetchFailure{err, again}
			return err
		}
		f.s.note("waiting %s, as the vendor wants fewer requests", again.Round(time.Second))
		pause(ctx, again)
	}
}

// isThrottled reports whether it is enough to wait.
func isThrottled(err error) bool {
	return slices.Contains([]evidence.Code{evidence.CodeEndorsementThrottled, evidence.CodeEndorsementBusy}, evidence.CodeOf(err))
}

// waits reports whether there is as much time left.
func waits(ctx context.Context, span time.Duration) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() == nil && (!bounded || time.Until(deadline) > span)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, span time.Duration) {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// complain tells of the failures of these names, and once of each kind what to do
// about it.
func (f *fetcher) complain(names []tee.EndorsementName) {
	var hints []string
	for _, name := range names {
		failure, failed := f.failed[name]
		if !failed {
			continue
		}
		f.s.note("%s: %s", printable(cutTo(nameWidth, name.String())), printable(failure.say()))
		if hint := adviceOn(failure.err); hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	for _, hint := range hints {
		f.s.note("hint: %s", hint)
	}
}

// say is the failure without the name, which may be long.
func (f fetchFailure) say() string {
	text := fmt.Sprintf("%s: %s", evidence.CodeOf(f.err), detail(f.err))
	if f.again > 0 {
		text += fmt.Sprintf(" (come back in %s)", f.again.Round(time.Second))
	}
	return text
}

// advices are what the user of this program can do about a failure to fetch.
var advices = map[evidence.Code]string{
	evidence.CodeEndorsementUnreachable: "is there a network, or a proxy to go through (HTTPS_PROXY)? a mirror or caching service is named with --amd-kds, --intel-pcs and --intel-root, or" +
		" --intel-pccs, and a certificate that it signed itself with SSL_CERT_FILE; without any, import a bundle that quotary endorsements export wrote elsewhere",
	evidence.CodeEndorsementThrottled:    "come back later, give more time with --timeout, or name a mirror or caching service with --amd-kds or --intel-pccs",
	evidence.CodeEndorsementBusy:         "come back later, or give more time with --timeout",
	evidence.CodeEndorsementPending:      "give more time with --timeout; what was fetched before is kept in the store",
	evidence.CodeEndorsementNotFound:     "the vendor does not know this chip, platform or TCB: is the evidence of production hardware, and the base URL that of the right service, without its paths?",
	evidence.CodeEndorsementNotAuthentic: "is the clock right, and the base URL that of the right service? the root of a simulator or test PKI is named with --trust",
	evidence.CodeEndorsementRolledBack:   "bring the mirror up to date",
	evidence.CodeEndorsementStale:        "is the clock right? else only the vendor, or who runs the mirror, can help",
}

func adviceOn(err error) string { return advices[evidence.CodeOf(err)] }

// interruptible returns a context that ends with the time given, or when the user
// wants it to: what was fetched until then is kept.
func interruptible(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	return ctx, func() { stop(); cancel() }
}

package main

import (
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

const prefetchHelp = `usage: quotary endorsements prefetch --store DIR [FLAG]…

Fetch into a store what given evidence draws on; without any, what every
verification may draw on (AMD's issuers and revocation lists of all product lines,
Intel's lists and the identity of its quoting enclave); and newer issues of what is
held and due for a look. Certificates that evidence carries are taken in, too. Only
what is authentic is kept. Vendors are asked slowly, as they want it.

flags:
` + storeFlagsHelp + `  --evidence FILE what to fetch for: as quotary verify takes it; repeatable
  --vendor NAME   what every verification of this vendor's evidence may draw on,
                  beside --evidence or alone; amd or intel; repeatable. What is due
                  is then renewed of these vendors alone
  --timeout TIME  how long it may take, such as 90s or 2h, pauses included that a
                  vendor asks for (429, or Retry-After); default: 5m. A vendor that
                  fails or cannot be reached is not waited for: come back later
  -o text|json    output format
` + vendorFlagsHelp + `
exit codes: 0 everything that was to be fetched is there, 3 something is not, or has
expired (standard error says why, and when to come back), 1 usage or internal error

examples:
  quotary endorsements prefetch --store ./collateral
  quotary endorsements prefetch --store ./collateral --evidence a.json --evidence b.json
  quotary endorsements prefetch --store ./collateral --vendor amd --amd-kds https://kds.example.org
  quotary endorsements prefetch --store ./collateral --intel-pccs https://pccs.example:8081 --evidence quote.bin
`

// prefetchOptions are prefetch's flags.
type prefetchOptions struct {
	storeFlags
	evidence list
	vendors  vendorList
	services vendorFlags
	timeout  time.Duration
	output   *choice
}

func parsePrefetch(args []string) (*prefetchOptions, error) {
	o := &prefetchOptions{}
	fs := flagSet("endorsements prefetch")
	o.define(fs)
	fs.Var(&o.evidence, "evidence", "")
	fs.Var(&o.vendors, "vendor", "")
	o.services.define(fs)
	fs.DurationVar(&o.timeout, "timeout", prefetchTimeout, "")
	o.output = outputFlag(fs, "text", "json")
	if err := parseWithout(fs, args); err != nil {
		return nil, err
	}
	switch {
	case o.timeout <= 0 || o.timeout > maxPrefetchTimeout:
		return nil, usage(fmt.Sprintf("--timeout %s is not between 1s and %s", o.timeout, maxPrefetchTimeout), "the default is 5m")
	case len(o.evidence) > maxPrefetched:
		return nil, usage(fmt.Sprintf("%d files of evidence are more than %d", len(o.evidence), maxPrefetched), "fetch for some first")
	}
	if err := o.services.check(); err != nil {
		return nil, err
	}
	return o, o.check(fs)
}

// prefetchReport is prefetch's answer, as JSON has it.
type prefetchReport struct {
	Store   string `json:"store"`
	Held    int    `json:"held"`
	Fetched int    `json:"fetched"` // renewed ones included
	Expired int    `json:"expired"` // held, but the newest there is has expired, or none newer could be had
	Missing int    `json:"missing"`

	Endorsements []prefetchEntry `json:"endorsements"`
}

// prefetchEntry is one name and what became of it.
type prefetchEntry struct {
	Type    string  `json:"type"`
	ID      string  `json:"id"`
	Outcome outcome `json:"outcome"`
	// Error says why it is missing or expired, or could not be renewed, and RetryAfter in how
	// many seconds there is a point in trying again.
	Error      *reportError `json:"error,omitempty"`
	RetryAfter int64        `json:"retry_after,omitempty"`
}

// outcome says what became of a name.
type outcome string

const (
	outcomeHeld    outcome = "held"    // was there
	outcomeFetched outcome = "fetched" // is there now
	outcomeRenewed outcome = "renewed" // was there, and the vendor was asked for a newer issue
	outcomeExpired outcome = "expired" // is there, and has expired
	outcomeMissing outcome = "missing"
)

func prefetch(s streams, args []string) (exit, error) {
	o, err := parsePrefetch(args)
	if err != nil {
		return exitFailed, err
	}
	authorities, err := o.authorities()
	if err != nil {
		return exitFailed, err
	}
	targets, err := readTargets(s, o.evidence)
	if err != nil {
		return exitFailed, err
	}
	opened, err := openStore(o.config(o.services.services(authorities)))
	if err != nil {
		return exitFailed, err
	}
	ctx, stop := interruptible(o.timeout)
	defer stop()
	p := &prefetching{fetcher: newFetcher(s, opened), authorities: authorities, vendors: o.vendors, now: o.now}
	p.plan(targets)
	p.run(ctx)
	if err := closeStore(opened); err != nil {
		return exitFailed, err
	}
	r := p.report
	r.Store = o.dir
	if o.output.value == "json" {
		err = writeJSON(s, r)
	} else {
		fmt.Fprintf(s.out, "%s: %s\n", printable(r.Store), r.summary())
	}
	return r.exit(), err
}

// exit is exitAccepted only if everything is there.
func (r *prefetchReport) exit() exit {
	if r.Missing > 0 || r.Expired > 0 {
		return exitUndecided
	}
	return exitAccepted
}

// summary counts, and tells of what has expired only where there is any.
func (r *prefetchReport) summary() string {
	expired := ""
	if r.Expired > 0 {
		expired = fmt.Sprintf("%d expired, ", r.Expired)
	}
	return fmt.Sprintf("%d fetched, %d held before, %s%d missing", r.Fetched, r.Held, expired, r.Missing)
}

// add takes note of what became of a name.
func (r *prefetchReport) add(name tee.EndorsementName, became outcome, failure fetchFailure) {
	entry := prefetchEntry{Type: name.Type, ID: name.ID, Outcome: became, Error: errorOf(failure.err), RetryAfter: int64(failure.again.Round(time.Second) / time.Second)}
	r.Endorsements = append(r.Endorsements, entry)
	switch became {
	case outcomeHeld:
		r.Held++
	case outcomeFetched, outcomeRenewed:
		r.Fetched++
	case outcomeExpired:
		r.Expired++
	case outcomeMissing:
		r.Missing++
	}
}

// target is evidence that is to be fetched for.
type target struct {
	file string
	item evidence.Item
	// claims are unverified: they only say what to ask for.
	claims evidence.Claims
}

// readTargets reads all evidence, before anything is fetched.
func readTargets(s streams, files list) ([]target, error) {
	inspectors, err := inspectors()
	if err != nil {
		return nil, err
	}
	var targets []target
	for _, file := range files {
		bundle, err := readEvidence(s, file, tpmFlags{})
		if err != nil {
			return nil, withHint(fmt.Errorf("--evidence %s: %w", file, err), "--evidence takes what quotary verify takes; nothing was fetched")
		}
		for _, item := range bundle {
			claims, err := inspectors[item.Kind()].UnverifiedClaims(item)
			if err != nil {
				return nil, withHint(fmt.Errorf("--evidence %s: %w", file, err), "quotary inspect says more; nothing was fetched")
			}
			targets = append(targets, target{file, item, claims})
		}
	}
	return targets, nil
}

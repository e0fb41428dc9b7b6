// Package policies decides which workload a machine may call itself. It reads
// an administrator's documents (workloads, reference values, advisories, in YAML),
// compiles them into an immutable [Set], and evaluates the claims that the
// verifiers found against it. The outcome is a [Decision]: a verdict, the
// identity that the workload earns, and every check with what it wanted and got.
//
// It fails closed. What a requirement does not mention has a strict default;
// what it relaxes, it names, and the name stands in the decision. An absent
// claim is never a good one: it fails every requirement and makes every rule
// that reads it an error, which denies.
//
// Start at [Load] and [Set.Evaluate]; docs/policy.md describes the documents.
package policies

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
)

// apiVersion is the version of the document format.
const apiVersion = "quotary.dev/v1"

// Set is a compiled policy: workloads, the reference values that they refer to
// and the advisories that machines are held against. It does not change after [Load] and is safe for concurrent use. The zero
// Set, and nil, accept nothing.
type Set struct {
	workloads  []*workload        // by name
	references []*referenceValues // by name
	advisories *advisoryTable
	digest     string
	warnings   []problem
}

// Load compiles the documents in files into a Set. Every key must be known,
// every value must be of its type and length, and every reference must resolve;
// otherwise the error is a [Problems] with all that is wrong, each with its
// file, line and column. Without files it returns a Set that accepts nothing.
// Signed reference values need the keys of [Options].
func Load(files ...File) (*Set, error) {
	return Options{}.Load(files...)
}

// compile returns the set of files and the documents that it was made of. The
// error is a [Problems].
func (o Options) compile(files []File) (*Set, []document, error) {
	var keyError *evidence.Error
	if errors.As(checkReferenceKeys(o.ReferenceKeys), &keyError) {
		return nil, nil, Problems{keyError}
	}
	var found problems
	documents := parseFiles(files, o.ReferenceKeys, &found)
	l := newLoader(&found)
	l.incomplete = len(found.list) > 0
	for _, d := range documents {
		o.checkSigned(d)
		switch d.kind {
		case kindReferenceValues:
			l.readReferenceValues(d)
		case kindAdvisories:
			l.readAdvisories(d)
		}
	}
	l.withBuiltin()
	for _, d := range documents {
		if d.kind == kindWorkload {
			l.readWorkload(d)
		}
	}
	if err := found.err(); err != nil {
		return nil, nil, err
	}
	return &Set{
		workloads: l.sorted(), references: sortedReferences(l.references), advisories: l.advisories, digest: digest(documents),
		warnings: found.warnings,
	}, documents, nil
}

// Digest identifies the documents of the set: "sha256:" and 64 hex digits. It
// depends neither on the files' names and order nor on comments and layout.
func (s *Set) Digest() string {
	if s == nil || s.digest == "" {
		return digest(nil)
	}
	return s.digest
}

// Workloads lists the names of the set's workloads, sorted.
func (s *Set) Workloads() []string {
	if s == nil {
		return nil
	}
	names := make([]string, len(s.workloads))
	for i, w := range s.workloads {
		names[i] = w.name
	}
	return names
}

// loader gathers what the documents define. A document with problems is
// defined all the same, so that references to it are no further problems.
type loader struct {
	problems   *problems
	incomplete bool // there are documents that could not be read or have no name
	references map[string]*referenceValues
	knownBad   map[string][]reference // by list name
	advisories *advisoryTable
	demands    int // of the advisories
	workloads  map[string]*workload
	rules      ruleCompiler
	ruleCount  int // of all workloads
	ruleText   int // their text, in bytes
}

func (l *loader) sorted() []*workload {
	list := make([]*workload, 0, len(l.workloads))
	for _, w := range l.workloads {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *workload) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return list
}

// Input is what a decision rests on, besides the documents.
type Input struct {
	// Claims are what the verifiers found, one entry for each item of the bundle.
	// They must come from genuine evidence: policy does not look at signatures.
	Claims []evidence.Claims
	// Now is the instant at which reference values must be in force.
	Now time.Time
	// Recorded is set for claims that are on record: when they were found. Then what they
	// leave out is not known, instead of bad; the age of a vendor's collateral speaks against
	// nobody; and the time that rules go by is the one of then. Zero for evidence at hand.
	Recorded time.Time
	// TrustDomain is the trust domain that the workload asks to join; empty means any.
	TrustDomain string
	// SimulatedAccepted is the service's half of the consent to simulated
	// evidence; the workload's allow_simulated is the other.
	SimulatedAccepted bool
}

// Verdict is the outcome of a decision.
type Verdict string

// The verdicts.
const (
	Accepted  Verdict = "accepted"
	Rejected  Verdict = "rejected"
	Undecided Verdict = "undecided" // only checks that could not be performed stand in the way
)

// Decision is what the policy says of a bundle of evidence. The zero Decision
// accepts nothing.
type Decision struct {
	Verdict Verdict
	// Workload is the workload that matched; where none did, the one whose
	// requirements came nearest and whose checks are reported.
	Workload string
	// Alternative names the workload's alternative that matched, as messages do. It is
	// set only if Verdict is Accepted.
	Alternative string
	// Identity is what the workload earns. It is set only if Verdict is Accepted.
	Identity Identity
	Checks   evidence.Checks
	// Relaxed names what the matching alternative waives of the default
	// requirements, sorted, such as "sev-snp.debug". It says what the policy would
	// let pass, whether or not this evidence needed it.
	Relaxed []string
	// Advisories are the security bulletins that apply to the machine, and by how
	// much it is behind, whatever the verdict and the requirement make of them.
	Advisories []Advisory
	// Digest is the digest of the Set that decided. The advisories of the build are
	// not part of it; the check on them says of which day they are.
	Digest string
	// ValidUntil is the earliest end of what the decision rests on: reference values,
	// and a revocation list that had ended and was accepted for a while. Zero if
	// nothing of it ends.
	ValidUntil time.Time
}

// Identity is what a workload earns.
type Identity struct {
	SPIFFEID    string
	DNSNames    []string
	IPAddresses []netip.Addr
	TTL         time.Duration
}

// Equal reports whether two identities name the same. The lives may differ.
func (i Identity) Equal(other Identity) bool {
	return i.SPIFFEID == other.SPIFFEID && slices.Equal(i.DNSNames, other.DNSNames) && slices.Equal(i.IPAddresses, other.IPAddresses)
}

// Names lists its DNS names, then its addresses, as text.
func (i Identity) Names() []string {
	names := append([]string{}, i.DNSNames...)
	for _, address := range i.IPAddresses {
		names = append(names, address.String())
	}
	return names
}

// Clone returns a copy that shares nothing with i.
func (i Identity) Clone() Identity {
	i.DNSNames, i.IPAddresses = slices.Clone(i.DNSNames), slices.Clone(i.IPAddresses)
	return i
}

// Package attacks attacks a service that verifies evidence. Its rows are the known
// attacks on such a service that can be tried from outside; each has cases that
// try it over HTTP, with evidence that simulated hardware signed after it was
// changed, so that the check under attack is what must refuse it.
//
// Start at [Run], which takes a [Target]: a service that trusts a simulated world
// and has the policies of [Documents] in force. Nothing here knows how the service
// was started or how it is made.
//
// # How to add a row
//
// A row belongs to a series, named by its first letter; the series' rows stand in
// the function that series_*.go names, and are listed without any registration:
//
//	{ID: "S43", Title: "a report that the host asked for", Cases: []Case{{
//		Name:    "VMPL of all ones",
//		Subject: "snp",
//		Want:    codes(evidence.CodeSNPVMPL),
//		Try:     changed(func(r *sevsnp.Report) { r.VMPL = 0xffffffff }),
//	}}}
//
// Subject names what is attacked: a machine with the policy that accepts it. It is
// accepted itself before any of its mutants counts. Want lists exactly the checks
// that must fail, so that a row cannot be held for another reason than its own.
// The tests then disable just these checks, and the mutant must be accepted: so a
// case proves its check. A case that something else refuses than a check says so
// in Proof, and why. A row that needs a policy or machine of its own adds a
// [Subject] to its series.
package attacks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
)

// Row is one known attack.
type Row struct {
	ID    string // the series' letter and two digits
	Title string
	Cases []Case
}

// Case is one way to try an attack.
type Case struct {
	Name string // what is different from the honest machine; one of its kind in its row
	// Subject names the machine that is attacked, or stood in for.
	Subject string
	// Want are the checks that must fail, all of them and no others, or the code of
	// the problem where no check is made. Empty is for attacks on others: whatever was
	// done, an honest machine must be accepted.
	Want []evidence.Code
	// Behind are checks that would refuse the same if those of Want did not, or codes
	// with which the service then does: second lines of defence, which a proof of the
	// first must take away too.
	Behind []evidence.Code
	Proof  Proof
	Why    string // why the proof is not [ByCheck]
	// Alone says that the case changes the service for others while it runs: as a quote
	// that is accepted does for earlier ones of the same TPM.
	Alone bool
	// Try attacks. The error is for what kept it from being tried; see [Skip].
	Try func(ctx context.Context, a *Attacker) (Got, error)
}

// Proof says what shows that a case proves what it says.
type Proof int

// The proofs of a case.
const (
	// ByCheck is the proof by a service without the check: it accepts the mutant.
	ByCheck Proof = iota
	// ByParser is for what cannot be decoded, so that nothing is left to accept. The
	// honest machine, which is accepted, shows the difference.
	ByParser
	// ByService is for what the service refuses before or after any check.
	ByService
	// ByAcceptance is for attacks on others: that they are served all the same.
	ByAcceptance
)

var proofs = []string{"check", "parser", "service", "acceptance"}

func (p Proof) String() string { return proofs[p] }

// MarshalText returns the proof's name.
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a proof's name.
func (p *Proof) UnmarshalText(text []byte) error {
	at := slices.Index(proofs, string(text))
	if at < 0 {
		return fmt.Errorf("attacks: there is no proof by %q", text)
	}
	*p = Proof(at)
	return nil
}

// Rows lists all rows, sorted by ID.
func Rows() []Row {
	var rows []Row
	for _, s := range allSeries() {
		rows = append(rows, s.rows()...)
	}
	slices.SortFunc(rows, func(x, y Row) int { return strings.Compare(x.ID, y.ID) })
	return rows
}

// series are the rows of one subject.
type series struct {
	letter   string
	title    string
	rows     func() []Row
	subjects func(*simulators.World) ([]Subject, error)
}

func allSeries() []series {
	return []series{
		{"S", "SEV-SNP", snpRows, snpSubjects},
		{"T", "TDX", tdxRows, tdxSubjects},
		{"P", "TPM", tpmRows, tpmSubjects},
		{"B", "binding and freshness", bindingRows, bindingSubjects},
		{"K", "attestation results", tokenRows, tokenSubjects},
		{"A", "certificates", certificateRows, certificateSubjects},
		{"D", "interface and resources", apiRows, apiSubjects},
	}
}

// codes makes lists of codes short to write.
func codes(list ...evidence.Code) []evidence.Code { return list }

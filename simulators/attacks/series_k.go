package attacks

import (
	"slices"

	"github.com/quotary/quotary/simulators"
)

// tokenRows are the attacks on attestation results. They are tried on a relying party
// that has the target's keys and verifies by this project's own library.
func tokenRows() []Row { return slices.Concat(tokenHeaderRows(), tokenClaimRows(), tokenIssuedRows()) }

// tokenSubjects are none: what is attacked is not the evidence.
func tokenSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

package attacks

import (
	"slices"

	"github.com/quotary/quotary/simulators"
)

// certificateRows are the attacks on certificates and how they are issued.
func certificateRows() []Row { return slices.Concat(requestRows(), issuedRows(), otherWayRows()) }

// certificateSubjects are none: what is attacked is not the evidence.
func certificateSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

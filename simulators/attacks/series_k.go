package attacks

import "github.com/quotary/quotary/simulators"

// tokenRows are the attacks on attestation results.
func tokenRows() []Row { return nil }

// tokenSubjects are what they are tried on.
func tokenSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

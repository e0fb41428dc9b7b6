package attacks

import "github.com/quotary/quotary/simulators"

// certificateRows are the attacks on certificates.
func certificateRows() []Row { return nil }

// certificateSubjects are what they are tried on.
func certificateSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

package attacks

import "github.com/quotary/quotary/simulators"

// tpmRows are the attacks on TPMs.
func tpmRows() []Row { return nil }

// tpmSubjects are what they are tried on.
func tpmSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

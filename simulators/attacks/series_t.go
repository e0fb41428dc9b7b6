package attacks

import "github.com/quotary/quotary/simulators"

// tdxRows are the attacks on TDX.
func tdxRows() []Row { return nil }

// tdxSubjects are what they are tried on.
func tdxSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

package attacks

import "github.com/quotary/quotary/simulators"

// apiRows are the attacks on the interface and resources.
func apiRows() []Row { return nil }

// apiSubjects are what they are tried on.
func apiSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

package attacks

import "github.com/quotary/quotary/simulators"

// bindingRows are the attacks on binding and freshness.
func bindingRows() []Row { return nil }

// bindingSubjects are what they are tried on.
func bindingSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

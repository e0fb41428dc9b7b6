package attacks

import (
	"slices"

	"github.com/quotary/quotary/simulators"
)

// apiRows are the attacks on the interface and its resources.
func apiRows() []Row { return slices.Concat(bodyRows(), pathRows(), floodRows()) }

// apiSubjects are none: what is attacked is not the evidence.
func apiSubjects(*simulators.World) ([]Subject, error) { return nil, nil }

package attacks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/lab"
)

// opened is the service that all tests of this binary attack: making its world
// takes seconds.
var opened struct {
	once   sync.Once
	target Target
	close  []func() error // in the reverse order
	err    error
}

const seed = "attacks"

// TestMain stops the service after all tests, if there is one.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, closes := range slices.Backward(opened.close) {
		if err := closes(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// service opens a real service in this process, with the documents in force.
func service(t *testing.T) Target {
	t.Helper()
	opened.once.Do(func() { opened.err = open(context.Background()) })
	if opened.err != nil {
		t.Fatal(opened.err)
	}
	return opened.target
}

func open(ctx context.Context) error {
	world, err := simulators.NewMoving(seed, time.Now)
	if err != nil {
		return err
	}
	documents, err := Documents(world, lab.DefaultTrustDomain)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "quotary-attacks-")
	if err != nil {
		return err
	}
	opened.close = append(opened.close, func() error { return os.RemoveAll(dir) })
	bare, err := target(ctx, world, documents, filepath.Join(dir, "unendorsed"), func(c *daemon.Config) { c.Endorsements = []string{} })
	if err != nil {
		return err
	}
	opened.target, err = target(ctx, world, documents, filepath.Join(dir, "service"), nil)
	if err != nil {
		return err
	}
	opened.target.Unendorsed = &bare
	// The attacker has the seed alone, as one has who comes from outside.
	opened.target.World, err = simulators.NewMoving(seed, time.Now)
	return err
}

// target opens one service.
func target(ctx context.Context, world *simulators.World, documents []policies.File, dir string, configure func(*daemon.Config)) (Target, error) {
	l, err := lab.Open(ctx, lab.Options{World: world, Dir: dir, Documents: documents, Configure: configure})
	if err != nil {
		return Target{}, err
	}
	opened.close = append(opened.close, l.Close)
	roots, err := l.Roots()
	return Target{URL: l.URL(), Roots: roots, TrustDomain: l.TrustDomain(), World: world}, err
}

package attacks

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/lab"
)

// opened is the service that all tests of this binary attack: making its world
// takes seconds.
var opened struct {
	once   sync.Once
	target Target
	close  func() error
	err    error
}

// TestMain stops the service after all tests, if there is one.
func TestMain(m *testing.M) {
	code := m.Run()
	if opened.close != nil {
		if err := opened.close(); err != nil {
			println(err.Error())
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
	world, err := simulators.New("attacks", time.Now())
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
	l, err := lab.Open(ctx, lab.Options{World: world, Dir: dir, Documents: documents})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	opened.close = func() error { return errors.Join(l.Close(), os.RemoveAll(dir)) }
	roots, err := l.Roots()
	opened.target = Target{URL: l.URL(), Roots: roots, TrustDomain: l.TrustDomain(), World: world, Refresh: l.Refresh}
	return err
}

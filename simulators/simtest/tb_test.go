package simtest_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
)

// exampleT stands for the *testing.T of a test, which examples do not have.
type exampleT struct {
	testing.TB // for what no example needs
	ctx        context.Context
	cancel     context.CancelFunc
	cleanups   []func()
}

func newExampleT() *exampleT {
	t := &exampleT{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// end does what the end of a test does.
func (t *exampleT) end() {
	t.cancel()
	for _, cleanup := range slices.Backward(t.cleanups) {
		cleanup()
	}
}

func (*exampleT) Helper()                           {}
func (t *exampleT) Cleanup(f func())                { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Context() context.Context        { return t.ctx }
func (*exampleT) Error(args ...any)                 { fmt.Println(args...) }
func (*exampleT) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (*exampleT) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (t *exampleT) TempDir() string {
	dir, err := os.MkdirTemp("", "simtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

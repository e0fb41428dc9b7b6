//go:build clients

package clienttest_test

import (
	"testing"

	"github.com/quotary/quotary/simulators/machines"
)

// restrict replaces something in the policy of a machine.
func (f *fleet) restrict(t *testing.T, name, was, is string) {
	t.Helper()
	document := f.machines[name].Workload(f.TrustDomain())
	document.Data = []byte(place(t, string(document.Data), "", map[string]string{was: is}))
	if err := f.Grant(t.Context(), document); err != nil {
		t.Fatal(err)
	}
}

// withdraw has the service refuse a machine from now on: policy asks for another one.
func (f *fleet) withdraw(t *testing.T, name string) {
	t.Helper()
	other, err := machines.New(f.World(), machines.Spec{Name: name, Technology: machines.TDX, CommandLine: "root=elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if err := f.Grant(t.Context(), other.Workload(f.TrustDomain())); err != nil {
		t.Fatal(err)
	}
}

package simtest_test

import (
	"fmt"
	"time"

	"github.com/quotary/quotary/simulators/lab"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/simtest"
	"github.com/quotary/quotary/simulators/vendors"
)

// In a test, t is the test's own.
func Example() {
	t := newExampleT()
	defer t.end()

	world := simtest.New(t)
	machine := world.Machine(t, machines.Spec{Name: "web", Technology: machines.SEVSNP})
	identity := world.Service(t, machine).Attest(t, machine)

	fmt.Println(identity.SPIFFEID)
	fmt.Println(identity.Certificate.Leaf.DNSNames, "simulated:", identity.Simulated)
	// Output:
	// spiffe://sim.test/web
	// [web.sim.test] simulated: true
}

// A machine that runs another image than the policy names is refused, and the refusal
// says why.
func ExampleService_Refused() {
	t := newExampleT()
	defer t.end()

	world := simtest.New(t)
	good := world.Machine(t, machines.Spec{Name: "ledger", Technology: machines.TDX})
	bad := world.Machine(t, machines.Spec{Name: "ledger", Technology: machines.TDX, CommandLine: "console=ttyS0 debug"})
	problem := world.Service(t, good).Refused(t, bad)

	fmt.Println(problem.Status, problem.Verdict)
	for _, check := range problem.Checks.Failed() {
		fmt.Println(check.Code)
	}
	// Output:
	// 422 rejected
	// policy.workload
	// policy.tdx.rtmr1
	// policy.tdx.rtmr2
}

// The clock of vendors, machines and service is one that a test moves: here, to a time
// at which Intel's documents have run out that the service was given.
func ExampleWorld_ServiceWith() {
	t := newExampleT()
	defer t.end()

	world := simtest.New(t)
	machine := world.Machine(t, machines.Spec{Name: "ledger", Technology: machines.TDX})
	service := world.ServiceWith(t, lab.Options{TrustDomain: "bank.test"}, machine)
	fmt.Println(service.Attest(t, machine).SPIFFEID)

	world.Clock.Travel(40 * 24 * time.Hour)
	fmt.Println(service.Refused(t, machine).Verdict)

	service.Admit(t) // what the vendors publish now
	fmt.Println(service.Attest(t, machine).SPIFFEID)
	// Output:
	// spiffe://bank.test/ledger
	// rejected
	// spiffe://bank.test/ledger
}

// Vendors fail, and a service goes on with what it has.
func ExampleService() {
	t := newExampleT()
	defer t.end()

	world := simtest.New(t)
	known := world.Machine(t, machines.Spec{Name: "known", Technology: machines.TDX})
	service := world.ServiceWith(t, lab.Options{Fetch: true}, known)
	service.Attest(t, known) // fetches TCB info, identity and revocation lists

	for _, name := range []string{vendors.IntelPCS, vendors.IntelRoot} {
		if err := service.Vendors().Inject(name + "/dead"); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println(service.Attest(t, known).SPIFFEID)
	// Output:
	// spiffe://sim.test/known
}

// A TPM whose maker certified its endorsement key enrols before it attests.
func ExampleService_Enrol() {
	t := newExampleT()
	defer t.end()

	world := simtest.New(t)
	machine := world.Machine(t, machines.Spec{Name: "builder", Technology: machines.TPM, TPM: machines.TPMSpec{Enrolled: true}})
	service := world.Service(t, machine)
	service.Enrol(t, machine)

	fmt.Println(service.Attest(t, machine).SPIFFEID)
	// Output:
	// spiffe://sim.test/builder
}

package greeter_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	greeter "example.org/attested-test"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/machines"
	"github.com/quotary/quotary/simulators/simtest"
)

// TestGreet has two attested machines talk: one serves, one calls.
func TestGreet(t *testing.T) {
	world := simtest.New(t)
	web := world.Machine(t, machines.Spec{Name: "web", Technology: machines.SEVSNP})
	db := world.Machine(t, machines.Spec{Name: "db", Technology: machines.TDX})
	service := world.Service(t, web, db)
	server, caller := service.Attest(t, db), service.Attest(t, web)

	site := httptest.NewUnstartedServer(http.HandlerFunc(greeter.Greet))
	site.TLS = greeter.TLS(*server.Certificate, server.Roots)
	site.StartTLS()
	defer site.Close()

	config := greeter.TLS(*caller.Certificate, caller.Roots)
	config.ServerName = "db.sim.test"
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	response, err := client.Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, _ := io.ReadAll(response.Body); string(got) != "hello, spiffe://sim.test/web" {
		t.Errorf("greeted with %q", got)
	}
}

// TestDebugged: a guest that its host can look into gets no identity.
func TestDebugged(t *testing.T) {
	world := simtest.New(t)
	good := world.Machine(t, machines.Spec{Name: "web", Technology: machines.SEVSNP})
	bad := world.Machine(t, machines.Spec{Name: "web", Technology: machines.SEVSNP, Faults: []string{"snp-debug"}})
	problem := world.Service(t, good).Refused(t, bad)
	if check, ok := problem.Checks.Get(evidence.CodePolicySNPDebug); !ok || check.Status != evidence.Fail {
		t.Errorf("refused for another reason: %v", problem.Checks.Failed())
	}
}

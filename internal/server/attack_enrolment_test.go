package server_test

import (
	"net/http"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tpm"
)

// Firmware TPMs' endorsement keys hang under a CA for each layer of the firmware, which all
// come with the request.
func TestLongChainOfEndorsementKey(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	body := e.keys(e.machine("one", simulated.MachineOptions{}))
	chain := body["ek_certificates"].([][]byte)
	for len(chain) < evidence.MaxCertificates {
		chain = append(chain, append(make([]byte, 0, 3<<10), chain[0]...)[:3<<10]) // as an NV index has it
	}
	body["ek_certificates"] = chain
	if answer := e.post("/v1/tpm/enrolments", body); answer.status != http.StatusOK {
		t.Errorf("%d: %s", answer.status, answer.body)
	}
	chain[1] = make([]byte, 64<<10)
	e.post("/v1/tpm/enrolments", body).refused(http.StatusBadRequest, evidence.CodeRequestMalformed)
}

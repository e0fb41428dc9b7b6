package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/store"
	simulated "github.com/quotary/quotary/simulators/tpm"
)

// Firmware TPMs' endorsement keys hang under a CA for each layer of the firmware, which all
// come with the request.
func TestAttack_D04_LongChainOfEndorsementKey(t *testing.T) {
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

// TestAttack_P38_RefusedEnrolmentsNameTheirKeys: who tries to displace a TPM's key, or brings another's, can be told
// from the audit trail.
func TestAttack_P38_RefusedEnrolmentsNameTheirKeys(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{keepFirst: true})
	one, two := e.machine("one", simulated.MachineOptions{}), e.machine("two", simulated.MachineOptions{})
	e.post("/v1/tpm/activations", e.answer(one, e.begin(one))).into(&server.ActivationResponse{})
	one = e.machine("one", simulated.MachineOptions{Key: simulated.KeyRSA}) // another key of the same TPM
	begun := e.begin(one)
	e.post("/v1/tpm/activations", e.answer(one, begun)).refused(http.StatusConflict, evidence.CodeTPMEnrolled)
	guessed := e.begin(two)
	e.post("/v1/tpm/activations", map[string]any{"enrolment": guessed.Enrolment, "secret": make([]byte, 32)}).refused(http.StatusUnprocessableEntity, evidence.CodeTPMEnrolment)
	bad := e.keys(two)
	bad["ek_public"] = e.keys(one)["ek_public"]
	e.post("/v1/tpm/enrolments", bad).refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
	events, err := e.Store.Events(t.Context(), store.EventFilter{Action: "enrolment", Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]string{}
	for _, event := range events {
		var detail struct {
			Route string       `json:"route"`
			EK    evidence.Hex `json:"ek_sha256"`
			AK    evidence.Hex `json:"ak_sha256"`
		}
		if err := json.Unmarshal(event.Detail, &detail); err != nil {
			t.Fatal(err)
		}
		if event.Outcome == store.Refused {
			named[event.Code+" "+detail.Route] = detail.EK.String() + " " + detail.AK.String()
		}
	}
	theirs := two.AttestationKey()
	want := map[string]string{
		"tpm.enrolled /v1/tpm/activations":      begun.EKSHA256.String() + " " + begun.AKSHA256.String(),
		"tpm.enrolment /v1/tpm/activations":     guessed.EKSHA256.String() + " " + guessed.AKSHA256.String(),
		"appraisal.rejected /v1/tpm/enrolments": " " + evidence.Hex(theirs[:]).String(), // which endorsement key it is, is contradictory
	}
	if !maps.Equal(named, want) {
		t.Errorf("refusals name %v, want %v", named, want)
	}
}

package server_test

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	simulated "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/tpm"
	"github.com/quotary/quotary/verifier"
)

// enrolling is a service that enrols the TPMs of a simulated maker.
type enrolling struct {
	*api
	maker *simulated.Vendor
}

type enrollingOptions struct {
	refuseSimulated, keepFirst bool
}

func startEnrolling(t *testing.T, o enrollingOptions) enrolling {
	t.Helper()
	maker, err := simulated.NewVendor(simulated.Options{Seed: "enrolments"})
	if err != nil {
		t.Fatal(err)
	}
	enroller, err := tpm.NewEnroller(tpm.EnrollerOptions{Roots: []tee.Anchor{maker.EKAnchor()}})
	if err != nil {
		t.Fatal(err)
	}
	enrolments, err := verifier.NewEnrolments(verifier.EnrolmentConfig{
		Enroller: enroller, Spender: &verifier.SpentSet{}, AcceptSimulated: !o.refuseSimulated,
	})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := ca.OpenAttestation(ca.AttestationConfig{Dir: filepath.Join(t.TempDir(), "ca"), Simulated: true, Life: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, servertest.Options{Config: func(c *server.Config) {
		c.Enrolment = &server.Enrolment{Enroller: enrolments, Authority: authority, Replace: !o.keepFirst}
	}})
	return enrolling{a, maker}
}

func (e enrolling) machine(name string, o simulated.MachineOptions) *simulated.Machine {
	e.t.Helper()
	o.Name = name
	m, err := e.maker.NewMachine(o)
	if err != nil {
		e.t.Fatal(err)
	}
	return m
}

// keys is the body of the first step.
func (e enrolling) keys(m *simulated.Machine) map[string]any {
	e.t.Helper()
	request, err := m.Enrolment()
	if err != nil {
		e.t.Fatal(err)
	}
	return map[string]any{"ek_certificates": request.EKCertificates, "ek_public": request.EKPublic, "ak_public": request.AKPublic}
}

// begin makes the first step.
func (e enrolling) begin(m *simulated.Machine) server.EnrolmentResponse {
	e.t.Helper()
	var begun server.EnrolmentResponse
	e.post("/v1/tpm/enrolments", e.keys(m)).into(&begun)
	return begun
}

// answer is the body of the second step.
func (e enrolling) answer(m *simulated.Machine, begun server.EnrolmentResponse) map[string]any {
	e.t.Helper()
	secret, err := m.Activate(tee.Credential{Blob: unbase64(e.t, begun.CredentialBlob), Secret: unbase64(e.t, begun.Secret)})
	if err != nil {
		e.t.Fatal(err)
	}
	return map[string]any{"enrolment": begun.Enrolment, "secret": secret}
}

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEnrolment(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	m := e.machine("one", simulated.MachineOptions{})
	begun := e.begin(m)
	if !begun.Simulated || time.Until(begun.ExpiresAt) > time.Minute || len(begun.Checks) == 0 {
		t.Errorf("%+v", begun)
	}
	e.ledger(0, 0) // the first step leaves nothing
	var got server.ActivationResponse
	e.post("/v1/tpm/activations", e.answer(m, begun)).into(&got)
	ak := m.AttestationKey()
	if string(got.AKSHA256) != string(ak[:]) || !got.Simulated || got.Manufacturer == "" || got.NotAfter.Sub(got.NotBefore) > 2*time.Hour {
		t.Errorf("%+v", got)
	}
	if block, _ := pem.Decode([]byte(got.AKCertificates)); block == nil {
		t.Errorf("no certificate: %q", got.AKCertificates)
	}
	if state, _, ok := e.Store.KeyState(tee.SimulatedID(ak)); !ok || state.Revoked || state.Quoted {
		t.Errorf("what is left of the key: %+v %t", state, ok)
	}
	e.ledger(1, 0)
	if answer := e.get("/v1/tpm/ca"); answer.status != http.StatusOK || answer.header.Get("Content-Type") != "application/pem-certificate-chain" {
		t.Errorf("GET /v1/tpm/ca: %d", answer.status)
	}
}

func TestEnrolmentIsOffByDefault(t *testing.T) {
	a := start(t, servertest.Options{})
	for _, path := range []string{"/v1/tpm/enrolments", "/v1/tpm/activations"} {
		a.post(path, map[string]any{}).refused(http.StatusNotFound, evidence.CodeTPMEnrolmentOff)
	}
	a.get("/v1/tpm/ca").refused(http.StatusNotFound, evidence.CodeTPMEnrolmentOff)
}

func TestEnrolmentBodies(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	good := e.keys(e.machine("one", simulated.MachineOptions{}))
	with := func(name string, value any) map[string]any {
		body := map[string]any{}
		for k, v := range good {
			body[k] = v
		}
		if body[name] = value; value == nil {
			delete(body, name)
		}
		return body
	}
	for name, c := range map[string]struct {
		path   string
		body   any
		status int
		code   evidence.Code
	}{
		"no attestation key":        {"enrolments", with("ak_public", nil), 400, evidence.CodeEvidenceEmpty},
		"no endorsement key":        {"enrolments", map[string]any{"ak_public": good["ak_public"]}, 400, evidence.CodeEvidenceIncomplete},
		"no base64":                 {"enrolments", with("ak_public", "§"), 400, evidence.CodeRequestMalformed},
		"line feeds":                {"enrolments", with("ak_public", "AA\nAA"), 400, evidence.CodeRequestMalformed},
		"too many certificates":     {"enrolments", with("ek_certificates", []string{"", "", "", "", "", "", "", "", ""}), 400, evidence.CodeRequestMalformed},
		"an unknown member":         {"enrolments", with("pcrs", "AA"), 400, evidence.CodeRequestMalformed},
		"no key at all":             {"enrolments", with("ak_public", "AAAA"), 422, evidence.CodeNotAccepted},
		"certificate of a stranger": {"enrolments", with("ek_certificates", []string{"MAA="}), 422, evidence.CodeNotAccepted},
		"no enrolment":              {"activations", map[string]any{"secret": "AAAA"}, 422, evidence.CodeTPMEnrolment},
		"a challenge instead":       {"activations", map[string]any{"secret": "AAAA", "enrolment": e.challenge(evidence.PurposeCertificate).Challenge}, 422, evidence.CodeTPMEnrolment},
	} {
		t.Run(name, func(t *testing.T) { e.post("/v1/tpm/"+c.path, c.body).refused(c.status, c.code) })
	}
}

func TestAttack_P03_CredentialOfAnotherTPM(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	one, two := e.machine("one", simulated.MachineOptions{}), e.machine("two", simulated.MachineOptions{})
	mixed := e.keys(one)
	mixed["ak_public"] = e.keys(two)["ak_public"] // the keys are good, each in its TPM
	var begun server.EnrolmentResponse
	e.post("/v1/tpm/enrolments", mixed).into(&begun)
	for name, m := range map[string]*simulated.Machine{"the endorsement key's TPM": one, "the attestation key's TPM": two} {
		if _, err := m.Activate(tee.Credential{Blob: unbase64(t, begun.CredentialBlob), Secret: unbase64(t, begun.Secret)}); err == nil {
			t.Errorf("%s gives the secret away", name)
		}
	}
	e.post("/v1/tpm/activations", map[string]any{"enrolment": begun.Enrolment, "secret": make([]byte, 32)}).
		refused(http.StatusUnprocessableEntity, evidence.CodeTPMEnrolment)
	// It was one attempt.
	right := e.begin(one)
	answer := e.answer(one, right)
	e.post("/v1/tpm/activations", map[string]any{"enrolment": right.Enrolment, "secret": make([]byte, 32)}).
		refused(http.StatusUnprocessableEntity, evidence.CodeTPMEnrolment)
	e.post("/v1/tpm/activations", answer).refused(http.StatusUnprocessableEntity, evidence.CodeTPMEnrolment)
	// Nor is a shorter secret the secret.
	right = e.begin(one)
	answer = e.answer(one, right)
	answer["secret"] = answer["secret"].([]byte)[:31]
	e.post("/v1/tpm/activations", answer).refused(http.StatusUnprocessableEntity, evidence.CodeTPMEnrolment)
}

func TestAttack_P05_SimulatedEndorsementKeyWithoutConsent(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{refuseSimulated: true})
	p := e.post("/v1/tpm/enrolments", e.keys(e.machine("one", simulated.MachineOptions{}))).refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
	if check, _ := p.Checks.Get(evidence.CodeSimulatedAllowed); check.Status != evidence.Fail || p.Verdict != verifier.Rejected {
		t.Errorf("%s: %v", p.Verdict, p.Checks)
	}
}

func TestEnrolmentAgain(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{})
	one := e.machine("one", simulated.MachineOptions{})
	e.post("/v1/tpm/activations", e.answer(one, e.begin(one))).into(&server.ActivationResponse{})
	e.post("/v1/tpm/activations", e.answer(one, e.begin(one))).into(&server.ActivationResponse{}) // again, with the same keys
	first := one.AttestationKey()
	if state, _, ok := e.Store.KeyState(tee.SimulatedID(first)); !ok || state.Revoked {
		t.Errorf("%+v", state)
	}
}

// However many enrol a TPM's keys at once, the ledger has one of each TPM's.
func TestAttack_P38_ConcurrentEnrolments(t *testing.T) {
	e := startEnrolling(t, enrollingOptions{keepFirst: true})
	one := e.machine("one", simulated.MachineOptions{})
	var bodies []map[string]any
	for range 100 {
		bodies = append(bodies, e.answer(one, e.begin(one)))
	}
	var good atomic.Int64
	var all sync.WaitGroup
	for _, body := range append(bodies, bodies...) { // each twice
		all.Go(func() {
			for { // a full service says so
				answer := e.post("/v1/tpm/activations", body)
				if answer.status == http.StatusServiceUnavailable {
					continue
				}
				if answer.status == http.StatusOK {
					good.Add(1)
				}
				return
			}
		})
	}
	all.Wait()
	if good.Load() != 100 {
		t.Errorf("%d of 100 enrolments, each sent twice", good.Load())
	}
}

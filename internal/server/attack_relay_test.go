package server_test

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
	"github.com/quotary/quotary/tokens"
)

// attested attests for a certificate and a token, and returns them with what was sent.
func (a *api) attested(m machine) (body map[string]any, got server.AttestationResponse) {
	a.t.Helper()
	body = m.body(a.t, a.challenge(evidence.PurposeCertificate))
	body["token"] = []string{"jwt"}
	a.post("/v1/attestations", body).into(&got)
	return body, got
}

// Certificate and token leave once. Who has seen the request, or knows the
// attestation's name, gets neither, and nor does an administrator.
func TestAttack_B09_AnswersAreNotServedTwice(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	body, got := a.attested(m)
	signature := got.EAR.JWT[strings.LastIndex(got.EAR.JWT, ".")+1:]
	leaf, _, _ := strings.Cut(strings.ReplaceAll(got.SVID.Certificates, "\n", ""), "-----END")
	certificate := leaf[len(leaf)-64:] // of the signature
	secret := func(text []byte) bool {
		line := strings.NewReplacer("\n", "", `\n`, "").Replace(string(text))
		return strings.Contains(line, signature) || strings.Contains(line, certificate)
	}
	if encoded, _ := json.Marshal(got); !secret(encoded) || !secret([]byte(got.SVID.Certificates)) || !secret([]byte(got.EAR.JWT)) {
		t.Fatal("the test does not find what was issued where it is")
	}
	again := a.post("/v1/attestations", body)
	again.refused(http.StatusConflict, evidence.CodeChallengeSpent)
	answers := map[string]answer{"the same request": again}
	for route, methods := range routeTable(t, a.Server) {
		for _, method := range methods {
			asked := []byte(`{"attestation_id":"` + got.AttestationID + `"}`)
			answers[method+" "+route] = a.do(a.request(method, route, asked))
		}
	}
	alice := a.as("alice", admin.Owner)
	shown := alice.post("/v1/admin/attestations/show", map[string]any{"attestation_id": got.AttestationID})
	if shown.status != http.StatusOK {
		t.Errorf("the record is not shown: %s", shown.body)
	}
	answers["the record"] = shown
	answers["certificates"] = alice.post("/v1/admin/certificates", map[string]any{})
	for from, answer := range answers {
		if secret(answer.body) {
			t.Errorf("%s brings what was issued: %s", from, answer.body)
		}
	}
	keys, err := tokens.ParseKeySet(a.get("/.well-known/jwks.json").body)
	if err != nil {
		t.Fatal(err)
	}
	v, err := tokens.NewVerifier(tokens.VerifierConfig{Keys: keys, Issuer: a.Authority.ServiceID(), Audience: servertest.TrustDomain})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := v.VerifyJWT(got.EAR.JWT)
	if err != nil || claims.Confirmation == nil || !bytes.Equal(claims.Confirmation.Key().SPKI(), spki(t, &m.key.PublicKey)) {
		t.Errorf("%v: the token names the key %v", err, claims.Confirmation)
	}
}

// Who terminates the connection between machine and service and passes everything
// on sees a certificate for a key that only the machine has; with a key of its own
// it gets none, under the machine's challenge or another.
func TestAttack_B14_SomebodyInBetween(t *testing.T) {
	a := start(t, servertest.Options{})
	m, mallory := newMachine(t), newMachine(t)
	_, got := a.attested(m)
	if !bytes.Equal(a.verifiedLeaf(got).RawSubjectPublicKeyInfo, spki(t, &m.key.PublicKey)) {
		t.Error("a certificate for another key than the machine's")
	}
	for name, change := range map[string]func(body, own map[string]any){
		"own request":               func(body, own map[string]any) { body["csr"] = own["csr"] },
		"own request and challenge": func(body, own map[string]any) { body["csr"], body["challenge"] = own["csr"], own["challenge"] },
		"own challenge":             func(body, own map[string]any) { body["challenge"] = own["challenge"] },
	} {
		body, own := m.body(t, a.challenge(evidence.PurposeCertificate)), mallory.body(t, a.challenge(evidence.PurposeCertificate))
		change(body, own)
		answer := a.post("/v1/attestations", body)
		answer.refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
		if !answer.failed(evidence.CodeBinding) {
			t.Errorf("%s: not for the binding: %s", name, answer.body)
		}
	}
}

// failed reports whether the answer lists this check as failed.
func (a answer) failed(code evidence.Code) bool {
	a.t.Helper()
	var p struct {
		Checks evidence.Checks `json:"checks"`
	}
	if err := json.Unmarshal(a.body, &p); err != nil {
		a.t.Fatal(err)
	}
	check, ok := p.Checks.Get(code)
	return ok && check.Status == evidence.Fail
}

// What was issued opens no way to more: a renewal is another attestation, judged by
// the policy of that moment, whatever certificate or token comes with it.
func TestAttack_B16_B17_RenewalIsAnotherAttestation(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	_, got := a.attested(m)
	if life := got.SVID.NotAfter.Sub(got.AppraisedAt); life > 30*time.Minute {
		t.Errorf("policy grants 30 minutes, the certificate has %s", life)
	}
	change := map[string]any{"documents": strict, "base": a.Policies.Set().Digest(), "dry_run": false}
	a.as("alice", admin.Owner).post("/v1/admin/policy/apply", change).into(&server.ChangeResponse{})

	block, rest := pem.Decode([]byte(got.SVID.Certificates))
	issuer, _ := pem.Decode(rest)
	renewing := a.with(tls.Certificate{Certificate: [][]byte{block.Bytes, issuer.Bytes}, PrivateKey: m.key})
	for name, client := range map[string]*api{"without anything": a, "with the certificate": renewing} {
		body := m.body(t, a.challenge(evidence.PurposeCertificate))
		client.post("/v1/attestations", body).refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
		encoded, err := json.Marshal(m.body(t, a.challenge(evidence.PurposeCertificate)))
		if err != nil {
			t.Fatal(err)
		}
		client.bearer(http.MethodPost, "/v1/attestations", got.EAR.JWT, encoded).refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
		delete(body, "evidence")
		body["challenge"] = a.challenge(evidence.PurposeCertificate).Challenge
		if answer := client.post("/v1/attestations", body); answer.status != http.StatusBadRequest {
			t.Errorf("%s, no evidence: status %d", name, answer.status)
		}
	}
	if _, issued, err := a.Store.Verify(t.Context()); err != nil || issued != 1 {
		t.Errorf("%d issued, %v", issued, err)
	}
}

// One piece of evidence has many encodings. They are one use of one challenge.
func TestAttack_D22_EncodingsOfOneEvidence(t *testing.T) {
	a := start(t, servertest.Options{})
	m := newMachine(t)
	challenge := a.challenge(evidence.PurposeCertificate)
	bundle := m.evidenceFor(t, challenge)
	compact, err := json.Marshal(bundle)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := bundle.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, compact, "", "\t"); err != nil {
		t.Fatal(err)
	}
	body := m.body(t, challenge)
	encodings := []any{json.RawMessage(compact), base64.RawURLEncoding.EncodeToString(encoded), json.RawMessage(indented.Bytes())}
	for i, form := range encodings {
		body["evidence"], body["challenge"] = form, challenge.Challenge
		answer := a.post("/v1/attestations", body)
		if i == 0 {
			answer.into(&server.AttestationResponse{})
			continue
		}
		answer.refused(http.StatusConflict, evidence.CodeChallengeSpent)
		body["challenge"] = a.challenge(evidence.PurposeCertificate).Challenge
		again := a.post("/v1/attestations", body)
		again.refused(http.StatusUnprocessableEntity, evidence.CodeNotAccepted)
		if !again.failed(evidence.CodeBinding) {
			t.Errorf("encoding %d under another challenge: %s", i, again.body)
		}
	}
	for _, text := range []string{base64.URLEncoding.EncodeToString(encoded) + "=", base64.RawURLEncoding.EncodeToString(encoded) + "\n", " " + base64.RawURLEncoding.EncodeToString(encoded)} {
		body["evidence"], body["challenge"] = text, a.challenge(evidence.PurposeCertificate).Challenge
		if answer := a.post("/v1/attestations", body); answer.status != http.StatusBadRequest {
			t.Errorf("another spelling of the encoding: status %d", answer.status)
		}
	}
	if _, issued, err := a.Store.Verify(t.Context()); err != nil || issued != 1 {
		t.Errorf("%d issued, %v", issued, err)
	}
}

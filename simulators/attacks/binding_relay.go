package attacks

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tokens"
)

// relayRows stand between a machine and the service, or come back later.
func relayRows() []Row {
	return []Row{
		{"B09", "what an attestation brought is fetched by somebody else", []Case{{
			Name: "by the attestation's name", Subject: snpPlain, Want: codes(evidence.CodeNotFound), Proof: ByService,
			Why: "there is no such address", Try: fetchAgain,
		}}},
		{"B13", "evidence of a like machine elsewhere", []Case{{
			Name: "the same image on another processor", Subject: snpHardened, Want: codes(evidence.CodePolicySNPChip), Try: elsewhere,
		}}},
		{"B14", "somebody in between passes attestation on", []Case{{
			Name: "and exchanges the key", Subject: snpPlain, Want: codes(evidence.CodeBinding),
			Try: withMember("public_key", func(given string) string {
				if _, spki, err := newKey(); err == nil {
					return base64.StdEncoding.EncodeToString(spki)
				}
				return given
			}),
		}}},
		{"B16", "true at attestation, false later", []Case{{
			Name: "the certificate's life", Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: shortLife,
		}}},
		{"B17", "renewal without attestation", []Case{{
			Name: "by the certificate that it brought", Subject: snpPlain, Want: codes(evidence.CodeEvidenceEmpty), Proof: ByService,
			Why: "without evidence there is nothing to check", Try: renewal,
		}}},
		{"B18", "token shown to somebody else", []Case{
			shown("another relying party", evidence.CodeTokenAudience, func(c *tokens.VerifierConfig) { c.Audience = "another-party.test" }),
		}},
	}
}

// granted is what is read of an answer that grants something.
type granted struct {
	ID   string `json:"attestation_id"`
	SVID struct {
		Certificates string    `json:"certificates"`
		NotBefore    time.Time `json:"not_before"`
		NotAfter     time.Time `json:"not_after"`
	} `json:"svid"`
}

// grant attests honestly, for this key.
func (a *Attacker) grant(ctx context.Context, key *ecdsa.PrivateKey) (g granted, err error) {
	attempt := Attempt{}
	if key != nil {
		attempt.Key = key
	}
	answer, got, err := a.Attempt(ctx, attempt)
	if err != nil {
		return g, err
	}
	if !got.Accepted {
		return g, fmt.Errorf("the honest machine is refused: %s", got)
	}
	return g, json.Unmarshal(answer.Body, &g)
}

// hasMember reports whether a JSON object has a member of this name.
func hasMember(body []byte, name string) bool {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return false
	}
	_, ok := members[name]
	return ok
}

// fetchAgain asks for what somebody was granted.
func fetchAgain(ctx context.Context, a *Attacker) (Got, error) {
	g, err := a.grant(ctx, nil)
	if err != nil {
		return Got{}, err
	}
	answer, err := a.get(ctx, attestations+"/"+g.ID)
	return answer.Got(nil), err
}

// elsewhere relays to a machine that is the honest one in all but its processor.
func elsewhere(ctx context.Context, a *Attacker) (Got, error) {
	honest, err := a.snpMachine()
	if err != nil {
		return Got{}, err
	}
	const name = "attacks/elsewhere"
	report := honest.Template
	report.ChipID = a.World().SEVSNP.Report(name).ChipID
	other, err := a.World().SEVSNP.NewMachine(sevsnp.MachineOptions{Name: name, Report: &report})
	if err != nil {
		return Got{}, err
	}
	return a.Attest(ctx, Attempt{Evidence: other.Attest})
}

// shortLife finds fault with a certificate that outlives the hour that its policy
// grants. Validity begins a little before it is issued.
func shortLife(ctx context.Context, a *Attacker) (Got, error) {
	g, err := a.grant(ctx, nil)
	if err != nil {
		return Got{}, err
	}
	got := Got{Accepted: true}
	if life := g.SVID.NotAfter.Sub(g.SVID.NotBefore); life <= 0 || life > time.Hour+5*time.Minute {
		got.fault(fmt.Sprintf("the certificate lives for %s", life))
	}
	return got, nil
}

// renewal asks for another certificate with the first one, over a connection that it
// authenticates, and without evidence.
func renewal(ctx context.Context, a *Attacker) (Got, error) {
	key, spki, err := newKey()
	if err != nil {
		return Got{}, err
	}
	g, err := a.grant(ctx, key)
	if err != nil {
		return Got{}, err
	}
	certificate := tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode([]byte(g.SVID.Certificates)); block != nil; block, rest = pem.Decode(rest) {
		certificate.Certificate = append(certificate.Certificate, block.Bytes)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: a.target.Roots, MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil },
	}}
	defer transport.CloseIdleConnections()
	known := *a
	known.http = &http.Client{Transport: transport}
	c, err := a.Challenge(ctx, evidence.PurposeCertificate)
	if err != nil {
		return Got{}, err
	}
	answer, err := known.PostMembers(ctx, attestations, map[string]any{
		"challenge": c.Challenge, "public_key": base64.StdEncoding.EncodeToString(spki),
	})
	return answer.Got(nil), err
}

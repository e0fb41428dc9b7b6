package attacks

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// tpmEnrolled has its attestation key enrolled by its endorsement key, which the policy names.
const tpmEnrolled = "tpm-enrolled"

// Where attestation keys are enrolled.
const (
	enrolments  = "/v1/tpm/enrolments"
	activations = "/v1/tpm/activations"
)

func enrolledSubject(w *simulators.World) (Subject, error) {
	m := measured{name: tpmEnrolled}
	h, err := newHost(w, m.name, tpm.MachineOptions{WithoutCertificate: true}, m.measure)
	if err != nil {
		return Subject{}, err
	}
	ek, err := h.EKCertificate()
	if err != nil {
		return Subject{}, err
	}
	lines := []string{
		"ak: {sources: [enrolled], eks: {allow: [" + sum(ek.RawSubjectPublicKeyInfo) + "]}}", pcrsOf(h.pins(tpm.SHA256, pinned...)),
	}
	return Subject{Name: m.name, Machine: h, Requires: h.workload(lines...), Honest: func(ctx context.Context, a *Attacker) (Got, error) {
		return a.enrolAndAttest(ctx, h.Machine)
	}}, nil
}

// begun is the answer to the first step.
type begun struct {
	Enrolment  string `json:"enrolment"`
	Credential []byte `json:"credential_blob"`
	Secret     []byte `json:"secret"`
}

// begin makes the first step.
func (a *Attacker) begin(ctx context.Context, r evidence.Enrolment, endorsements ...[]byte) (begun, Answer, error) {
	members := map[string]any{"ak_public": r.AKPublic}
	if len(r.EKCertificates) > 0 {
		members["ek_certificates"] = r.EKCertificates
	}
	if len(r.EKPublic) > 0 {
		members["ek_public"] = r.EKPublic
	}
	if len(endorsements) > 0 {
		members["endorsements"] = endorsements
	}
	var b begun
	answer, err := a.PostMembers(ctx, enrolments, members)
	if err == nil && answer.Got(nil).Accepted {
		err = json.Unmarshal(answer.Body, &b)
	}
	return b, answer, err
}

// activate makes the second step.
func (a *Attacker) activate(ctx context.Context, enrolment string, secret []byte) (Answer, error) {
	return a.PostMembers(ctx, activations, map[string]any{"enrolment": enrolment, "secret": secret})
}

// proven makes the first step as an honest machine does, and has its TPM decrypt the secret.
func (a *Attacker) proven(ctx context.Context, m *tpm.Machine) (begun, []byte, error) {
	r, err := m.Enrolment()
	if err != nil {
		return begun{}, nil, err
	}
	b, answer, err := a.begin(ctx, r)
	if err != nil {
		return b, nil, err
	}
	if got := answer.Got(nil); !got.Accepted {
		return b, nil, fmt.Errorf("an honest enrolment is refused: %s", got)
	}
	secret, err := m.Activate(tee.Credential{Blob: b.Credential, Secret: b.Secret})
	return b, secret, err
}

// enrol makes both steps as an honest machine does.
func (a *Attacker) enrol(ctx context.Context, m *tpm.Machine) ([][]byte, Answer, error) {
	b, secret, err := a.proven(ctx, m)
	if err != nil {
		return nil, Answer{}, err
	}
	answer, err := a.activate(ctx, b.Enrolment, secret)
	if err != nil || !answer.Got(nil).Accepted {
		return nil, answer, err
	}
	var granted struct {
		Certificates string `json:"ak_certificates"`
	}
	if err := json.Unmarshal(answer.Body, &granted); err != nil {
		return nil, answer, err
	}
	var certificates [][]byte
	for block, rest := pem.Decode([]byte(granted.Certificates)); block != nil; block, rest = pem.Decode(rest) {
		certificates = append(certificates, block.Bytes)
	}
	return certificates, answer, nil
}

// enrolAndAttest has a machine enrol, and then attest with the certificate that it got.
func (a *Attacker) enrolAndAttest(ctx context.Context, m *tpm.Machine) (Got, error) {
	certificates, answer, err := a.enrol(ctx, m)
	if got := answer.Got(nil); err != nil || !got.Accepted {
		return got, err
	}
	return a.attestUnder(ctx, m, certificates)
}

// attestUnder attests with a machine and these certificates of its attestation key.
func (a *Attacker) attestUnder(ctx context.Context, m *tpm.Machine, certificates [][]byte) (Got, error) {
	return a.Attest(ctx, tpmAttempt(func(data []byte) (*evidence.TPM, error) {
		item, err := m.Quote(data)
		if err == nil {
			item.AKCertificates = certificates
		}
		return item, err
	}))
}

// enrolling makes the first step with what change makes of an honest request.
func enrolling(change func(a *Attacker, r *evidence.Enrolment) error) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		h, err := a.host()
		if err != nil {
			return Got{}, err
		}
		r, err := h.Enrolment()
		if err != nil {
			return Got{}, err
		}
		if err := change(a, &r); err != nil {
			return Got{}, err
		}
		_, answer, err := a.begin(ctx, r)
		return answer.Got(nil), err
	}
}

// tpmActivationRows have keys of different TPMs, and know no secret.
func tpmActivationRows() []Row {
	const decides = "what is compared is the secret, by which a TPM shows that it has both keys"
	answered := func(name string, secret func(right []byte) []byte) Case {
		return Case{
			Name: name, Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEnrolment), Proof: ByService, Why: decides,
			Try: proving(func(ctx context.Context, a *Attacker, b begun, right []byte) (Answer, error) {
				return a.activate(ctx, b.Enrolment, secret(right))
			}),
		}
	}
	named := func(name string, enrolment func(ctx context.Context, a *Attacker, own string) (string, error)) Case {
		return Case{
			Name: name, Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEnrolment), Proof: ByService, Why: decides,
			Try: proving(func(ctx context.Context, a *Attacker, b begun, right []byte) (Answer, error) {
				ticket, err := enrolment(ctx, a, b.Enrolment)
				if err != nil {
					return Answer{}, err
				}
				return a.activate(ctx, ticket, right)
			}),
		}
	}
	return []Row{{"P03", "attestation key of another TPM than the endorsement key's", []Case{
		{Name: "the TPMs of both keys asked, then a guess", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEnrolment), Proof: ByService, Why: decides, Try: keysOfTwo},
		answered("a byte", func([]byte) []byte { return []byte{0} }),
		answered("half of the secret", func(right []byte) []byte { return right[:16] }),
		answered("the secret with a zero behind", func(right []byte) []byte { return append(bytes.Clone(right), 0) }),
		answered("another secret", func(right []byte) []byte { last(right); return right }),
		named("the secret of another enrolment", func(ctx context.Context, a *Attacker, _ string) (string, error) {
			h, err := a.host()
			if err != nil {
				return "", err
			}
			other, _, err := a.proven(ctx, h.Machine)
			return other.Enrolment, err
		}),
		named("an enrolment that was answered", func(ctx context.Context, a *Attacker, own string) (string, error) {
			_, err := a.activate(ctx, own, make([]byte, 32)) // wrong, and spent all the same
			return own, err
		}),
		named("a challenge in place of an enrolment", func(ctx context.Context, a *Attacker, _ string) (string, error) {
			c, err := a.Challenge(ctx, evidence.PurposeCertificate)
			return c.Challenge, err
		}),
		named("an enrolment with a letter changed", func(_ context.Context, _ *Attacker, own string) (string, error) {
			letters := []byte(own)
			middle := &letters[len(letters)/2]
			if *middle != 'A' {
				*middle = 'A'
			} else {
				*middle = 'B'
			}
			return string(letters), nil
		}),
		{
			Name: "another TPM, honestly enrolled", Subject: tpmEnrolled, Want: codes(evidence.CodePolicyTPMEK),
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				other, err := a.another()
				if err != nil {
					return Got{}, err
				}
				return a.enrolAndAttest(ctx, other)
			},
		},
		{
			Name: "a key that was certified elsewhere", Subject: tpmEnrolled, Want: codes(evidence.CodePolicyTPMAKSource, evidence.CodePolicyTPMEK),
			Try: otherTPM(func(o *tpm.MachineOptions) { o.WithoutCertificate = false }),
		},
		{
			Name: "a key that was not enrolled", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMAKUntrusted), Proof: ByParser, Why: unvouched,
			Try: otherTPM(func(*tpm.MachineOptions) {}),
		},
	}}}
}

// proving makes the first step honestly, and goes on with the right secret.
func proving(goOn func(ctx context.Context, a *Attacker, b begun, right []byte) (Answer, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		h, err := a.host()
		if err != nil {
			return Got{}, err
		}
		b, right, err := a.proven(ctx, h.Machine)
		if err != nil {
			return Got{}, err
		}
		answer, err := goOn(ctx, a, b, right)
		return answer.Got(nil), err
	}
}

// keysOfTwo has one TPM's endorsement key vouch for another one's attestation key.
func keysOfTwo(ctx context.Context, a *Attacker) (Got, error) {
	h, err := a.host()
	if err != nil {
		return Got{}, err
	}
	other, err := a.another()
	if err != nil {
		return Got{}, err
	}
	r, err := h.Enrolment()
	if err != nil {
		return Got{}, err
	}
	r.AKPublic = other.Public
	b, _, err := a.begin(ctx, r)
	if err != nil {
		return Got{}, err
	}
	secret := make([]byte, 32)
	for _, m := range []*tpm.Machine{h.Machine, other} {
		if released, err := m.Activate(tee.Credential{Blob: b.Credential, Secret: b.Secret}); err == nil {
			secret = released
		}
	}
	answer, err := a.activate(ctx, b.Enrolment, secret)
	return answer.Got(nil), err
}

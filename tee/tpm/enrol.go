package tpm

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// EnrollerOptions are what an [Enroller] trusts. With neither roots nor keys it
// refuses every enrolment.
type EnrollerOptions struct {
	// Roots are the roots of TPM manufacturers that endorsement keys' certificates
	// must end at, of origin [evidence.OriginConfigured] or [evidence.OriginSimulated].
	Roots []tee.Anchor
	// Intermediates are DER certificates that may stand between those. They are
	// not trusted.
	Intermediates [][]byte
	// Keys are endorsement keys that the operator vouches for one by one.
	Keys []ListedEK
}

// ListedEK is an endorsement key that the operator vouches for: of a TPM without a
// certificate, or with one that cannot be judged. What a certificate of such a key
// says is not looked at.
type ListedEK struct {
	SHA256 evidence.Digest // of its SubjectPublicKeyInfo, DER
	// Name is what the key is called in claims. Optional.
	Name string
	// Origin is [evidence.OriginConfigured] (also if empty) or [evidence.OriginSimulated].
	Origin evidence.Origin
}

// Enroller judges enrolments of attestation keys. It implements [tee.Enroller] and
// is safe for concurrent use.
type Enroller struct {
	trust     *Verifier // of its roots and intermediates alone
	spellings spellings // of these
	keys      map[digest]evidence.TrustAnchor
}

// NewEnroller returns an Enroller. It refuses roots that cannot issue, and contradictions.
func NewEnroller(o EnrollerOptions) (*Enroller, error) {
	trust, err := New(Options{Roots: o.Roots, Intermediates: o.Intermediates})
	if err != nil {
		return nil, err
	}
	trust.longest = maxEKChain
	n := &Enroller{trust: trust, spellings: spellings{}, keys: map[digest]evidence.TrustAnchor{}}
	for _, root := range trust.anchors {
		n.spellings.add(root.cert)
	}
	for _, cert := range trust.intermediates {
		n.spellings.add(cert)
	}
	for i, cert := range trust.intermediates {
		trust.intermediates[i] = respell(cert, n.spellings)
	}
	for _, key := range o.Keys {
		if err := n.addKey(key); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// addKey makes an endorsement key trusted. Of two names for one key the first counts.
func (n *Enroller) addKey(key ListedEK) error {
	if key.Origin == "" {
		key.Origin = evidence.OriginConfigured
	}
	if err := checkOrigin(key.Origin); err != nil {
		return err
	}
	if key.SHA256 == (evidence.Digest{}) {
		return errors.New("tpm: a listed endorsement key without the SHA-256 of its public key")
	}
	known, taken := n.keys[key.SHA256]
	switch {
	case taken && known.Origin != key.Origin:
		return fmt.Errorf("tpm: endorsement key %x is listed twice with different origins", key.SHA256)
	case taken:
		return nil
	case key.Name == "":
		key.Name = "listed endorsement key"
	}
	n.keys[key.SHA256] = evidence.TrustAnchor{Name: key.Name, SHA256: bytes.Clone(key.SHA256[:]), Origin: key.Origin}
	return nil
}

// Judge judges an enrolment as [tee.Enroller] says. Of p only Now counts.
func (n *Enroller) Judge(request evidence.Enrolment, e *tee.Endorsements, p tee.Params) tee.EnrolmentOutcome {
	x := &enrolment{n: n, request: request, e: e, now: p.Now}
	if err := request.Check(); err != nil {
		x.failed(err, "an enrolment within bounds")
		return x.out
	}
	x.readEKPublic()
	x.readEKCertificates()
	x.findEK()
	x.deriveEKPublic()
	x.judgeAK()
	return x.out
}

// Challenge makes a credential as [tee.Enroller] says, with its size in front of
// each part, as TPM2B structures have it. It refuses outcomes that are not good.
func (n *Enroller) Challenge(random io.Reader, outcome tee.EnrolmentOutcome, secret []byte) (tee.Credential, error) {
	if !outcome.Good() {
		return tee.Credential{}, errors.New("tpm: no credential for an enrolment that is not good")
	}
	ek, err := parsePublic(outcome.EKPublic)
	if err != nil {
		return tee.Credential{}, err
	}
	ak, err := parsePublic(outcome.AKPublic)
	if err != nil {
		return tee.Credential{}, err
	}
	template, ok := ekTemplateOf(ek.key, outcome.EKPublic)
	if !ok {
		return tee.Credential{}, errors.New("tpm: the endorsement key's public area is by no known template")
	}
	if most := template.nameAlg.hash().Size(); len(secret) == 0 || len(secret) > most {
		return tee.Credential{}, fmt.Errorf("tpm: a secret of %d bytes; a credential holds 1 to %d", len(secret), most)
	}
	return makeCredential(random, template, ek.key, ak.name, secret)
}

package attacks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmEndorsementRows have endorsement keys that no maker vouches for, or by no template.
func tpmEndorsementRows() []Row {
	return []Row{
		{"P04", "endorsement key's area that is not its certificate's", otherAreas()},
		{"P05", "endorsement key that no manufacturer vouches for", otherEndorsements()},
	}
}

// otherAreas are not what follows from the certificate.
func otherAreas() []Case {
	const encrypts = "there is nothing to encrypt a secret to"
	var cases []Case
	for _, x := range []struct {
		name  string
		alter func(*tpm2.TPMTPublic)
	}{
		{"a template with names by SHA-384", func(p *tpm2.TPMTPublic) { p.NameAlg = tpm2.TPMAlgSHA384 }},
		{"not fixed to its TPM", func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedTPM = false }},
		{"not fixed to its parent", func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedParent = false }},
		{"imported", func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SensitiveDataOrigin = false }},
		{"not restricted", func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Restricted = false }},
		{"with a password", func(p *tpm2.TPMTPublic) { p.ObjectAttributes.UserWithAuth = true }},
		{"without a policy", func(p *tpm2.TPMTPublic) { p.AuthPolicy.Buffer = nil }},
		{"with another policy", func(p *tpm2.TPMTPublic) { last(p.AuthPolicy.Buffer) }},
		{"without encryption below it", func(p *tpm2.TPMTPublic) {
			if parameters, err := p.Parameters.ECCDetail(); err == nil {
				parameters.Symmetric = tpm2.TPMTSymDefObject{Algorithm: tpm2.TPMAlgNull}
			}
		}},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKPublic), Proof: ByParser, Why: encrypts,
			Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) (err error) {
				r.EKPublic, err = altered(r.EKPublic, x.alter)
				return err
			}),
		})
	}
	return append(cases, Case{
		Name: "another key's", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKPublic), Proof: ByParser, Why: encrypts,
		Try: enrolling(func(a *Attacker, r *evidence.Enrolment) error {
			other, err := a.another()
			if err != nil {
				return err
			}
			theirs, err := other.Enrolment()
			r.EKPublic = theirs.EKPublic
			return err
		}),
	}, Case{
		Name: "with a byte behind it", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKPublic), Proof: ByParser, Why: encrypts,
		Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) error { r.EKPublic = append(r.EKPublic, 0); return nil }),
	})
}

// endorsing is a case whose endorsement key has a certificate that edit changed before the
// maker signed it.
func endorsing(name string, want evidence.Code, edit func(*Attacker, *x509.Certificate)) Case {
	return endorsedBy(name, codes(want), theMaker, edit)
}

// endorsedBy is a case whose endorsement key has a certificate by another issuer.
func endorsedBy(name string, want []evidence.Code, by func(a *Attacker) (tpm.Issuer, []*x509.Certificate, error), edit func(*Attacker, *x509.Certificate)) Case {
	return Case{Name: name, Subject: tpmEnrolled, Want: want, Try: enrolling(func(a *Attacker, r *evidence.Enrolment) error {
		h, err := a.host()
		if err != nil {
			return err
		}
		key, err := h.EK()
		if err != nil {
			return err
		}
		return endorsed(a, r, key, by, edit)
	})}
}

// endorsed has an issuer certify an endorsement key.
func endorsed(a *Attacker, r *evidence.Enrolment, key crypto.PublicKey, by func(a *Attacker) (tpm.Issuer, []*x509.Certificate, error), edit func(*Attacker, *x509.Certificate)) error {
	issuer, above, err := by(a)
	if err != nil {
		return err
	}
	template := a.World().TPM.EKTemplate(a.subject.Name+"/endorsed", key)
	if edit != nil {
		edit(a, template)
	}
	cert, err := issuer.Issue(template, key)
	if err != nil {
		return err
	}
	r.EKCertificates = [][]byte{cert.Raw}
	for _, c := range above {
		r.EKCertificates = append(r.EKCertificates, c.Raw)
	}
	return nil
}

// theMaker issues as the maker of the TPMs does.
func theMaker(a *Attacker) (tpm.Issuer, []*x509.Certificate, error) {
	by := a.World().TPM.EKIntermediate
	return by, []*x509.Certificate{by.Certificate}, nil
}

// otherEndorsements are not the maker's, or not for endorsement keys.
func otherEndorsements() []Case {
	unknown := codes(evidence.CodeTPMEKChain, evidence.CodeTPMEKUntrusted)
	usage := evidence.CodeTPMEKUsage
	another := func(root bool) func(a *Attacker) (tpm.Issuer, []*x509.Certificate, error) {
		return func(a *Attacker) (tpm.Issuer, []*x509.Certificate, error) {
			other, err := tpm.NewVendor(tpm.Options{Seed: "another maker", Clock: a.World().Now})
			if err != nil {
				return tpm.Issuer{}, nil, err
			}
			above := []*x509.Certificate{other.EKIntermediate.Certificate}
			if root {
				above = append(above, other.EKRoot.Certificate)
			}
			return other.EKIntermediate, above, nil
		}
	}
	return []Case{
		endorsedBy("by another maker of the same names", unknown, another(false), nil),
		endorsedBy("with the other maker's root", unknown, another(true), nil),
		endorsedBy("by an issuer for servers", codes(usage), func(a *Attacker) (tpm.Issuer, []*x509.Certificate, error) {
			maker := a.World().TPM
			template := maker.CATemplate("Servers CA SIMULATED")
			template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			cert, err := maker.EKRoot.Issue(template, maker.Intermediate.Key.Public())
			return tpm.Issuer{Certificate: cert, Key: maker.Intermediate.Key}, []*x509.Certificate{cert}, err
		}, nil),
		{
			Name: "none", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKUntrusted),
			Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) error { r.EKCertificates = nil; return nil }),
		},
		endorsing("for attestation keys", usage, usages(oidAK)),
		endorsing("an empty list of usages", usage, usages()),
		endorsing("for any use", usage, usages(oidAnyUsage)),
		endorsing("of a CA", usage, func(_ *Attacker, c *x509.Certificate) { c.IsCA = true }),
		endorsing("that may sign certificates", usage, func(_ *Attacker, c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		endorsing("for signatures", usage, func(_ *Attacker, c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }),
		endorsing("with a critical extension that nobody knows", evidence.CodeTPMEKExtensions, extended(oidUnknown, []byte{5, 0})),
		endorsing("with names of another sort", evidence.CodeTPMEKExtensions, extended(oidNames, namesOfBoth())),
		endorsing("expired", evidence.CodeTPMEKValidity, func(a *Attacker, c *x509.Certificate) { c.NotAfter = a.World().Now().Add(-time.Minute) }),
		endorsing("not valid yet", evidence.CodeTPMEKValidity, func(a *Attacker, c *x509.Certificate) { c.NotBefore = a.World().Now().Add(time.Hour) }),
		{
			Name: "with something behind it", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKFormat),
			Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) error {
				r.EKCertificates[0] = append(r.EKCertificates[0], 1)
				return nil
			}),
		},
		{Name: "revoked", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKRevocation, evidence.CodeTPMEKUntrusted), Try: revokedEndorsement},
	}
}

// revokedEndorsement enrols a TPM whose maker says that it is none of theirs any more.
func revokedEndorsement(ctx context.Context, a *Attacker) (Got, error) {
	m, err := a.another()
	if err != nil {
		return Got{}, err
	}
	cert, err := m.EKCertificate()
	if err != nil {
		return Got{}, err
	}
	list, err := a.World().TPM.EKIntermediate.CRL(a.World().Now(), cert)
	if err != nil {
		return Got{}, err
	}
	r, err := m.Enrolment()
	if err != nil {
		return Got{}, err
	}
	_, answer, err := a.begin(ctx, r, list.Raw)
	return answer.Got(nil), err
}

// weakEndorsements are endorsement keys that could be found, or have no template.
func weakEndorsements() []Case {
	const templates = "there is no template for such a key, and nothing to encrypt a secret to"
	var cases []Case
	for _, x := range []struct {
		name string
		key  func(large *rsa.PublicKey) *rsa.PublicKey
	}{
		{"an endorsement key of RSA-1024", func(k *rsa.PublicKey) *rsa.PublicKey {
			n := new(big.Int).Rsh(k.N, 3072)
			return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: k.E}
		}},
		{"an endorsement key of RSA-4096", func(k *rsa.PublicKey) *rsa.PublicKey { return k }},
		{"an endorsement key with exponent 3", func(k *rsa.PublicKey) *rsa.PublicKey {
			n := new(big.Int).Rsh(k.N, 2048)
			return &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 3}
		}},
		{"an endorsement key that can be factored (CVE-2017-15361)", func(k *rsa.PublicKey) *rsa.PublicKey { return &rsa.PublicKey{N: factorable(), E: k.E} }},
	} {
		cases = append(cases, Case{
			Name: x.name, Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKKey), Proof: ByParser, Why: templates,
			Try: enrolling(func(a *Attacker, r *evidence.Enrolment) error {
				large, err := largeKey(a)
				if err != nil {
					return err
				}
				r.EKPublic = nil
				return endorsed(a, r, x.key(large), theMaker, nil)
			}),
		})
	}
	return append(cases, Case{
		Name: "an endorsement key off its curve", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMEKKey), Proof: ByParser, Why: templates,
		Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) error {
			r.EKCertificates = nil
			last(r.EKPublic)
			return nil
		}),
	})
}

// otherEnrolledKeys are attestation keys that no TPM should have certified.
func otherEnrolledKeys() (attributes, schemes, weak []Case) {
	area := func(name string, want evidence.Code, alter func(*tpm2.TPMTPublic)) Case {
		return Case{
			Name: "enrolled " + name, Subject: tpmEnrolled, Want: codes(want),
			Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) (err error) {
				r.AKPublic, err = altered(r.AKPublic, alter)
				return err
			}),
		}
	}
	attributes = []Case{
		area("without being restricted", evidence.CodeTPMAKAttributes, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Restricted = false }),
		area("without signing", evidence.CodeTPMAKAttributes, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SignEncrypt = false }),
		area("though it decrypts", evidence.CodeTPMAKAttributes, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Decrypt = true }),
		area("though it can be duplicated", evidence.CodeTPMAKAttributes, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedTPM = false }),
		area("though it can be moved", evidence.CodeTPMAKAttributes, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedParent = false }),
		area("though it came from outside", evidence.CodeTPMAKAttributes, func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SensitiveDataOrigin = false }),
	}
	scheme := func(s tpm2.TPMTECCScheme) func(*tpm2.TPMTPublic) {
		return func(p *tpm2.TPMTPublic) {
			if parameters, err := p.Parameters.ECCDetail(); err == nil {
				parameters.Scheme = s
			}
		}
	}
	schemes = []Case{
		area("with any scheme", evidence.CodeTPMAKScheme, scheme(tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgNull})),
		area("with SHA-1", evidence.CodeTPMAKScheme, scheme(tpm2.TPMTECCScheme{
			Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA1}),
		})),
	}
	weak = []Case{{
		Name: "the endorsement key enrolled as attestation key", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMAKKey),
		Try: enrolling(func(a *Attacker, r *evidence.Enrolment) error {
			h, err := a.host()
			if err != nil {
				return err
			}
			ek, err := h.EK()
			if err != nil {
				return err
			}
			point, err := ek.(*ecdsa.PublicKey).Bytes()
			if err != nil {
				return err
			}
			r.AKPublic, err = altered(r.AKPublic, func(p *tpm2.TPMTPublic) {
				p.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
					X: tpm2.TPM2BECCParameter{Buffer: point[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: point[33:]},
				})
			})
			return err
		}),
	}, {
		Name: "enrolled though it is off its curve", Subject: tpmEnrolled, Want: codes(evidence.CodeTPMAKKey), Proof: ByParser, Why: "there is no key to certify",
		Try: enrolling(func(_ *Attacker, r *evidence.Enrolment) error { last(r.AKPublic); return nil }),
	}}
	return attributes, schemes, weak
}

// instanceEndorsement has a cloud's extension where the maker is none.
func instanceEndorsement() Case {
	return endorsing("instance information in an endorsement key's certificate", evidence.CodeTPMEKUsage, func(_ *Attacker, c *x509.Certificate) {
		c.UnknownExtKeyUsage = nil
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidInstanceInfo, Value: []byte{0x30, 0}})
	})
}

package attacks

import (
	"context"
	"crypto"
	"crypto/x509"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
)

// oddChains lead from an attestation key to other roots than the configured one, or by
// other ways.
func oddChains() []Case {
	chain := codes(evidence.CodeTPMAKChain)
	unlisted := codes(evidence.CodePolicyTPMRevocation) // nobody's list covers such a chain
	return []Case{
		chainCase("by another maker of the same names", chain, unlisted, func(_ *Attacker, other *tpm.Vendor, key crypto.PublicKey) ([]*x509.Certificate, error) {
			leaf, err := other.Intermediate.Issue(other.AKTemplate("theirs"), key)
			return []*x509.Certificate{leaf, other.Intermediate.Certificate}, err
		}),
		chainCase("with the other maker's root", chain, unlisted, func(_ *Attacker, other *tpm.Vendor, key crypto.PublicKey) ([]*x509.Certificate, error) {
			leaf, err := other.Intermediate.Issue(other.AKTemplate("theirs"), key)
			return []*x509.Certificate{leaf, other.Intermediate.Certificate, other.Root.Certificate}, err
		}),
		chainCase("under a root of another name", chain, unlisted, func(_ *Attacker, other *tpm.Vendor, key crypto.PublicKey) ([]*x509.Certificate, error) {
			root := tpm.Issuer{Key: other.Root.Key, Certificate: other.CATemplate("Another Root SIMULATED")}
			cert, err := root.Issue(root.Certificate, root.Key.Public())
			if err != nil {
				return nil, err
			}
			root.Certificate = cert
			leaf, err := root.Issue(other.AKTemplate("theirs"), key)
			return []*x509.Certificate{leaf, cert}, err
		}),
		chainCase("by an issuer for servers", codes(evidence.CodeTPMAKUsage), unlisted, func(a *Attacker, other *tpm.Vendor, key crypto.PublicKey) ([]*x509.Certificate, error) {
			maker := a.World().TPM
			template := maker.CATemplate("Servers CA SIMULATED")
			template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			return below(maker.Root, template, other.Root.Key, maker.AKTemplate("theirs"), key)
		}),
		chainCase("by more issuers than are followed", chain, unlisted, func(a *Attacker, other *tpm.Vendor, key crypto.PublicKey) ([]*x509.Certificate, error) {
			maker := a.World().TPM
			issuer, certificates := maker.Intermediate, []*x509.Certificate{maker.Intermediate.Certificate}
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				cert, err := issuer.Issue(maker.CATemplate("CA "+name+" SIMULATED"), other.Root.Key.Public())
				if err != nil {
					return nil, err
				}
				issuer = tpm.Issuer{Certificate: cert, Key: other.Root.Key}
				certificates = append([]*x509.Certificate{cert}, certificates...)
			}
			leaf, err := issuer.Issue(maker.AKTemplate("theirs"), key)
			return append([]*x509.Certificate{leaf}, certificates...), err
		}),
		{
			Name: "by an attestation key", Subject: tpmPlain, Want: chain, Behind: unlisted,
			Try: attested(func(a *Attacker, h host, data []byte) (*evidence.TPM, error) {
				other, err := a.another()
				if err != nil {
					return nil, err
				}
				cert, err := tpm.Issuer{Certificate: h.Certificate, Key: h.Key}.Issue(a.World().TPM.AKTemplate("theirs"), other.Key.Public())
				if err != nil {
					return nil, err
				}
				other.UseCertificates([][]byte{cert.Raw, h.Certificate.Raw, a.World().TPM.Intermediate.Certificate.Raw})
				return other.Quote(data)
			}),
		},
		{
			Name: "with a revoked certificate", Subject: tpmPlain, Want: codes(evidence.CodeTPMAKRevocation), Behind: unlisted,
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				m, err := a.another()
				if err != nil {
					return Got{}, err
				}
				list, err := a.World().TPM.Intermediate.CRL(a.World().Now(), m.Certificate)
				if err != nil {
					return Got{}, err
				}
				t := tpmAttempt(m.Quote)
				t.Endorsements = [][]byte{list.Raw}
				return a.Attest(ctx, t)
			},
		},
	}
}

// chainCase is a case whose attestation key, another one than the honest machine's, has
// the certificates that issue makes.
func chainCase(name string, want, behind []evidence.Code, issue func(a *Attacker, other *tpm.Vendor, key crypto.PublicKey) ([]*x509.Certificate, error)) Case {
	return Case{
		Name: name, Subject: tpmPlain, Want: want, Behind: behind,
		Try: attested(func(a *Attacker, _ host, data []byte) (*evidence.TPM, error) {
			m, err := a.another()
			if err != nil {
				return nil, err
			}
			other, err := tpm.NewVendor(tpm.Options{Seed: "another maker", Clock: a.World().Now})
			if err != nil {
				return nil, err
			}
			certificates, err := issue(a, other, m.Key.Public())
			if err != nil {
				return nil, err
			}
			var encoded [][]byte
			for _, cert := range certificates {
				encoded = append(encoded, cert.Raw)
			}
			m.UseCertificates(encoded)
			return m.Quote(data)
		}),
	}
}

// below issues a CA's certificate, and one of a key by that CA.
func below(root tpm.Issuer, ca *x509.Certificate, key crypto.Signer, leaf *x509.Certificate, public crypto.PublicKey) ([]*x509.Certificate, error) {
	between, err := root.Issue(ca, key.Public())
	if err != nil {
		return nil, err
	}
	cert, err := tpm.Issuer{Certificate: between, Key: key}.Issue(leaf, public)
	return []*x509.Certificate{cert, between}, err
}

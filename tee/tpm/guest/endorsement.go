package guest

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
)

// EndorsementKey is an endorsement key of a TPM: what its manufacturer, or an
// operator's list, tells the TPM by.
type EndorsementKey struct {
	// Template names its type: "ecc-p256", "ecc-p384", "rsa-2048", …, with "-high" for
	// the templates of the high range where the low one has the same type.
	Template string
	// Public is its public area, TPMT_PUBLIC.
	Public []byte
	// SHA256 is that of its SubjectPublicKeyInfo.
	SHA256 evidence.Digest
	// Certificates are its certificate, DER, and intermediates; empty if the TPM has none.
	Certificates [][]byte
}

// EndorsementKeys returns the endorsement keys that have a certificate, or, if none
// has, the one on P-256. A certificate that does not fit a key of the TPM is an error
// with [evidence.CodeAttesterEndorsementKey] only if no other does; skipped says why else.
func (t *TPM) EndorsementKeys(ctx context.Context) (keys []EndorsementKey, skipped []error, err error) {
	type found struct {
		keys    []EndorsementKey
		skipped []error
	}
	f, err := do(ctx, t, func(l *link) (f found, err error) {
		candidates, err := l.candidates()
		if err != nil {
			return f, err
		}
		for _, c := range candidates {
			o, err := l.endorsementKey(c)
			if err != nil {
				f.skipped = append(f.skipped, err)
				continue
			}
			f.keys = append(f.keys, o.EndorsementKey)
			if err := l.release(o.object); err != nil {
				return f, err
			}
		}
		if len(f.keys) == 0 {
			return f, noneOf(f.skipped)
		}
		return f, nil
	})
	return f.keys, f.skipped, err
}

// candidate is a certificate and the templates that its key may be of; or, without a
// certificate, the templates to use.
type candidate struct {
	certificates [][]byte
	key          crypto.PublicKey // nil without a certificate, and for one of RSAES-OAEP (RFC 4055), which crypto/x509 does not read
	templates    []ekTemplate
}

// endorser is an endorsement key in the TPM.
type endorser struct {
	EndorsementKey
	*object
	policyB bool
}

// chooseEndorsementKey returns the first endorsement key that has a certificate which
// fits it, or the one on P-256 if there is no certificate at all.
func (l *link) chooseEndorsementKey() (*endorser, error) {
	candidates, err := l.candidates()
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, c := range candidates {
		o, err := l.endorsementKey(c)
		if err == nil {
			return o, nil
		}
		failed = append(failed, err)
	}
	return nil, noneOf(failed)
}

// noneOf puts together why no endorsement key can be used.
func noneOf(failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	var words []string
	for _, err := range failed {
		words = append(words, err.Error())
	}
	return evidence.Errorf(evidence.CodeAttesterEndorsementKey, "", "no endorsement key can be used: %s", strings.Join(words, "; "))
}

// candidates lists the endorsement keys that may be used, in the order of preference.
func (l *link) candidates() ([]candidate, error) {
	if len(l.options.EKCertificates) > 0 {
		c, err := newCandidate(l.options.EKCertificates, ekTemplates())
		return []candidate{c}, err
	}
	indices, err := l.indices()
	if err != nil {
		return nil, err
	}
	chain, err := l.chain(indices)
	if err != nil {
		return nil, err
	}
	var all []candidate
	var failed []error
	for _, t := range ekTemplates() {
		if !slices.Contains(indices, t.certificate) {
			continue
		}
		data, err := l.readNV(t.certificate)
		if err != nil {
			return nil, err
		}
		certificate, _ := cutCertificate(data)
		if certificate == nil {
			continue // reserved, and never filled
		}
		c, err := newCandidate(append([][]byte{certificate}, chain...), []ekTemplate{t})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, c)
	}
	switch {
	case len(all) == 0 && len(failed) > 0:
		return nil, noneOf(failed)
	case len(all) == 0:
		all = []candidate{{templates: ekTemplates()[:1]}}
	}
	return all, nil
}

// newCandidate reads the key that a certificate is for.
func newCandidate(certificates [][]byte, templates []ekTemplate) (candidate, error) {
	cert, err := x509.ParseCertificate(certificates[0])
	if err != nil {
		return candidate{}, evidence.Errorf(evidence.CodeAttesterEndorsementKey, "ek_certificates", "the endorsement key's certificate cannot be read: %w", err)
	}
	fitting := slices.DeleteFunc(slices.Clone(templates), func(t ekTemplate) bool { return !t.isFor(cert.PublicKey) })
	if len(fitting) == 0 {
		return candidate{}, evidence.Errorf(evidence.CodeAttesterEndorsementKey, "ek_certificates", "the certificate of %s is for a key that no template of the TCG here makes", cert.Subject)
	}
	return candidate{certificates, cert.PublicKey, fitting}, nil
}

// firstChain and lastChain are the NV indices of the certificates between endorsement
// keys' and their root (TCG EK Credential Profile 2.5, 2.2.1.5): one after the other,
// across the borders of indices.
const firstChain, lastChain = tpm2.TPMHandle(0x01c00100), tpm2.TPMHandle(0x01c001ff)

func (l *link) chain(indices []tpm2.TPMHandle) ([][]byte, error) {
	var all []byte
	read := 0
	for _, index := range indices {
		if index < firstChain || index > lastChain || read == maxChainNV {
			continue
		}
		data, err := l.readNV(index)
		if err != nil {
			return nil, err
		}
		all = append(all, data...)
		read++
	}
	var chain [][]byte
	for len(chain) < evidence.MaxCertificates-1 {
		certificate, rest := cutCertificate(all)
		if certificate == nil {
			break
		}
		chain = append(chain, certificate)
		all = rest
	}
	return chain, nil
}

// endorsementKey finds or makes the candidate's key.
func (l *link) endorsementKey(c candidate) (*endorser, error) {
	var other []string
	for _, t := range c.templates {
		o, err := l.keyOf(t, c.key)
		if err != nil {
			return nil, err
		}
		if o == nil {
			other = append(other, t.name)
			continue
		}
		key, err := tpm2.Pub(*o.public)
		if err != nil {
			return nil, err
		}
		spki, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, err
		}
		return &endorser{EndorsementKey{t.name, o.area, sha256.Sum256(spki), c.certificates}, o, t.policyB}, nil
	}
	return nil, evidence.Errorf(evidence.CodeAttesterEndorsementKey, "ek_certificates", "the certificate is not for the TPM's endorsement key of the template %s: "+
		"it is another TPM's, the endorsement seed was changed (tpm2_changeeps), or the manufacturer used a template of its own", strings.Join(other, " or "))
}

// keyOf returns the TPM's key of a template, if it is the wanted one: a persistent one, or else
// one that is made anew. A wanted key of nil is any.
func (l *link) keyOf(t ekTemplate, want crypto.PublicKey) (*object, error) {
	handles, err := l.handles(firstEK)
	if err != nil {
		return nil, err
	}
	for _, handle := range handles {
		if handle > lastEK {
			continue
		}
		if o, err := l.persistent(handle); err == nil && t.fits(o) && o.is(want) {
			return o, nil
		}
	}
	o, err := l.createPrimary(tpm2.TPMRHEndorsement, t.public)
	if err != nil {
		return nil, fmt.Errorf("the endorsement key %s: %w", t.name, err)
	}
	if !o.is(want) {
		return nil, l.flush(o.handle)
	}
	return o, nil
}

// firstEK and lastEK are the persistent handles reserved for endorsement keys (TCG
// Registry of Reserved TPM 2.0 Handles, table 2).
const firstEK, lastEK = tpm2.TPMHandle(0x81010000), tpm2.TPMHandle(0x8101ffff)

// release flushes a key that is not persistent.
func (l *link) release(o *object) error {
	if slices.Contains(l.loaded, o.handle) {
		return l.flush(o.handle)
	}
	return nil
}

// is reports whether the object is this key; nil is every key.
func (o *object) is(want crypto.PublicKey) bool {
	key, err := tpm2.Pub(*o.public)
	if err != nil {
		return false
	}
	comparable, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	return want == nil || ok && comparable.Equal(want)
}

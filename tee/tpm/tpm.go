// Package tpm judges quotes of TPM 2.0s. A quote is a statement by a TPM about
// its PCRs, signed by an attestation key (AK) that signs nothing else:
//
//   - the signed TPMS_ATTEST is decoded by strict decoders and must be a quote
//     that a TPM generated (files reader, attest);
//   - the AK is trusted because the operator gave it, because its certificate ends
//     at a root that he configured or at this service's own CA, or because a report
//     of a TEE beside it vouches for it (files key, certificate, chain,
//     revocation, vouched), and must be restricted to what its TPM made (file public);
//   - the AK's scheme fixes how the signature is checked (file signature);
//   - the PCR values that came along count only where the signed selection
//     names them and the signed digest covers them (file pcrs);
//   - what an earlier appraisal left about the AK must fit: its clock and counters
//     run forwards, and after a restart the logs begin anew (file clock);
//   - event log and IMA log count as far as the quoted PCRs vouch for them (files
//     eventlog, ima);
//   - another key of the same TPM is certified by the AK (file certify).
//
// It also enrols AKs: it judges which endorsement keys are trusted (files ek, enrol),
// and makes credentials that only the TPM with such a key and the AK can open (file
// credential).
//
// Which PCRs a quote must cover, which values they must have, what a machine may
// boot and run, and which banks are good enough is for policy to say.
//
// Structures and algorithms are those of the TCG's TPM 2.0 Library, parts 1 and
// 2. Start at [New] and [Verifier.Verify], or at [NewEnroller] and [Enroller.Judge].
package tpm

import (
	"bytes"
	"crypto/x509"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	"github.com/quotary/quotary/tee"
)

// Options are what a [Verifier] trusts. With neither roots nor keys it refuses
// every quote.
type Options struct {
	// Roots are the roots that AK certificates must end at, of origin
	// [evidence.OriginConfigured] or [evidence.OriginSimulated].
	Roots []tee.Anchor
	// Intermediates are DER certificates that may stand between AK certificates
	// and roots. They are not trusted.
	Intermediates [][]byte
	// Keys are AKs that the operator vouches for one by one.
	Keys []TrustedKey
	// Enrolment are the service's own CAs of AKs: self-signed, of origin
	// [evidence.OriginConfigured], or [evidence.OriginSimulated] where they certify
	// keys of simulated TPMs.
	Enrolment []tee.Anchor
}

// Verifier judges TPM quotes. It implements [tee.Verifier] and [tee.Inspector].
type Verifier struct {
	anchors       []*anchor
	roots         *x509.CertPool
	intermediates []*x509.Certificate
	longest       int                  // number of certificates of a chain at most
	keys          map[digest]*givenKey // by fingerprint
	areas         map[string]*givenKey // by the bytes of their public area, where it is known
	trials        []*givenKey          // keys to try on a quote that names none, if they are few

	chains *lru.Cache[digest, *chain]
	lists  *lru.Cache[digest, *revoked]
	logs   *lru.Cache[digest, explained]
}

// givenKey is a [TrustedKey], decoded.
type givenKey struct {
	public      *public // nil where the area is not known
	area        []byte
	key         akKey
	trustAnchor evidence.TrustAnchor
}

// New returns a Verifier. It refuses roots that cannot issue, keys that are weak,
// and contradictions.
func New(o Options) (*Verifier, error) {
	v := &Verifier{
		roots: x509.NewCertPool(), longest: maxChain, keys: map[digest]*givenKey{}, areas: map[string]*givenKey{},
		chains: lru.New[digest, *chain](maxChains), lists: lru.New[digest, *revoked](maxLists),
		logs: lru.New[digest, explained](maxLogs),
	}
	for _, root := range o.Roots {
		if err := v.addRoot(root, false); err != nil {
			return nil, err
		}
	}
	for _, root := range o.Enrolment {
		if err := v.addRoot(root, true); err != nil {
			return nil, err
		}
	}
	for _, der := range o.Intermediates {
		cert, err := newIssuer(der)
		if err != nil {
			return nil, err
		}
		v.intermediates = append(v.intermediates, cert)
	}
	for _, key := range o.Keys {
		if err := v.addKey(key); err != nil {
			return nil, err
		}
	}
	if len(v.trials) > maxTrials {
		v.trials = nil
	}
	return v, nil
}

// addRoot makes a certificate a trust anchor, of keys that this service enrolled
// or of others.
func (v *Verifier) addRoot(root tee.Anchor, enrolment bool) error {
	a, err := newAnchor(root)
	if err != nil {
		return err
	}
	a.enrolment = enrolment
	if known := v.anchorOf(a.cert); known != nil {
		if known.origin != a.origin {
			return fmt.Errorf("tpm: root %q is given both as %s and as %s", a.cert.Subject, known.origin, a.origin)
		}
		if known.enrolment != enrolment {
			return fmt.Errorf("tpm: root %q is given both as a CA of this service and as another", a.cert.Subject)
		}
		return nil
	}
	v.anchors = append(v.anchors, a)
	v.roots.AddCert(a.cert)
	return nil
}

// addKey makes a key trusted.
func (v *Verifier) addKey(key TrustedKey) error {
	given, err := newGivenKey(key)
	if err != nil {
		return err
	}
	known, taken := v.keys[given.key.fingerprint]
	switch {
	case !taken:
		known = given
		v.keys[given.key.fingerprint] = given
		v.trials = append(v.trials, given)
	case known.trustAnchor.Origin != given.trustAnchor.Origin:
		return fmt.Errorf("tpm: attestation key %x is given twice with different origins", given.key.fingerprint)
	case known.public == nil:
		known.public, known.area = given.public, given.area
	case given.public != nil && !bytes.Equal(known.area, given.area):
		return fmt.Errorf("tpm: attestation key %x is given twice with different public areas", given.key.fingerprint)
	}
	if known.public != nil {
		v.areas[string(known.area)] = known
	}
	return nil
}

// newGivenKey decodes what the operator gave.
func newGivenKey(k TrustedKey) (*givenKey, error) {
	if k.Origin == "" {
		k.Origin = evidence.OriginConfigured
	}
	if err := checkOrigin(k.Origin); err != nil {
		return nil, err
	}
	key, err := newAKKey(k.Public)
	if err != nil {
		return nil, err
	}
	given := &givenKey{key: key, trustAnchor: evidence.TrustAnchor{Name: k.Name, SHA256: key.fingerprint[:], Origin: k.Origin}}
	if given.trustAnchor.Name == "" {
		given.trustAnchor.Name = "given attestation key"
	}
	if k.Area == nil {
		return given, nil
	}
	area, err := parsePublic(k.Area)
	if err != nil {
		return nil, err
	}
	if !equal(area.key, key.public) {
		return nil, fmt.Errorf("tpm: the public area given for attestation key %x is of another key", key.fingerprint)
	}
	given.public, given.area = &area, k.Area
	return given, nil
}

// Kind returns [evidence.KindTPM].
func (*Verifier) Kind() evidence.Kind { return evidence.KindTPM }

// checksOfQuote is how many checks a quote gets, if its event log raises few doubts.
const checksOfQuote = 36

// Verify judges item as [tee.Verifier] says.
func (v *Verifier) Verify(item evidence.Item, e *tee.Endorsements, p tee.Params) tee.Outcome {
	x := &examination{v: v, e: e, now: p.Now, vouched: p.Vouched, earlier: earlier{lookup: p.Earlier}}
	x.out.Checks = make(evidence.Checks, 0, checksOfQuote)
	x.out.Claims.Kind = evidence.KindTPM
	quote, ok := item.(*evidence.TPM)
	if !ok || quote == nil {
		x.checks().Fail(evidence.CodeTPMKind, "a TPM quote", fmt.Sprintf("%T", item))
		return x.out
	}
	x.item = quote
	x.out.Claims.TPM = &x.claims
	x.readAttest()
	x.readSignature()
	x.readArea()
	x.findKey()
	x.judgeArea()
	x.judgeSigner()
	x.judgeSignature()
	x.judgePCRs()
	x.judgeCertification()
	x.recall()
	x.judgeClock()
	x.judgeReboot()
	x.judgeEventLog()
	x.judgeIMA()
	x.remember()
	return x.out
}

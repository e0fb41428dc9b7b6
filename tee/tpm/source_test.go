package tpm

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// vouchedFor are the parameters of an appraisal in which a report vouches for a key.
func vouchedFor(key crypto.PublicKey, sum evidence.Digest) tee.Params {
	return tee.Params{Now: simulatedNow, Vouched: &tee.VouchedKey{
		SHA256: sum, Public: key, By: evidence.KindSEVSNP,
		Anchor: &evidence.TrustAnchor{Name: "ARK", SHA256: make([]byte, 32), Origin: evidence.OriginPinned},
	}}
}

// TestVouched shows how a key is found that another item vouches for.
func TestVouched(t *testing.T) {
	w := simulated(t)
	m := w.machine
	item := quoteOf(t, m, w.nonce)
	bare := *item
	bare.AKPublic, bare.AKCertificates = nil, nil
	area := bare
	area.AKPublic = item.AKPublic
	for name, c := range map[string]struct {
		item       *evidence.TPM
		params     tee.Params
		restricted bool
	}{
		"by its key":                       {&bare, vouchedFor(m.Key.Public(), m.AttestationKey()), false},
		"by its key, with its area":        {&area, vouchedFor(m.Key.Public(), m.AttestationKey()), true},
		"by its digest":                    {&area, vouchedFor(nil, m.AttestationKey()), true},
		"by its digest, with certificates": {item, vouchedFor(nil, m.AttestationKey()), true},
		"by its key, with certificates":    {item, vouchedFor(m.Key.Public(), m.AttestationKey()), true},
	} {
		for option, o := range map[string]Options{"nothing": {}, "its root": w.roots(), "it": given(m)} {
			out := newVerifier(t, o).Verify(c.item, nil, c.params)
			claims := out.Claims.TPM
			if !out.Genuine() || claims.AKSource != evidence.AKSourceTEE || claims.AKVouchedBy != evidence.KindSEVSNP {
				t.Errorf("%s, trusting %s: %+v\n%v", name, option, claims, out.Checks)
			}
			if anchor := out.Claims.TrustAnchor; anchor == nil || anchor.Name != "ARK" || out.Claims.Simulated || anchor == c.params.Vouched.Anchor {
				t.Errorf("%s: trust anchor %+v", name, anchor)
			}
			if got := claims.AKRestricted; (got != nil) != c.restricted || got != nil && !*got {
				t.Errorf("%s: restricted %v", name, got)
			}
			if out.Key != m.AttestationKey() || out.KeyState == nil || !out.ValidUntil.IsZero() {
				t.Errorf("%s: %x, %+v", name, out.Key, out.KeyState)
			}
		}
	}
	params := vouchedFor(nil, m.AttestationKey())
	params.Vouched.Anchor.Origin = evidence.OriginSimulated
	if out := newVerifier(t, Options{}).Verify(item, nil, params); !out.Claims.Simulated || !out.Genuine() {
		t.Error("a simulated report makes a real key")
	}
}

// TestAttack_P37_VouchedKeyOfAnotherTPM puts the quote of one TPM beside a report
// that vouches for another's key, with whatever may help.
func TestAttack_P37_VouchedKeyOfAnotherTPM(t *testing.T) {
	w := simulated(t)
	other := w.newMachine(t, simulator.MachineOptions{Name: "other"})
	theirs, ours := quoteOf(t, w.machine, w.nonce), quoteOf(t, other, w.nonce)
	with := func(alter func(*evidence.TPM)) *evidence.TPM {
		item := *theirs
		alter(&item)
		return &item
	}
	byKey, byDigest := vouchedFor(other.Key.Public(), other.AttestationKey()), vouchedFor(nil, other.AttestationKey())
	baseless := vouchedFor(nil, other.AttestationKey())
	baseless.Vouched.Anchor = nil
	ed25519 := vouchedFor(make([]byte, 32), other.AttestationKey())
	for name, c := range map[string]struct {
		item   *evidence.TPM
		params tee.Params
		codes  []evidence.Code
	}{
		"another quote":                       {theirs, byKey, []evidence.Code{evidence.CodeTPMAKVouched, evidence.CodeTPMAKPublicMatch, evidence.CodeTPMSignature}},
		"another quote, known by digest":      {theirs, byDigest, []evidence.Code{evidence.CodeTPMAKVouched}},
		"with the right area":                 {with(func(i *evidence.TPM) { i.AKPublic = ours.AKPublic }), byDigest, []evidence.Code{evidence.CodeTPMAKVouched, evidence.CodeTPMSignature}},
		"with the right area and certificate": {with(func(i *evidence.TPM) { i.AKPublic, i.AKCertificates = ours.AKPublic, ours.AKCertificates }), byKey, []evidence.Code{evidence.CodeTPMSignature}},
		"with its own area alone":             {with(func(i *evidence.TPM) { i.AKCertificates = nil }), byKey, []evidence.Code{evidence.CodeTPMAKPublicMatch, evidence.CodeTPMSignature}},
		"with nothing":                        {with(func(i *evidence.TPM) { i.AKCertificates, i.AKPublic = nil, nil }), byDigest, []evidence.Code{evidence.CodeTPMAKVouched}},
		"with no certificate":                 {with(func(i *evidence.TPM) { i.AKCertificates, i.AKPublic = [][]byte{{1}}, ours.AKPublic }), byKey, []evidence.Code{evidence.CodeTPMAKFormat, evidence.CodeTPMSignature}},
		"key and digest differ":               {theirs, vouchedFor(w.machine.Key.Public(), other.AttestationKey()), []evidence.Code{evidence.CodeTPMAKVouched}},
		"on nothing":                          {ours, baseless, []evidence.Code{evidence.CodeTPMAKVouched}},
		"a key of another kind":               {theirs, ed25519, []evidence.Code{evidence.CodeTPMAKKey}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, o := range []Options{{}, w.roots(), given(w.machine)} {
				out := newVerifier(t, o).Verify(c.item, nil, c.params)
				if out.Genuine() || out.Claims.TPM.AKSource == evidence.AKSourceTEE && !slices.Contains(c.codes, evidence.CodeTPMSignature) || out.KeyState != nil {
					t.Errorf("%+v", out.Claims.TPM)
				}
				failed := map[evidence.Code]bool{}
				for _, check := range out.Checks.Failed() {
					failed[check.Code] = true
				}
				for _, code := range c.codes {
					if !failed[code] {
						t.Errorf("%s did not fail:\n%v", code, out.Checks)
					}
				}
			}
		})
	}
}

// TestAttack_P02_VouchedKeyNotRestricted: a report vouches for a key whose area says
// that it signs whatever it is given.
func TestAttack_P02_VouchedKeyNotRestricted(t *testing.T) {
	w := simulated(t)
	key, err := w.machine.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates, item.AKPublic = nil, key.Area()
	out := newVerifier(t, Options{}).Verify(item, nil, vouchedFor(key.Public(), sha256.Sum256(spki(t, key.Public()))))
	if failed := out.Checks.Failed(); !slices.ContainsFunc(failed, func(c evidence.Check) bool { return c.Code == evidence.CodeTPMAKAttributes }) {
		t.Errorf("%v", failed)
	}
}

func spki(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestVouched_Real holds the quotes of Azure's virtual TPMs to the keys that the
// runtime data in their reports names.
func TestVouched_Real(t *testing.T) {
	for _, c := range realCases {
		if c.ak != "runtime_data.json" {
			continue
		}
		t.Run(c.item, func(t *testing.T) {
			item := evidencetest.Find(t, c.item)
			quote, _ := c.load(t)
			key := hclKey(t, item.Read(t, c.ak))
			params := vouchedFor(key, sha256.Sum256(spki(t, key)))
			out := newVerifier(t, Options{}).Verify(quote, nil, params)
			if claims := out.Claims.TPM; !out.Genuine() || claims.AKSource != evidence.AKSourceTEE || claims.AKRestricted != nil || len(claims.PCRs) != len(quote.PCRs["sha256"]) {
				t.Errorf("%+v\n%v", claims, out.Checks)
			}
			if item.Has("ak_cert.pem") {
				quote.AKCertificates = [][]byte{pemCertificate(t, item, "ak_cert.pem")}
				if out := newVerifier(t, Options{}).Verify(quote, nil, params); !out.Genuine() {
					t.Errorf("with its certificate: %v", out.Checks)
				}
				azure := evidencetest.Find(t, "azure-ak-certs-openpcc")
				quote.AKCertificates = [][]byte{pemCertificate(t, azure, "test_azure_ak_certificate_03.pem")}
				wantFailed(t, newVerifier(t, Options{}).Verify(quote, nil, params), evidence.CodeTPMAKVouched)
			}
			other := &rsa.PublicKey{N: new(big.Int).Add(key.N, big.NewInt(2)), E: key.E}
			if out := newVerifier(t, Options{}).Verify(quote, nil, vouchedFor(other, sha256.Sum256(spki(t, other)))); out.Genuine() {
				t.Error("under another key")
			}
		})
	}
}

// ownCA is a CA of the service's own.
func ownCA(t testing.TB, w *world) simulator.Issuer {
	t.Helper()
	issuer := simulator.Issuer{Key: w.vendor.Root.Key, Certificate: w.vendor.CATemplate("TPM Attestation Keys")}
	issuer.Certificate.MaxPathLenZero = true
	issuer.Certificate.UnknownExtKeyUsage = []asn1.ObjectIdentifier{oidAKCertificate}
	cert, err := issuer.Issue(issuer.Certificate, issuer.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	issuer.Certificate = cert
	return issuer
}

func trusting(issuer simulator.Issuer, origin evidence.Origin) Options {
	return Options{Enrolment: []tee.Anchor{{DER: issuer.Certificate.Raw, Origin: origin}}}
}

// identified is what the certificate of an enrolled key says, with these names.
func identified(t testing.TB, w *world, identifiers ...string) *x509.Certificate {
	t.Helper()
	template := w.vendor.AKTemplate("enrolled")
	template.NotAfter = simulatedNow.Add(24 * time.Hour)
	var names []asn1.RawValue
	if _, err := asn1.Unmarshal(template.ExtraExtensions[0].Value, &names); err != nil {
		t.Fatal(err)
	}
	for _, identifier := range identifiers {
		names = append(names, permanent(t, identifier))
	}
	template.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Critical: true, Value: marshal(t, names)}}
	return template
}

// permanent is a name that is a permanent identifier (RFC 4043).
func permanent(t testing.TB, identifier string) asn1.RawValue {
	t.Helper()
	value := marshal(t, []any{asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagUTF8String, Bytes: []byte(identifier)}}[0])
	sequence := marshal(t, asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: value})
	explicit := marshal(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: sequence})
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagOtherName, IsCompound: true, Bytes: append(marshal(t, oidPermanentIdentifier), explicit...)}
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	der, err := asn1.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// enrolled is a quote whose key has a certificate as template says.
func (w *world) enrolled(t testing.TB, issuer simulator.Issuer, template *x509.Certificate) *evidence.TPM {
	t.Helper()
	cert, err := issuer.Issue(template, w.machine.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates = [][]byte{cert.Raw, issuer.Certificate.Raw}
	return item
}

func TestEnrolled(t *testing.T) {
	w := simulated(t)
	issuer := ownCA(t, w)
	ek := sha256Of("ek")
	identifier := enrolledPrefix + hex.EncodeToString(ek)
	item := w.enrolled(t, issuer, identified(t, w, identifier))
	ids := map[evidence.Origin]evidence.Digest{
		evidence.OriginConfigured: w.machine.AttestationKey(), evidence.OriginSimulated: tee.SimulatedID(w.machine.AttestationKey()),
	}
	for origin, id := range ids {
		v := newVerifier(t, trusting(issuer, origin))
		known := memory{id: {}}
		for range 2 { // the second time from memory
			out := known.appraise(v, item)
			claims := out.Claims.TPM
			if !out.Genuine() || claims.AKSource != evidence.AKSourceEnrolled || claims.EKSHA256.String() != hex.EncodeToString(ek) || out.Claims.Simulated != (origin == evidence.OriginSimulated) {
				t.Fatalf("%+v\n%v", claims, out.Checks)
			}
			if claims.AKRestricted == nil || !*claims.AKRestricted {
				t.Errorf("restricted %v", claims.AKRestricted)
			}
			if claims.RevocationChecked || len(out.Lacking) > 0 || status(t, out, evidence.CodeTPMAKRevocation) != evidence.NotApplicable {
				t.Errorf("%v, lacking %v", out.Checks, out.Lacking)
			}
			if !out.ValidUntil.Equal(simulatedNow.Add(24 * time.Hour)) {
				t.Errorf("valid until %v", out.ValidUntil)
			}
			known = memory{id: {}}
		}
		bare := *item
		bare.AKPublic = nil
		if claims := (memory{id: {}}).accept(t, v, &bare).Claims.TPM; claims.AKRestricted == nil || claims.AKHierarchy != "" {
			t.Errorf("without its area: %+v", claims)
		}
		memory{}.refuse(t, v, item, evidence.CodeTPMAKRevoked)
		memory{id: {Revoked: true}}.refuse(t, v, item, evidence.CodeTPMAKRevoked)
		if out := v.Verify(item, nil, paramsNow); !out.Genuine() { // nobody asks
			t.Errorf("%v", out.Checks)
		}
	}
	// Without a directory name, as of a TPM without certificate.
	template := identified(t, w, identifier)
	template.ExtraExtensions[0].Value = marshal(t, []asn1.RawValue{permanent(t, identifier)})
	accepted(t, trusting(issuer, evidence.OriginConfigured), w.enrolled(t, issuer, template))
	// Expired, as enrolments do soon.
	out := newVerifier(t, trusting(issuer, evidence.OriginConfigured)).Verify(item, nil, tee.Params{Now: simulatedNow.Add(25 * time.Hour)})
	wantFailed(t, out, evidence.CodeTPMAKValidity)
}

// TestAttack_P38_EnrolmentNamesItsTPM: certificates of the service's own CA that name no
// endorsement key, or several, or not as this service does; and the same names
// under another CA, which mean nothing.
func TestAttack_P38_EnrolmentNamesItsTPM(t *testing.T) {
	w := simulated(t)
	issuer := ownCA(t, w)
	good := enrolledPrefix + strings.Repeat("0a", 32)
	for name, identifiers := range map[string][]string{
		"none": {}, "two": {good, good}, "two that differ": {good, enrolledPrefix + strings.Repeat("0b", 32)},
		"another form": {strings.Repeat("0a", 32)}, "upper case": {enrolledPrefix + strings.Repeat("0A", 32)},
		"short": {good[:len(good)-2]}, "long": {good + "00"}, "no digits": {enrolledPrefix + strings.Repeat("zz", 32)}, "empty": {""},
	} {
		t.Run(name, func(t *testing.T) {
			item := w.enrolled(t, issuer, identified(t, w, identifiers...))
			out := refused(t, trusting(issuer, evidence.OriginConfigured), item, evidence.CodeTPMAKExtensions)
			if out.Claims.TPM.EKSHA256 != nil {
				t.Errorf("claims %s", out.Claims.TPM.EKSHA256)
			}
		})
	}
	item := w.enrolled(t, w.vendor.Intermediate, identified(t, w, good))
	if claims := accepted(t, w.roots(), item).Claims.TPM; claims.AKSource != evidence.AKSourceCertificate || claims.EKSHA256 != nil {
		t.Errorf("a vendor's certificate makes an enrolment: %+v", claims)
	}
	if _, err := New(Options{Roots: []tee.Anchor{w.vendor.Anchor()}, Enrolment: []tee.Anchor{w.vendor.Anchor()}}); err == nil {
		t.Error("one CA is the service's own and another's")
	}
	// A CA under the service's own is not the service.
	sub := newCA(t, w, issuer, "Sub", nil)
	item = w.enrolled(t, sub, identified(t, w, good))
	item.AKCertificates = append(item.AKCertificates, issuer.Certificate.Raw)
	if out := newVerifier(t, trusting(issuer, evidence.OriginConfigured)).Verify(item, nil, paramsNow); out.Genuine() {
		t.Error("a CA under the service's own issues")
	}
}

// TestAttack_P06_NamesThatAreNotKnown marks names as critical that say who knows what.
func TestAttack_P06_NamesThatAreNotKnown(t *testing.T) {
	w := simulated(t)
	good := permanent(t, "x")
	context := func(tag int, compound bool, b []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: b}
	}
	names := func(values ...asn1.RawValue) []byte { return marshal(t, values) }
	for name, value := range map[string][]byte{
		"none": names(), "another name's type": names(context(0, true, append(marshal(t, oidAKCertificate), good.Bytes[10:]...))),
		"no value": names(context(0, true, marshal(t, oidPermanentIdentifier))), "a primitive": names(context(0, false, good.Bytes)),
		"something behind": names(context(0, true, append(slices.Clone(good.Bytes), 5, 0))), "an x400Address": names(good, context(3, true, nil)),
		"a directory name as text": names(context(4, false, []byte("x"))), "no sequence": {1, 1, 0}, "trailing bytes": append(names(good), 0),
	} {
		t.Run(name, func(t *testing.T) {
			template := w.vendor.AKTemplate("x")
			critical(oidSubjectAltName, value)(template)
			cert, err := w.vendor.Intermediate.Issue(template, w.machine.Key.Public())
			if err != nil {
				t.Skip("the standard library refuses it: ", err)
			}
			item := quoteOf(t, w.machine, w.nonce)
			item.AKCertificates[0] = cert.Raw
			out := newVerifier(t, w.roots()).Verify(item, nil, paramsNow)
			if out.Genuine() {
				t.Error("genuine")
			}
		})
	}
}

// TestAttack_P35_ProviderIsClaimed says of a key that a cloud runs its TPM in
// software, by the cloud's root and by nothing else.
func TestAttack_P35_ProviderIsClaimed(t *testing.T) {
	gce, azure := evidencetest.Find(t, "gce-ak-cert-chain-openpcc"), evidencetest.Find(t, "azure-ak-certs-openpcc")
	for _, c := range []struct {
		provider string
		options  Options
		certs    [][]byte
		at       time.Time
	}{
		{providerGoogle, configured(pemCertificate(t, gce, "gce_ek_ak_root.pem")),
			[][]byte{pemCertificate(t, gce, "test_gce_ak_cert.pem"), pemCertificate(t, gce, "test_gce_ak_intermediate_cert.pem")}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		{providerAzure, configured(pemCertificate(t, azure, "azure_tpm_root_2023.pem")),
			[][]byte{pemCertificate(t, azure, "test_azure_ak_certificate_01.pem"), pemCertificate(t, azure, "azure_tpm_intermediate_03.pem")}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		out := newVerifier(t, c.options).Verify(&evidence.TPM{AKCertificates: c.certs}, nil, tee.Params{Now: c.at})
		if got := out.Claims.TPM.AKProvider; got != c.provider {
			t.Errorf("provider %q, want %q:\n%v", got, c.provider, out.Checks)
		}
	}
	w := simulated(t)
	if got := accepted(t, w.roots(), quoteOf(t, w.machine, w.nonce)).Claims.TPM; got.AKProvider != "" || got.AKHierarchy != "endorsement" {
		t.Errorf("%+v", got)
	}
	owner := w.newMachine(t, simulator.MachineOptions{Name: "owner", Hierarchy: 0x40000001})
	if got := accepted(t, w.roots(), quoteOf(t, owner, w.nonce)).Claims.TPM; got.AKHierarchy != "owner" || got.ResetCount == 1 {
		t.Errorf("%+v", got)
	}
}

// TestRevocationNextUpdate claims until when the lists hold that were used.
func TestRevocationNextUpdate(t *testing.T) {
	w := simulated(t)
	var e tee.Endorsements
	if err := w.vendor.Endorsements(&e); err != nil {
		t.Fatal(err)
	}
	out := newVerifier(t, w.roots()).Verify(quoteOf(t, w.machine, w.nonce), &e, paramsNow)
	if got := out.Claims.TPM.RevocationNextUpdate; got.IsZero() || !got.Equal(out.ValidUntil) {
		t.Errorf("%v, valid until %v", got, out.ValidUntil)
	}
	ended := out.Claims.TPM.RevocationNextUpdate
	later := newVerifier(t, w.roots()).Verify(quoteOf(t, w.machine, w.nonce), &e, tee.Params{Now: ended.Add(time.Hour)})
	if c := later.Claims.TPM; c.RevocationChecked || !c.RevocationNextUpdate.Equal(ended) || later.ValidUntil.Before(ended.Add(time.Hour)) {
		t.Errorf("with lists that ended: checked %t, until %v; valid until %v", c.RevocationChecked, c.RevocationNextUpdate, later.ValidUntil)
	}
	if got := accepted(t, w.roots(), quoteOf(t, w.machine, w.nonce)).Claims.TPM.RevocationNextUpdate; !got.IsZero() {
		t.Errorf("without lists: %v", got)
	}
}

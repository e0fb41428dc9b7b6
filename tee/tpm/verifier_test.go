package tpm

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

var (
	_ tee.Verifier  = (*Verifier)(nil)
	_ tee.Inspector = (*Verifier)(nil)
	_ tee.Attester  = (*simulator.Machine)(nil)
)

func TestNew(t *testing.T) {
	w := simulated(t)
	root, key := w.vendor.Anchor(), TrustedKey{Public: w.machine.Key.Public()}
	other := w.newMachine(t, simulator.MachineOptions{Name: "other"})
	area, simulatedKey := key, key
	area.Area, simulatedKey.Origin = w.machine.Public, evidence.OriginSimulated
	for name, c := range map[string]struct {
		options Options
		ok      bool
	}{
		"nothing":                       {Options{}, true},
		"a root twice":                  {Options{Roots: []tee.Anchor{root, root}}, true},
		"a root of two origins":         {Options{Roots: []tee.Anchor{root, {DER: root.DER, Origin: evidence.OriginConfigured}}}, false},
		"a root without origin":         {Options{Roots: []tee.Anchor{{DER: root.DER}}}, false},
		"a pinned root":                 {Options{Roots: []tee.Anchor{{DER: root.DER, Origin: evidence.OriginPinned}}}, false},
		"a root that cannot issue":      {Options{Roots: []tee.Anchor{{DER: w.machine.Certificate.Raw, Origin: evidence.OriginConfigured}}}, false},
		"a root that is none":           {Options{Roots: []tee.Anchor{{DER: []byte("root"), Origin: evidence.OriginConfigured}}}, false},
		"an intermediate":               {Options{Intermediates: [][]byte{w.vendor.Intermediate.Certificate.Raw}}, true},
		"a leaf as intermediate":        {Options{Intermediates: [][]byte{w.machine.Certificate.Raw}}, false},
		"a key":                         {Options{Keys: []TrustedKey{key}}, true},
		"a key with and without area":   {Options{Keys: []TrustedKey{key, area, key}}, true},
		"a key of two origins":          {Options{Keys: []TrustedKey{key, simulatedKey}}, false},
		"a pinned key":                  {Options{Keys: []TrustedKey{{Public: key.Public, Origin: evidence.OriginPinned}}}, false},
		"no key":                        {Options{Keys: []TrustedKey{{}}}, false},
		"a key with another key's area": {Options{Keys: []TrustedKey{{Public: key.Public, Area: other.Public}}}, false},
		"a key with a malformed area":   {Options{Keys: []TrustedKey{{Public: key.Public, Area: []byte{1}}}}, false},
	} {
		if _, err := New(c.options); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseTrustedKey(t *testing.T) {
	w := simulated(t)
	spki, err := x509.MarshalPKIXPublicKey(w.machine.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	area := w.machine.Public
	sized := append([]byte{byte(len(area) >> 8), byte(len(area))}, area...)
	for name, c := range map[string]struct {
		data     []byte
		ok, area bool
	}{
		"PEM":               {block, true, false},
		"PEM in blank":      {[]byte("\n" + string(block) + "\n\n"), true, false},
		"DER":               {spki, true, false},
		"TPMT_PUBLIC":       {area, true, true},
		"TPM2B_PUBLIC":      {sized, true, true},
		"nothing":           {nil, false, false},
		"two PEM blocks":    {append(bytes.Clone(block), block...), false, false},
		"a certificate":     {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.machine.Certificate.Raw}), false, false},
		"DER and more":      {append(bytes.Clone(spki), 0), false, false},
		"TPM2B and more":    {append(bytes.Clone(sized), 0), false, false},
		"half a TPMT":       {area[:len(area)/2], false, false},
		"text":              {[]byte("key"), false, false},
		"far too much":      {make([]byte, 1<<20), false, false},
		"PEM without block": {[]byte("-----BEGIN PUBLIC KEY-----\n"), false, false},
	} {
		key, err := ParseTrustedKey(c.data)
		if (err == nil) != c.ok || c.ok && (!equal(key.Public, w.machine.Key.Public()) || (key.Area != nil) != c.area) {
			t.Errorf("%s: %+v, %v", name, key, err)
		}
		if err != nil && evidence.CodeOf(err).IsZero() {
			t.Errorf("%s: %v has no code", name, err)
		}
	}
}

// otherItem is no TPM quote.
func TestVerify_OtherEvidence(t *testing.T) {
	v := newVerifier(t, Options{})
	for _, item := range []evidence.Item{nil, &evidence.SNP{}, (*evidence.TPM)(nil)} {
		out := v.Verify(item, nil, tee.Params{})
		wantFailed(t, out, evidence.CodeTPMKind)
		if out.Genuine() || out.Undecided() {
			t.Errorf("%T: %v", item, out.Checks)
		}
		if _, err := v.UnverifiedClaims(item); evidence.CodeOf(err) != evidence.CodeTPMKind {
			t.Errorf("%T: %v", item, err)
		}
	}
	wantFailed(t, v.Verify(&evidence.TPM{}, nil, tee.Params{}),
		evidence.CodeTPMAttestFormat, evidence.CodeTPMSignatureFormat, evidence.CodeTPMAKUntrusted)
}

// TestGivenKeys shows how a quote's key is found among those given.
func TestGivenKeys(t *testing.T) {
	w := simulated(t)
	keys := func(n int) (o Options) {
		for i := range n {
			m := w.newMachine(t, simulator.MachineOptions{Name: fmt.Sprint("fleet", i)})
			o.Keys = append(o.Keys, TrustedKey{Public: m.Key.Public(), Area: m.Public, Name: fmt.Sprint("machine ", i)})
		}
		return o
	}
	m := w.newMachine(t, simulator.MachineOptions{Name: "fleet1", WithoutCertificate: true})
	named := quoteOf(t, m, w.nonce)
	nameless := *named
	nameless.AKPublic = nil
	for _, n := range []int{2, maxTrials, maxTrials + 1} {
		out := accepted(t, keys(n), named)
		if anchor := out.Claims.TrustAnchor; anchor.Name != "machine 1" || anchor.Origin != evidence.OriginConfigured || out.Claims.Simulated {
			t.Errorf("trust anchor %+v", anchor)
		}
	}
	accepted(t, keys(maxTrials), &nameless)
	refused(t, keys(maxTrials+1), &nameless, evidence.CodeTPMAKUntrusted)
	refused(t, keys(1), &nameless, evidence.CodeTPMSignature)
	refused(t, Options{}, &nameless, evidence.CodeTPMAKUntrusted)
	refused(t, Options{}, named, evidence.CodeTPMAKUntrusted)
	refused(t, keys(1), named, evidence.CodeTPMAKUntrusted)
	stranger := quoteOf(t, w.machine, w.nonce)
	stranger.AKCertificates, stranger.AKPublic = nil, nil
	refused(t, keys(3), stranger, evidence.CodeTPMAKUntrusted)
	// A certificate without configured roots is nothing.
	refused(t, Options{}, quoteOf(t, w.machine, w.nonce), evidence.CodeTPMAKUntrusted)
	// Nor is it needed beside a given key, which keeps its own origin.
	out := accepted(t, Options{Keys: []TrustedKey{{Public: w.machine.Key.Public()}}, Roots: w.roots().Roots}, quoteOf(t, w.machine, w.nonce))
	if out.Claims.TPM.AKSource != "given" || out.Claims.Simulated {
		t.Errorf("claims %+v", out.Claims)
	}
}

func TestUndecided(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates = item.AKCertificates[:1]
	out := newVerifier(t, w.roots()).Verify(item, nil, tee.Params{Now: simulatedNow})
	if !out.Undecided() || out.Genuine() || out.Missing[0].Type != "ak-intermediate" || !strings.Contains(out.Missing[0].ID, "Attestation Key CA") {
		t.Errorf("%v, missing %v", out.Checks, out.Missing)
	}
	if check, _ := out.Checks.Get(evidence.CodeTPMSignature); check.Status != evidence.Pass {
		t.Errorf("what could be judged was not: %v", check)
	}
	if out.Claims.TPM.AKRestricted != nil || out.Claims.TrustAnchor != nil {
		t.Errorf("claims rest on an unproved chain: %+v", out.Claims)
	}
	item.Attest = append(bytes.Clone(item.Attest[:len(item.Attest)-1]), 0)
	if out := newVerifier(t, w.roots()).Verify(item, nil, tee.Params{Now: simulatedNow}); out.Undecided() {
		t.Error("undecided although it is forged")
	}
}

func TestRevocation(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	issue := func(issuer simulator.Issuer, template *x509.RevocationList) *x509.RevocationList {
		crl, err := issuer.Sign(template)
		if err != nil {
			t.Fatal(err)
		}
		return crl
	}
	list := func(from, to time.Duration, revoked ...*x509.Certificate) *x509.RevocationList {
		template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: simulatedNow.Add(from), NextUpdate: simulatedNow.Add(to)}
		for _, cert := range revoked {
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: cert.SerialNumber, RevocationTime: simulatedNow})
		}
		return template
	}
	const hour, day = time.Hour, 24 * time.Hour
	leaf, intermediate := w.machine.Certificate, w.vendor.Intermediate.Certificate
	partial := list(-hour, day)
	partial.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
	weak := list(-hour, day)
	weak.SignatureAlgorithm = x509.ECDSAWithSHA1
	evil, err := simulator.NewVendor(simulator.Options{Seed: "evil"})
	if err != nil {
		t.Fatal(err)
	}
	root, ak := w.vendor.Root, w.vendor.Intermediate
	for name, c := range map[string]struct {
		lists  []*x509.RevocationList
		status evidence.Status
		until  time.Duration // zero: of the chain
	}{
		"none":                         {nil, evidence.NotPerformed, 0},
		"both current":                 {[]*x509.RevocationList{issue(root, list(-hour, day)), issue(ak, list(-hour, hour))}, evidence.Pass, hour},
		"only the leaf's":              {[]*x509.RevocationList{issue(ak, list(-hour, hour))}, evidence.NotPerformed, hour},
		"newer and older":              {[]*x509.RevocationList{issue(root, list(-hour, day)), issue(ak, list(-hour, hour)), issue(ak, list(-hour, 2*hour))}, evidence.Pass, 2 * hour},
		"leaf revoked":                 {[]*x509.RevocationList{issue(root, list(-hour, day)), issue(ak, list(-hour, hour, leaf))}, evidence.Fail, 0},
		"intermediate revoked":         {[]*x509.RevocationList{issue(root, list(-hour, day, intermediate))}, evidence.Fail, 0},
		"revoked in a list gone stale": {[]*x509.RevocationList{issue(ak, list(-day, -hour, leaf))}, evidence.Fail, 0},
		"revoked in a list to come":    {[]*x509.RevocationList{issue(ak, list(hour, day, leaf))}, evidence.NotPerformed, 0},
		"stale":                        {[]*x509.RevocationList{issue(root, list(-day, -hour)), issue(ak, list(-day, -hour))}, evidence.NotPerformed, 0},
		"another's serial":             {[]*x509.RevocationList{issue(root, list(-hour, day, leaf)), issue(ak, list(-hour, day, intermediate))}, evidence.Pass, day},
		"partial":                      {[]*x509.RevocationList{issue(root, list(-hour, day)), issue(ak, partial)}, evidence.NotPerformed, day},
		"signed with SHA-1":            {[]*x509.RevocationList{issue(root, list(-hour, day)), issue(ak, weak)}, evidence.NotPerformed, day},
		"of another issuer by name":    {[]*x509.RevocationList{issue(evil.Intermediate, list(-hour, day, leaf))}, evidence.NotPerformed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, w.roots())
			var e tee.Endorsements
			for _, crl := range c.lists {
				e.AddCRL(crl)
			}
			for range 2 {
				out := v.Verify(item, &e, tee.Params{Now: simulatedNow})
				if check, _ := out.Checks.Get(evidence.CodeTPMAKRevocation); check.Status != c.status {
					t.Errorf("%v", check)
				}
				want := simulatedNow.Add(c.until)
				if c.until == 0 {
					want = leaf.NotAfter
				}
				if got := out.Claims.TPM.RevocationChecked; got != (c.status == evidence.Pass) {
					t.Errorf("revocation checked: %v", got)
				}
				if out.Genuine() != (c.status != evidence.Fail) || c.status != evidence.Fail && !out.ValidUntil.Equal(want) {
					t.Errorf("genuine %v until %v, want until %v", out.Genuine(), out.ValidUntil, want)
				}
			}
			reviewsTheSame(t, w, item, &e, c.status)
		})
	}
}

// TestMemory shows that a remembered chain is held to the clock and to the
// same evidence as a new one.
func TestMemory(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	item := quoteOf(t, w.machine, w.nonce)
	at := func(now time.Time) tee.Outcome { return v.Verify(item, nil, tee.Params{Now: now}) }
	for _, now := range []time.Time{simulatedNow, w.machine.Certificate.NotAfter, w.machine.Certificate.NotBefore} {
		if out := at(now); !out.Genuine() {
			t.Errorf("%v: %v", now, out.Checks)
		}
	}
	for _, now := range []time.Time{w.machine.Certificate.NotAfter.Add(time.Second), w.machine.Certificate.NotBefore.Add(-time.Second)} {
		wantFailed(t, at(now), evidence.CodeTPMAKValidity)
	}
	cold := newVerifier(t, w.roots()).Verify(item, nil, tee.Params{Now: simulatedNow})
	if warm := at(simulatedNow); fmt.Sprint(warm.Checks) != fmt.Sprint(cold.Checks) {
		t.Errorf("another outcome from memory:\n%v\n%v", cold.Checks, warm.Checks)
	}
	// The remembered chain does not vouch for another key's signature.
	other := quoteOf(t, w.newMachine(t, simulator.MachineOptions{Name: "other"}), w.nonce)
	other.AKCertificates, other.AKPublic = item.AKCertificates, item.AKPublic
	wantFailed(t, v.Verify(other, nil, tee.Params{Now: simulatedNow}), evidence.CodeTPMSignature)
}

// TestMemory_RenewedIntermediate shows that a remembered chain, once it is no
// longer valid, does not stand in the way of a new one.
func TestMemory_RenewedIntermediate(t *testing.T) {
	w := simulated(t)
	item := quoteOf(t, w.machine, w.nonce)
	short := w.vendor.CATemplate("TPM Attestation Key CA SIMULATED")
	short.NotAfter = simulatedNow.Add(time.Hour)
	cert, err := w.vendor.Root.Issue(short, w.vendor.Intermediate.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	item.AKCertificates[1] = cert.Raw
	v := newVerifier(t, w.roots())
	var renewed tee.Endorsements
	renewed.AddCertificate(w.vendor.Intermediate.Certificate)
	for _, c := range []struct {
		after   time.Duration
		e       *tee.Endorsements
		genuine bool
	}{{0, nil, true}, {2 * time.Hour, nil, false}, {2 * time.Hour, &renewed, true}, {2 * time.Hour, nil, false}, {0, nil, true}} {
		out := v.Verify(item, c.e, tee.Params{Now: simulatedNow.Add(c.after)})
		if out.Genuine() != c.genuine {
			t.Errorf("%v later: genuine %v\n%v", c.after, out.Genuine(), out.Checks)
		}
	}
}

// TestCandidates bounds what is tried, and keeps away what cannot issue or
// would take long to check.
func TestCandidates(t *testing.T) {
	w := simulated(t)
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := w.vendor.CATemplate("CA of another kind")
	cert, err := w.vendor.Root.Issue(template, public)
	if err != nil {
		t.Fatal(err)
	}
	odd := simulator.Issuer{Certificate: cert, Key: key}
	leaf, err := odd.Issue(w.vendor.AKTemplate("victim"), w.machine.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	item := quoteOf(t, w.machine, w.nonce)
	item.AKCertificates = [][]byte{leaf.Raw, cert.Raw}
	if out := newVerifier(t, w.roots()).Verify(item, nil, tee.Params{Now: simulatedNow}); !out.Undecided() {
		t.Errorf("a CA with an Ed25519 key counts: %v", out.Checks)
	}
	if _, err := New(Options{Roots: []tee.Anchor{{DER: cert.Raw, Origin: evidence.OriginConfigured}}}); err == nil {
		t.Error("a root with an Ed25519 key counts")
	}
	var flood tee.Endorsements
	for n := range 2 * maxCandidates {
		template := w.vendor.CATemplate("TPM Attestation Key CA SIMULATED")
		template.SerialNumber = big.NewInt(int64(n + 1))
		cert, err := w.vendor.Root.Issue(template, w.machine.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		flood.AddCertificate(cert)
	}
	if found, _ := newVerifier(t, w.roots()).gather(w.machine.Certificate, nil, &flood); len(found) != maxCandidates {
		t.Errorf("%d candidates", len(found))
	}
}

// TestDigestOf tells where a part ends.
func TestDigestOf(t *testing.T) {
	if digestOf([]byte("ab"), []byte("c")) == digestOf([]byte("a"), []byte("bc")) {
		t.Error("the digest does not tell where a part ends")
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, w.roots())
	item := quoteOf(t, w.machine, w.nonce)
	var e tee.Endorsements
	if err := w.vendor.Endorsements(&e); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				if out := v.Verify(item, &e, tee.Params{Now: simulatedNow}); !out.Genuine() {
					t.Error(out.Checks)
				}
			}
		})
	}
	group.Wait()
}

func TestUnverifiedClaims(t *testing.T) {
	w := simulated(t)
	v := newVerifier(t, Options{})
	item := quoteOf(t, w.machine, w.nonce)
	item.Signature = item.Signature[:3] // unread
	claims, err := v.UnverifiedClaims(item)
	if err != nil {
		t.Fatal(err)
	}
	if claims.TPM.Bank != "sha256" || len(claims.TPM.PCRs) != 16 || !bytes.Equal(claims.TPM.ExtraData, w.nonce) || claims.TPM.AKName == nil || claims.TrustAnchor != nil {
		t.Errorf("%+v", claims.TPM)
	}
	for _, broken := range []*evidence.TPM{{}, {Attest: item.Attest[:20]}, {Attest: item.Attest, AKPublic: []byte{1}}} {
		if _, err := v.UnverifiedClaims(broken); evidence.CodeOf(err).IsZero() {
			t.Errorf("%v", err)
		}
	}
}

// TestBounds sends more than is ever read.
func TestBounds(t *testing.T) {
	w := simulated(t)
	item := func(alter func(*evidence.TPM)) *evidence.TPM {
		i := quoteOf(t, w.machine, w.nonce)
		alter(i)
		return i
	}
	much := make([]byte, 1<<20)
	refused(t, w.roots(), item(func(i *evidence.TPM) { i.Attest = much }), evidence.CodeTPMAttestFormat, evidence.CodeTPMSignature)
	refused(t, w.roots(), item(func(i *evidence.TPM) { i.Signature = much }), evidence.CodeTPMSignatureFormat)
	refused(t, w.roots(), item(func(i *evidence.TPM) { i.AKPublic = much }), evidence.CodeTPMAKPublicFormat)
	refused(t, w.roots(), item(func(i *evidence.TPM) { i.AKCertificates[0] = much }), evidence.CodeTPMAKFormat)
	refused(t, w.roots(), item(func(i *evidence.TPM) { i.AKCertificates = make([][]byte, 1000) }), evidence.CodeTPMAKFormat)
	refused(t, w.roots(), item(func(i *evidence.TPM) { i.AKCertificates[1] = []byte("junk") }), evidence.CodeTPMAKFormat)
	refused(t, w.roots(), item(func(i *evidence.TPM) {
		i.AKCertificates = append(i.AKCertificates, slices.Repeat(i.AKCertificates[1:], evidence.MaxCertificates-1)...)
	}), evidence.CodeTPMAKFormat)
}

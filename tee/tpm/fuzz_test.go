package tpm

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee"
)

// seeds returns quotes of simulated machines.
func seeds(f *testing.F) []*evidence.TPM {
	f.Helper()
	w := simulated(f)
	quotes := []*evidence.TPM{
		quoteOf(f, w.machine, w.nonce),
		quoteOf(f, w.newMachine(f, simulator.MachineOptions{Name: "rsa", Key: simulator.KeyRSA, Bank: simulator.SHA384}), w.nonce),
	}
	return quotes
}

// certifiedSeed is the quote of a machine with everything that may come along.
func certifiedSeed(f *testing.F) *evidence.TPM {
	f.Helper()
	w := simulated(f)
	m := w.booted(f, "fuzz", 2)
	key, err := m.NewKey()
	if err != nil {
		f.Fatal(err)
	}
	m.UseKey(key)
	return quoteOf(f, m, w.nonce)
}

// realSeeds returns the files of these names from the collection, if it is there.
func realSeeds(f *testing.F, names ...string) (files [][]byte) {
	f.Helper()
	if !evidencetest.Present() {
		return nil
	}
	for _, item := range evidencetest.Items(f, "tpm") {
		for _, name := range names {
			if item.Has(name) {
				files = append(files, item.Read(f, name))
			}
		}
	}
	return files
}

// FuzzAttest reads quotes and certifications.
func FuzzAttest(f *testing.F) {
	for _, quote := range seeds(f) {
		f.Add(quote.Attest)
	}
	f.Add(certifiedSeed(f).Certification.Attest)
	for _, raw := range realSeeds(f, "quote_sha384.msg", "quote.msg", "quote.out", "ak_create_attest.bin", "forged_quote.msg") {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, body := range []uint16{typeQuote, typeCertify} {
			a, err := parseAttest(raw, body)
			if err == nil && (a.quote != nil || a.certify != nil) {
				sameAttest(t, raw, a)
			}
		}
	})
}

func FuzzSignature(f *testing.F) {
	for _, quote := range seeds(f) {
		f.Add(quote.Signature)
	}
	for _, raw := range realSeeds(f, "quote_sha384.sig", "quote.sig", "quotesig.out", "forged_quote.sig") {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if sig, err := parseSignature(raw); err == nil {
			sameSignature(t, raw, sig)
		}
	})
}

func FuzzPublic(f *testing.F) {
	for _, quote := range seeds(f) {
		f.Add(quote.AKPublic)
	}
	f.Add(certifiedSeed(f).Certification.Public)
	for _, raw := range realSeeds(f, "ak_pub.tpmt") {
		f.Add(raw)
	}
	for _, raw := range realSeeds(f, "ak.pub", "ek.pub", "ak_pub.tpm2b", "ek_pub.tpm2b", "unrestricted_pub.tpm2b") {
		f.Add(raw[2:])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if p, err := parsePublic(raw); err == nil {
			samePublic(t, raw, p)
		}
	})
}

func FuzzTrustedKey(f *testing.F) {
	for _, quote := range seeds(f) {
		f.Add(quote.AKPublic)
	}
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if key, err := ParseTrustedKey(raw); err == nil {
			if _, err := New(Options{Keys: []TrustedKey{key}}); err != nil {
				t.Errorf("a key that was parsed is refused: %v", err)
			}
		}
	})
}

// FuzzVerify looks for panics, and for anything genuine that is not the seed's
// signed content.
func FuzzVerify(f *testing.F) {
	for _, quote := range seeds(f) {
		f.Add(quote.Attest, quote.Signature, quote.AKPublic, quote.AKCertificates[0], quote.AKCertificates[1], []byte(quote.PCRs["sha256"][0]))
	}
	w := simulated(f)
	v := newVerifier(f, w.roots())
	f.Fuzz(func(t *testing.T, attest, signature, public, leaf, intermediate, pcr []byte) {
		item := &evidence.TPM{Attest: attest, Signature: signature, AKPublic: public, PCRs: evidence.PCRs{"sha256": {0: pcr}}}
		for _, der := range [][]byte{leaf, intermediate} {
			if len(der) > 0 {
				item.AKCertificates = append(item.AKCertificates, der)
			}
		}
		out := v.Verify(item, nil, tee.Params{Now: simulatedNow.Add(time.Hour)})
		if len(out.Checks) == 0 {
			t.Error("no check was made")
		}
		for _, check := range out.Checks {
			if check.Code.IsZero() || check.Code.Description() == "" {
				t.Errorf("%v has no registered code", check)
			}
		}
		if out.Genuine() && len(out.Claims.TPM.PCRs) == 0 {
			t.Error("genuine without PCRs")
		}
		vouched := v.Verify(item, nil, vouchedFor(nil, w.machine.AttestationKey()))
		if vouched.Genuine() && evidence.Digest(vouched.Claims.TPM.AKSHA256) != w.machine.AttestationKey() {
			t.Errorf("genuine by key %x", vouched.Key)
		}
	})
}

// FuzzLogs alters what comes along with genuine quotes: nothing of it can be more
// than the quote vouches for. Each item is also judged against what an earlier one left.
func FuzzLogs(f *testing.F) {
	seed := certifiedSeed(f)
	w := simulated(f)
	v := newVerifier(f, w.roots())
	honest := v.Verify(seed, nil, memory{}.params())
	if !honest.Genuine() {
		f.Fatal(honest.Checks)
	}
	c := seed.Certification
	f.Add(seed.EventLog, seed.IMALog, uint64(0), c.Attest, c.Signature, c.Public, uint64(1), uint32(0), uint32(0))
	f.Add([]byte(nil), []byte(nil), uint64(3), c.Attest, c.Signature, c.Public, uint64(0), uint32(1), uint32(0))
	f.Add(seed.EventLog, seed.IMALog, uint64(1)<<63, []byte(nil), []byte(nil), []byte(nil), uint64(0), uint32(0), ^uint32(0))
	f.Fuzz(func(t *testing.T, eventLog, imaLog []byte, offset uint64, attest, signature, public []byte, clock uint64, resets, restarts uint32) {
		item := *seed
		item.EventLog, item.IMALog, item.IMAOffset = eventLog, imaLog, offset
		item.Certification = &evidence.TPMCertification{Attest: attest, Signature: signature, Public: public}
		state := *honest.KeyState
		state.Clock, state.Resets, state.Restarts = state.Clock-clock, state.Resets-resets, state.Restarts-restarts
		out := v.Verify(&item, nil, memory{honest.Key: &state}.params())
		claims := out.Claims.TPM
		if out.Genuine() != (out.KeyState != nil) {
			t.Errorf("genuine %v, leaves %+v", out.Genuine(), out.KeyState)
		}
		if key := claims.CertifiedKey; key != nil && !bytes.Equal(key.SHA256, honest.Claims.TPM.CertifiedKey.SHA256) {
			t.Errorf("certifies %s", key.SHA256)
		}
		if ima := claims.IMA; ima != nil && ima.Entries != honest.Claims.TPM.IMA.Entries {
			t.Errorf("PCR 10 stands for %d entries, not %d", ima.Entries, honest.Claims.TPM.IMA.Entries)
		}
		if boot := claims.Boot; boot != nil && boot.SecureBoot != nil && !cmp.Equal(boot.SecureBoot, honest.Claims.TPM.Boot.SecureBoot) {
			t.Errorf("secure boot %+v", boot.SecureBoot)
		}
		if out.Genuine() && (resets > 1<<31 || resets == 0 && restarts == 0 && clock == 0) {
			t.Errorf("genuine although the clock runs backwards: %v", out.Checks)
		}
	})
}

// FuzzNames reads subject alternative names as certificates may have them.
func FuzzNames(f *testing.F) {
	w := simulated(f)
	for _, template := range []*x509.Certificate{w.vendor.AKTemplate("x"), identified(f, w, enrolledPrefix+strings.Repeat("0a", 32))} {
		f.Add(template.ExtraExtensions[0].Value)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		cert := akCertificate{Certificate: &x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Critical: true, Value: raw}}}}
		known := cert.onlyKnownNames()
		ek, _ := cert.endorsementKey()
		if ek != nil && (len(ek) != len(digest{}) || !bytes.Contains(raw, []byte(enrolledPrefix+hex.EncodeToString(ek)))) {
			t.Errorf("key %x is not in %x", ek, raw)
		}
		if names := alternativeNames(cert.Certificate); known && len(names) == 0 {
			t.Errorf("known names, but none: %x", raw)
		}
	})
}

package verifier_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/teetest"
	"github.com/quotary/quotary/verifier"
)

// both are the kinds of a machine with a TEE and a TPM.
var both = []evidence.Kind{evidence.KindSEVSNP, evidence.KindTPM}

// newComposite returns a service that grants an identity to such machines.
func newComposite() *service {
	s := newService()
	s.policy = acceptSNP + "    tpm: any\n"
	return s
}

// withKey has the TPM's verifier find this attestation key, and tell what it was given.
func (s *service) withKey(ak evidence.Digest, given *tee.Params) {
	s.technology[1] = &teetest.Technology{Of: evidence.KindTPM, Judge: func(item evidence.Item, _ *tee.Endorsements, p tee.Params) tee.Outcome {
		if given != nil {
			*given = p
		}
		claims := teetest.Claims(evidence.KindTPM)
		claims.TPM.AKSHA256 = slices.Clone(ak[:])
		o := teetest.Genuine(claims, teetest.ReportData(item))
		o.Key = ak
		return o
	}}
}

// fails reports whether a result is rejected by a check of this code.
func fails(r verifier.Result, code evidence.Code) bool {
	return r.Verdict() == verifier.Rejected && slices.ContainsFunc(r.Checks().Failed(), func(c evidence.Check) bool { return c.Code == code })
}

func TestAttack_P37_QuoteOfAnotherTPM(t *testing.T) {
	s := newComposite()
	s.withKey(evidence.Digest{0x66}, nil) // the report covers the key of teetest's claims
	result := appraise(t, s.verifier(t), s.answer(t, both...).request(t))
	if !fails(result, evidence.CodeCompositeLink) || !fails(result, evidence.CodeBinding) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
}

// TestAttack_P37_ItemsBoundApart: that both carry the binding does not say that
// the report's machine has this TPM: whoever relays may ask any TPM.
func TestAttack_P37_ItemsBoundApart(t *testing.T) {
	s := newComposite()
	a := s.answer(t, both...)
	r := a.request(t)
	binding := evidence.NewBinding(a.purpose, a.challenge.Nonce, a.key.SPKI(), domain, both)
	r.Bundle[0] = teetest.Item(evidence.KindSEVSNP, binding.ReportData(evidence.KindSEVSNP))
	if result := appraise(t, s.verifier(t), r); !fails(result, evidence.CodeCompositeLink) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
}

// A background check links the items by the caller's data, if it can be a binding.
func TestBackgroundCheckOfComposite(t *testing.T) {
	data := bytes.Repeat([]byte{7}, 64)
	bundle := evidence.Bundle{
		teetest.Item(evidence.KindSEVSNP, teetest.Bound(evidence.Binding(data), both)(evidence.KindSEVSNP)),
		teetest.Item(evidence.KindTPM, data),
	}
	for name, c := range map[string]struct {
		data []byte
		want verifier.Verdict
		link evidence.Status
	}{
		"the binding":    {data, verifier.Accepted, evidence.Pass},
		"other data":     {bytes.Repeat([]byte{8}, 64), verifier.Rejected, evidence.Fail},
		"no binding":     {data[:32], verifier.Rejected, evidence.Fail},
		"nothing at all": {nil, verifier.Accepted, evidence.NotPerformed},
	} {
		result := appraise(t, newComposite().verifier(t), verifier.Request{Bundle: bundle, Freshness: verifier.BackgroundCheck{ReportData: c.data}})
		if check, _ := result.Checks().Get(evidence.CodeCompositeLink); result.Verdict() != c.want || check.Status != c.link {
			t.Errorf("%s: %s, %s", name, result.Verdict(), check)
		}
	}
}

// runtimeData is runtime data that names a key.
func runtimeData(t *testing.T) (ak evidence.Digest, data []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(der), fmt.Appendf(nil, `{"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":%q}],"vm-configuration":{"secure-boot":true}}`,
		base64.RawURLEncoding.EncodeToString(key.N.Bytes()))
}

// reportOf is the report that a paravisor made of runtime data.
func reportOf(data []byte) *evidence.SNP {
	sum := sha256.Sum256(data)
	return &evidence.SNP{Report: append(sum[:], make([]byte, 32)...), RuntimeData: data}
}

func TestParavisorVouchesForKey(t *testing.T) {
	ak, data := runtimeData(t)
	s := newService()
	s.policy = acceptSNP + `    tpm: {pcrs: {sha256: {0: ["` + teetest.Measurement(32).String() + `"]}}}
    paravisor: any
`
	var given tee.Params
	s.technology[1] = &teetest.Technology{Of: evidence.KindTPM, Judge: func(item evidence.Item, _ *tee.Endorsements, p tee.Params) tee.Outcome {
		given = p
		claims := teetest.Claims(evidence.KindTPM)
		claims.TPM.AKSHA256, claims.TPM.AKSource, claims.TPM.AKVouchedBy = ak[:], evidence.AKSourceTEE, p.Vouched.By
		return teetest.Genuine(claims, teetest.ReportData(item))
	}}
	r := s.answer(t, both...).request(t)
	r.Bundle[0] = reportOf(data)
	result := appraise(t, s.verifier(t), r)
	if !result.Accepted() {
		t.Fatalf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
	if given.Vouched == nil || given.Vouched.SHA256 != ak || given.Vouched.By != evidence.KindSEVSNP || given.Vouched.Public == nil || given.Vouched.Anchor == nil {
		t.Errorf("the TPM's verifier was given %+v", given.Vouched)
	}
	claims := result.Claims()[0]
	if claims.Paravisor == nil || !bytes.Equal(claims.Paravisor.AKSHA256, ak[:]) || !*claims.Paravisor.SecureBoot {
		t.Errorf("claims %+v", claims.Paravisor)
	}
	for _, item := range result.Items() {
		check, _ := item.Outcome.Checks.Get(evidence.CodeBinding)
		if want := map[evidence.Kind]evidence.Status{evidence.KindSEVSNP: evidence.NotApplicable, evidence.KindTPM: evidence.Pass}[item.Kind]; check.Status != want {
			t.Errorf("%s: %v", item.Kind, check)
		}
	}
}

func TestAttack_P36_RuntimeDataIsNotWhatWasMeasured(t *testing.T) {
	ak, data := runtimeData(t)
	other, otherData := runtimeData(t)
	for name, c := range map[string]struct {
		ak     evidence.Digest
		report *evidence.SNP
		want   evidence.Code
	}{
		"runtime data of another machine": {other, &evidence.SNP{Report: reportOf(data).Report, RuntimeData: otherData}, evidence.CodeCompositeRuntime},
		"quote by another key":            {other, reportOf(data), evidence.CodeCompositeLink},
		"bytes behind the digest":         {ak, &evidence.SNP{Report: append(reportOf(data).Report[:63], 1), RuntimeData: data}, evidence.CodeCompositeRuntime},
		"runtime data that is no JSON":    {ak, reportOf([]byte("HCLAkPub")), evidence.CodeCompositeRuntime},
		"runtime data with one more byte": {ak, &evidence.SNP{Report: reportOf(data).Report, RuntimeData: append(slices.Clone(data), ' ')}, evidence.CodeCompositeRuntime},
	} {
		s := newComposite()
		s.withKey(c.ak, nil)
		r := s.answer(t, both...).request(t)
		r.Bundle[0] = c.report
		if result := appraise(t, s.verifier(t), r); !fails(result, c.want) {
			t.Errorf("%s: %s: %v", name, result.Verdict(), result.Checks().Failed())
		}
	}
}

// A report that a paravisor made when the machine started proves nothing of now.
func TestAttack_P36_ReportWithoutQuote(t *testing.T) {
	_, data := runtimeData(t)
	s := newService()
	v := s.verifier(t)
	r := s.answer(t, evidence.KindSEVSNP).request(t)
	r.Bundle[0] = reportOf(data)
	if result := appraise(t, v, r); !fails(result, evidence.CodeCompositeTPMNeeded) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
	if examined := v.Examine(evidence.Bundle{reportOf(data)}, nil); examined.Verdict != verifier.Genuine {
		t.Errorf("without the question of freshness: %s %v", examined.Verdict, examined.Checks.Failed())
	}
	if examined := v.Examine(evidence.Bundle{reportOf(data)}, reportOf(data).Report); examined.Verdict != verifier.Rejected {
		t.Errorf("its own report data passes for freshness: %s", examined.Verdict)
	}
}

// The report of one machine cannot vouch while another TEE in the bundle does not.
func TestAttack_P37_SecondTEEUnlinked(t *testing.T) {
	ak, data := runtimeData(t)
	s := newComposite()
	s.technology = append(s.technology, &teetest.Technology{Of: evidence.KindTDX, Claims: teetest.Claims(evidence.KindTDX)})
	s.withKey(ak, nil)
	a := s.answer(t, evidence.Kinds()...)
	r := a.request(t)
	binding := evidence.NewBinding(a.purpose, a.challenge.Nonce, a.key.SPKI(), domain, evidence.Kinds())
	r.Bundle[0] = reportOf(data)
	r.Bundle[1] = teetest.Item(evidence.KindTDX, binding.ReportData(evidence.KindTDX))
	if result := appraise(t, s.verifier(t), r); !fails(result, evidence.CodeCompositeLink) {
		t.Errorf("%s: %v", result.Verdict(), result.Checks().Failed())
	}
}

func TestAttack_P23_CertifiedKeyIsNotTheAttestedOne(t *testing.T) {
	for name, right := range map[string]bool{"the attested key": true, "another key of the TPM": false} {
		s := newService()
		s.policy = `apiVersion: quotary.dev/v1
kind: Workload
name: any
identity: {spiffe_id: "spiffe://example.org/any"}
any_of:
  - tpm: {pcrs: {sha256: {0: ["` + teetest.Measurement(32).String() + `"]}}}
`
		a := s.answer(t, evidence.KindTPM)
		claims := teetest.Claims(evidence.KindTPM)
		sum := sha256.Sum256(a.key.SPKI())
		if !right {
			sum[0]++
		}
		claims.TPM.CertifiedKey = &evidence.TPMKeyClaims{SHA256: sum[:], Name: []byte{1}}
		s.technology = []tee.Verifier{&teetest.Technology{Of: evidence.KindTPM, Claims: claims}}
		result := appraise(t, s.verifier(t), a.request(t))
		if result.Accepted() != right || !right && !fails(result, evidence.CodeCompositeKeyInTPM) {
			t.Errorf("%s: %s: %v", name, result.Verdict(), result.Checks().Failed())
		}
	}
}

package tpm

import (
	"bytes"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

// keyIn makes a primary key of a hierarchy, and forgets it with the test. The same
// attributes make the same key.
func keyIn(t *testing.T, c transport.TPM, hierarchy tpm2.TPMHandle, restricted bool) loaded {
	t.Helper()
	scheme := tpm2.TPMTECCScheme{
		Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
	}
	made := must[*tpm2.CreatePrimaryResponse](t)(tpm2.CreatePrimary{PrimaryHandle: hierarchy, InPublic: tpm2.New2B(tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{
			FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: restricted, SignEncrypt: true,
		},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{Scheme: scheme, CurveID: tpm2.TPMECCNistP256}),
	})}.Execute(c))
	t.Cleanup(func() { tpm2.FlushContext{FlushHandle: made.ObjectHandle}.Execute(c) })
	return loaded{made.ObjectHandle, made.Name, made.OutPublic.Bytes()}
}

func (k loaded) auth() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: k.handle, Name: k.name, Auth: tpm2.PasswordAuth(nil)}
}

// quoteBy lets the TPM quote PCRs 0 to 3, and certify a key for the same nonce.
func quoteBy(t *testing.T, c transport.TPM, ak, key loaded, nonce []byte) *evidence.TPM {
	t.Helper()
	scheme := tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull}
	selection := tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(0, 1, 2, 3)}}}
	quoted := must[*tpm2.QuoteResponse](t)(tpm2.Quote{
		SignHandle: ak.auth(), QualifyingData: tpm2.TPM2BData{Buffer: nonce}, InScheme: scheme, PCRSelect: selection,
	}.Execute(c))
	certified := must[*tpm2.CertifyResponse](t)(tpm2.Certify{
		ObjectHandle: key.auth(), SignHandle: ak.auth(), QualifyingData: tpm2.TPM2BData{Buffer: nonce}, InScheme: scheme,
	}.Execute(c))
	read := must[*tpm2.PCRReadResponse](t)(tpm2.PCRRead{PCRSelectionIn: selection}.Execute(c))
	item := &evidence.TPM{
		Attest: quoted.Quoted.Bytes(), Signature: tpm2.Marshal(quoted.Signature), AKPublic: ak.area, PCRs: evidence.PCRs{"sha256": {}},
		Certification: &evidence.TPMCertification{Attest: certified.CertifyInfo.Bytes(), Signature: tpm2.Marshal(certified.Signature), Public: key.area},
	}
	for n, digest := range read.PCRValues.Digests {
		item.PCRs["sha256"][n] = digest.Buffer
	}
	return item
}

// TestSoftwareTPM_Quotes follows a TPM that is not ours over quotes, certifications, a
// reboot and TPM2_Clear, by keys whose counters it disguises and by others.
func TestSoftwareTPM_Quotes(t *testing.T) {
	machine := tpmtest.Start(t)
	for name, hierarchy := range map[string]tpm2.TPMHandle{"endorsement": tpm2.TPMRHEndorsement, "owner": tpm2.TPMRHOwner} {
		t.Run(name, func(t *testing.T) { followQuotes(t, machine, hierarchy) })
	}
}

func followQuotes(t *testing.T, machine *tpmtest.TPM, hierarchy tpm2.TPMHandle) {
	c, kept := machine.Open(t), memory{}
	ak, key := keyIn(t, c, hierarchy, true), keyIn(t, c, tpm2.TPMRHOwner, false)
	trusted, err := ParseTrustedKey(ak.area)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, Options{Keys: []TrustedKey{trusted}})
	first := quoteBy(t, c, ak, key, []byte("first"))
	claims := kept.accept(t, v, first).Claims.TPM
	if claims.CertifiedKey == nil || !bytes.Equal(claims.CertifiedKey.Name, key.name.Buffer) {
		t.Errorf("certified %+v", claims.CertifiedKey)
	}
	if hidden := claims.ResetCount > 1000; hidden != (hierarchy == tpm2.TPMRHOwner) {
		t.Errorf("%s: reset %d times", claims.AKHierarchy, claims.ResetCount)
	}
	second := quoteBy(t, c, ak, key, []byte("second"))
	kept.accept(t, v, second)
	kept.refuse(t, v, first, evidence.CodeTPMClock)
	second.Certification = first.Certification
	refused(t, Options{Keys: []TrustedKey{trusted}}, second, evidence.CodeTPMCertification)

	machine.Reboot(t)
	c = machine.Open(t)
	again := keyIn(t, c, hierarchy, true)
	if !bytes.Equal(again.area, ak.area) {
		t.Fatal("the reboot made another key")
	}
	key = keyIn(t, c, tpm2.TPMRHOwner, false)
	out := kept.accept(t, v, quoteBy(t, c, again, key, []byte("third")))
	if got := out.Claims.TPM.ResetCount - claims.ResetCount; got != 1 || status(t, out, evidence.CodeTPMReboot) != evidence.Pass {
		t.Errorf("reset %d times, %v", got, out.Checks)
	}
	kept.refuse(t, v, quoteWithout(second), evidence.CodeTPMClock)
	if hierarchy == tpm2.TPMRHOwner {
		return // TPM2_Clear ends the owner's keys
	}
	must[*tpm2.ClearResponse](t)(tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHLockout, Auth: tpm2.PasswordAuth(nil)}}.Execute(c))
	cleared := keyIn(t, c, hierarchy, true)
	if !bytes.Equal(cleared.area, ak.area) {
		t.Fatal("clearing made another key")
	}
	kept.refuse(t, v, quoteBy(t, c, cleared, keyIn(t, c, tpm2.TPMRHOwner, false), []byte("fourth")), evidence.CodeTPMClock)
}

func quoteWithout(item *evidence.TPM) *evidence.TPM {
	bare := *item
	bare.Certification = nil
	return &bare
}

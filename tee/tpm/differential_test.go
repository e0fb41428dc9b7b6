package tpm

import (
	"bytes"
	"testing"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/tpm"
)

// The differential oracle is go-tpm: what is accepted here it decodes to the same
// values, and encodes again to the same bytes.

func sameAttest(t *testing.T, raw []byte, a attest) {
	t.Helper()
	theirs, err := tpm2.Unmarshal[tpm2.TPMSAttest](raw)
	if err != nil {
		t.Fatalf("accepted here, but not by the oracle: %v\n%x", err, raw)
	}
	if uint32(theirs.Magic) != a.magic || uint16(theirs.Type) != a.typ ||
		!bytes.Equal(theirs.QualifiedSigner.Buffer, a.qualifiedSigner) || !bytes.Equal(theirs.ExtraData.Buffer, a.extraData) ||
		theirs.ClockInfo.Clock != a.clock || theirs.ClockInfo.ResetCount != a.resetCount ||
		theirs.ClockInfo.RestartCount != a.restartCount || bool(theirs.ClockInfo.Safe) != a.safe {
		t.Errorf("the oracle read %+v, we read %+v", theirs, a)
	}
	if again := tpm2.Marshal(theirs); !bytes.Equal(again, raw) {
		t.Errorf("the oracle encodes %x again as %x", raw, again)
	}
	if a.certify != nil {
		info, err := theirs.Attested.Certify()
		if err != nil || !bytes.Equal(info.Name.Buffer, a.certify.name) || !bytes.Equal(info.QualifiedName.Buffer, a.certify.qualifiedName) {
			t.Errorf("the oracle read %+v (%v), we read %+v", info, err, a.certify)
		}
		return
	}
	info, err := theirs.Attested.Quote()
	if err != nil || !bytes.Equal(info.PCRDigest.Buffer, a.quote.digest) || len(info.PCRSelect.PCRSelections) != len(a.quote.selections) {
		t.Fatalf("the oracle read %+v (%v), we read %+v", info, err, a.quote)
	}
	for n, sel := range info.PCRSelect.PCRSelections {
		if uint16(sel.Hash) != uint16(a.quote.selections[n].bank) || !bytes.Equal(bitmap(a.quote.selections[n].indices, len(sel.PCRSelect)), sel.PCRSelect) {
			t.Errorf("the oracle read %+v, we read %+v", sel, a.quote.selections[n])
		}
	}
}

func bitmap(indices []int, size int) []byte {
	b := make([]byte, size)
	for _, index := range indices {
		b[index/8] |= 1 << (index % 8)
	}
	return b
}

func sameSignature(t *testing.T, raw []byte, sig signature) {
	t.Helper()
	theirs, err := tpm2.Unmarshal[tpm2.TPMTSignature](raw)
	if err != nil {
		t.Fatalf("accepted here, but not by the oracle: %v\n%x", err, raw)
	}
	if again := tpm2.Marshal(theirs); uint16(theirs.SigAlg) != uint16(sig.scheme) || !bytes.Equal(again, raw) {
		t.Errorf("the oracle encodes %x again as %x", raw, again)
	}
}

func samePublic(t *testing.T, raw []byte, p public) {
	t.Helper()
	theirs, err := tpm2.Unmarshal[tpm2.TPMTPublic](raw)
	if err != nil {
		t.Fatalf("accepted here, but not by the oracle: %v\n%x", err, raw)
	}
	key, err := tpm2.Pub(*theirs)
	if err != nil || !equal(key, p.key) {
		t.Errorf("the oracle read %v (%v), we read %v", key, err, p.key)
	}
	name, err := tpm2.ObjectName(theirs)
	if err != nil || !bytes.Equal(name.Buffer, p.name) {
		t.Errorf("the oracle names it %x (%v), we name it %x", name, err, p.name)
	}
	for _, bit := range []struct {
		theirs bool
		ours   attributes
	}{
		{theirs.ObjectAttributes.Restricted, attrRestricted}, {theirs.ObjectAttributes.SignEncrypt, attrSign},
		{theirs.ObjectAttributes.Decrypt, attrDecrypt}, {theirs.ObjectAttributes.FixedTPM, attrFixedTPM},
		{theirs.ObjectAttributes.FixedParent, attrFixedParent}, {theirs.ObjectAttributes.SensitiveDataOrigin, attrSensitiveDataOrigin},
	} {
		if bit.theirs != (p.attributes&bit.ours != 0) {
			t.Errorf("the oracle read attributes %+v, we read %s", theirs.ObjectAttributes, p.attributes)
		}
	}
}

// differ holds one quote's structures to the oracle.
func differ(t *testing.T, quote *evidence.TPM) {
	t.Helper()
	if a, err := parseAttest(quote.Attest, typeQuote); err != nil {
		t.Error(err)
	} else if a.quote != nil {
		sameAttest(t, quote.Attest, a)
	}
	if sig, err := parseSignature(quote.Signature); err != nil {
		t.Error(err)
	} else {
		sameSignature(t, quote.Signature, sig)
	}
	if len(quote.AKPublic) == 0 {
		return
	}
	if p, err := parsePublic(quote.AKPublic); err != nil {
		t.Error(err)
	} else {
		samePublic(t, quote.AKPublic, p)
	}
}

func TestDifferential(t *testing.T) {
	w := simulated(t)
	for _, key := range []simulator.KeyType{simulator.KeyECC, simulator.KeyRSA} {
		differ(t, quoteOf(t, w.newMachine(t, simulator.MachineOptions{Name: "d", Key: key, Bank: simulator.SHA384}), w.nonce))
	}
}

func TestDifferential_Real(t *testing.T) {
	for _, c := range realCases {
		quote, _ := c.load(t)
		differ(t, quote)
	}
}

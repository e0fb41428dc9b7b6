package machines

import (
	"context"

	"github.com/google/go-tpm/tpm2"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tpm"
)

// tpmFault is a fault of TPMs, or of what boots above them.
func tpmFault(name, title string, on []Technology, code evidence.Code) Fault {
	return Fault{Name: "tpm-" + name, Title: title, Technologies: on, Code: code}
}

// tpmFaults are in the TPM, its key, and what it measures.
func tpmFaults() []fault {
	return []fault{
		{Fault: tpmFault("command-line", "the kernel runs with another command line", withTPM, evidence.CodePolicyTPMPCR), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Boot.CommandLine += " init=/bin/sh" })},
		{Fault: tpmFault("loader", "another image was booted", withTPM, evidence.CodePolicyTPMPCR), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Boot.Image = []byte("SIMULATED image of another maker") })},
		{Fault: tpmFault("firmware", "another firmware ran", withTPM, evidence.CodePolicyTPMPCR), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Boot.Firmware = []byte("SIMULATED firmware of another maker") })},
		{Fault: tpmFault("secure-boot", "secure boot is off", withTPM, evidence.CodePolicyTPMPCR), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Boot.SecureBoot = false })},
		{Fault: tpmFault("unquoted", "its quote does not cover the boot's PCRs", withTPM, evidence.CodePolicyTPMPCR), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.PCRs = []int{0, 1, 2, 3, 5, 6, 7, 10, 14, 15} })},
		{Fault: tpmFault("bank", "its quote covers a bank that nobody asked for", withTPM, evidence.CodePolicyTPMBank), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Bank = otherBank(o.Bank) })},
		{Fault: tpmFault("bank-hole", "firmware does not extend the bank that is quoted", withTPM, evidence.CodeTPMEventLog), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Banks = []string{otherBank(o.Bank)} })},
		{Fault: tpmFault("unrestricted", "its attestation key signs whatever it is given", withTPM, evidence.CodeTPMAKAttributes), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.Attributes = signing })},
		{Fault: tpmFault("own-root", "its maker is one of its own", withCertifiedAK, evidence.CodeTPMAKChain), inside: true, build: ownMaker},
		{Fault: tpmFault("without-certificate", "nothing vouches for its attestation key", withCertifiedAK, evidence.CodeTPMAKUntrusted), inside: true,
			build: builtModule(func(o *tpm.MachineOptions) { o.WithoutCertificate = true })},
	}
}

func otherBank(bank string) string {
	if bank == tpm.SHA256 {
		return tpm.SHA384
	}
	return tpm.SHA256
}

// signing are the attributes of a key that is no attestation key.
var signing = tpm2.TPMAObject{
	FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, SignEncrypt: true,
}

// ownMaker has the TPM be made by somebody that nobody trusts.
func ownMaker(w *simulators.World, p *plan) error {
	var err error
	p.maker, err = tpm.NewVendor(tpm.Options{Seed: "another vendor", Clock: w.Now})
	return err
}

// offResetCount is where a TPMS_ATTEST has its count of resets in bytes, where the signer's
// name has 36 and the extra data 34 with their lengths (TPM 2.0 part 2, 10.12.12).
const offResetCount = 4 + 2 + 36 + 34 + 8

// tpmQuoteFaults are in what the TPM signs, or in what is sent beside it.
func tpmQuoteFaults() []fault {
	return []fault{
		{Fault: tpmFault("clock-unsafe", "its clock may have been set back", withTPM, evidence.CodePolicyTPMSafe), inside: true,
			send: sentAttest(func(a *tpm2.TPMSAttest) { a.ClockInfo.Safe = false })},
		{Fault: after(1, tpmFault("clock-back", "its clock ran backwards since it was accepted", withTPM, evidence.CodeTPMClock)), inside: true,
			send: sentAttest(func(a *tpm2.TPMSAttest) { a.ClockInfo.Clock = 0 })},
		{Fault: after(1, tpmFault("reset-back", "it counts fewer resets than when it was accepted", withTPM, evidence.CodeTPMClock)), inside: true,
			send: sentAttest(func(a *tpm2.TPMSAttest) { a.ClockInfo.ResetCount-- })},
		{Fault: after(1, tpmFault("cloned", "it was copied before it was last rebooted, and the copy quotes as well", withTPM, evidence.CodeTPMClock)), inside: true,
			build: func(_ *simulators.World, p *plan) error { p.cloned = true; return nil }, send: cloned},
		{Fault: tpmFault("magic", "its key signed what no TPM made", withTPM, evidence.CodeTPMMagic), inside: true,
			send: sentAttest(func(a *tpm2.TPMSAttest) { a.Magic++ })},
		{Fault: tpmFault("certification", "sends the certification of a key in place of a quote", withTPM, evidence.CodeTPMType), inside: true, send: certified},
		{Fault: tpmFault("signature", "the quote was changed after it was signed", withTPM, evidence.CodeTPMSignature),
			send: sentItem(func(item *evidence.TPM) {
				item.Attest = append([]byte(nil), item.Attest...)
				item.Attest[offResetCount] ^= 1
			})},
		{Fault: tpmFault("values", "sends other PCR values than were quoted", withTPM, evidence.CodeTPMPCRDigest),
			send: sentItem(otherValues)},
		{Fault: tpmFault("truncated", "the last byte of the quote is missing", withTPM, evidence.CodeTPMAttestFormat),
			inside: true, send: altered(func(m *Machine, item *evidence.TPM) (*evidence.TPM, error) {
				return resigned(m, item, item.Attest[:len(item.Attest)-1])
			})},
		{Fault: tpmFault("oversize", "something follows the quote, as much as evidence may hold", withTPM, evidence.CodeTPMAttestFormat),
			inside: true, send: altered(func(m *Machine, item *evidence.TPM) (*evidence.TPM, error) {
				return resigned(m, item, oversize(item.Attest, evidence.MaxTPMStructure))
			})},
	}
}

// after has a fault show after so many attestations.
func after(n int, f Fault) Fault {
	f.After = n
	return f
}

// otherValues changes the value of a PCR that no policy asks for, and leaves the log out,
// which would contradict it.
func otherValues(item *evidence.TPM) {
	values := evidence.PCRs{}
	for bank, of := range item.PCRs {
		values[bank] = map[int]evidence.Hex{}
		for n, value := range of {
			values[bank][n] = append(evidence.Hex(nil), value...)
		}
		values[bank][15][0] ^= 1
	}
	item.PCRs = values
}

// cloned sends a quote of the TPM's copy.
func cloned(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
	return altered(func(*Machine, *evidence.TPM) (*evidence.TPM, error) {
		return m.clone.Quote(binding.ReportData(evidence.KindTPM))
	})(ctx, m, binding, honest)
}

// certified sends TPM2_Certify's statement about another key.
func certified(ctx context.Context, m *Machine, binding evidence.Binding, honest attest) (evidence.Bundle, error) {
	inner := m.module.(inProcess)
	key, err := inner.NewKey()
	if err != nil {
		return nil, err
	}
	statement, err := inner.Certify(key, binding.ReportData(evidence.KindTPM))
	if err != nil {
		return nil, err
	}
	return sentItem(func(item *evidence.TPM) { item.Attest, item.Signature = statement.Attest, statement.Signature })(ctx, m, binding, honest)
}

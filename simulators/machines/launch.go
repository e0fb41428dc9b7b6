package machines

import (
	"crypto"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/launch/pcr"
	"github.com/quotary/quotary/tee/launch/snp"
	"github.com/quotary/quotary/tee/launch/tdx"
)

// launched is what a machine's reports will say of its software.
type launched struct {
	measurement [snp.Size]byte       // of SEV-SNP
	mrtd        [48]byte             // of TDX
	rtmrs       map[int]evidence.Hex // of TDX, 0 to 3
	pcrs        map[int]evidence.Hex // of the TPM, in the bank that is quoted
	ak          evidence.Digest      // of the TPM, if the requirement asks for it
}

// features are the SEV_FEATURES of a guest: SNPActive.
const features = 1

// launch computes what a launch measures, from the inputs alone.
func launch(s Spec, w software) (launched, error) {
	var l launched
	var err error
	if s.Technology.hasSNP() {
		if l.measurement, err = measureSNP(s, w); err != nil {
			return l, err
		}
	}
	if s.Technology.hasTDX() {
		if l.mrtd, err = tdx.MRTD(w.firmware, tdx.PageByPage); err != nil {
			return l, err
		}
		if l.rtmrs, err = runtimeRegisters(s, w); err != nil {
			return l, err
		}
	}
	if s.Technology.hasTPM() {
		l.pcrs, err = platformRegisters(s, w)
	}
	return l, err
}

// measureSNP is a measured direct boot by QEMU. Behind a paravisor the firmware is the
// paravisor, and the TPM measures what the guest boots.
func measureSNP(s Spec, w software) ([snp.Size]byte, error) {
	o := snp.Options{Firmware: w.firmware, VCPUs: s.VCPUs, VMM: snp.QEMU, Features: features}
	var err error
	if o.VCPU, err = snp.ParseSignature(s.VCPUType); err != nil {
		return [snp.Size]byte{}, err
	}
	if !s.Technology.isAzure() {
		if o.Kernel, err = snp.HashKernel(w.kernel, w.initrd, w.commandLine); err != nil {
			return [snp.Size]byte{}, err
		}
	}
	return snp.Measure(o)
}

// chain is what tee/launch foretells of the software's boot.
func (w software) chain(bank crypto.Hash) (*pcr.Log, error) {
	boot := w.boot()
	return (&pcr.Boot{
		Loaded: pcr.Directly, Images: []pcr.Measured{pcr.Bytes(w.image), pcr.Bytes(w.kernel)},
		Sections: []pcr.Part{
			{Name: ".linux", Digest: pcr.Bytes(w.kernel)}, {Name: ".cmdline", Digest: pcr.Bytes([]byte(w.commandLine))}, {Name: ".initrd", Digest: pcr.Bytes(w.initrd)},
		},
		Kernel:     pcr.Kernel{LoadOptions: pcr.Text(w.commandLine), Initrd: pcr.Bytes(w.initrd)},
		SecureBoot: &pcr.SecureBoot{Enabled: boot.SecureBoot, PK: boot.PK, KEK: boot.KEK, DB: boot.DB, DBX: boot.DBX},
	}).Log(bank)
}

// runtimeRegisters returns RTMR0 to RTMR3 at the end of the boot. Behind a paravisor
// nothing is measured into them. RTMR0 holds what the simulated firmware tells of itself.
func runtimeRegisters(s Spec, w software) (map[int]evidence.Hex, error) {
	zero := make(evidence.Hex, crypto.SHA384.Size())
	values := map[int]evidence.Hex{0: zero, 1: zero, 2: zero, 3: zero}
	if s.Technology.isAzure() {
		return values, nil
	}
	chain, err := w.chain(crypto.SHA384)
	if err != nil {
		return nil, err
	}
	known, _, err := tdx.Runtime(chain)
	if err != nil {
		return nil, err
	}
	values[0] = w.boot().Log(eventlog.RTMRs).Values(eventlog.SHA384)[0]
	values[1], values[2] = known[1], known[2]
	return values, nil
}

// platformRegisters returns the PCRs that a boot determines: 0, which the simulated
// firmware measures itself into, and those that tee/launch foretells.
func platformRegisters(s Spec, w software) (map[int]evidence.Hex, error) {
	algorithm := map[crypto.Hash]eventlog.Algorithm{crypto.SHA256: eventlog.SHA256, crypto.SHA384: eventlog.SHA384}[s.TPM.hash()]
	chain, err := w.chain(s.TPM.hash())
	if err != nil {
		return nil, err
	}
	values := chain.Values()
	values[0] = w.boot().Log(eventlog.PCRs, algorithm).Values(algorithm)[0]
	return values, nil
}

// hash returns the hash of the bank that is quoted.
func (t TPMSpec) hash() crypto.Hash {
	if t.Bank == tpm.SHA384 {
		return crypto.SHA384
	}
	return crypto.SHA256
}

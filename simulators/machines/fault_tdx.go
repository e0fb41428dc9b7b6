package machines

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/tdx"
)

// tdxFault is a fault of machines with TDX.
func tdxFault(name, title string, code evidence.Code) Fault {
	return Fault{Name: "tdx-" + name, Title: title, Technologies: withTDX, Code: code}
}

// tdxFaults are what a genuine quote says. Attributes are those of the Intel TDX Module ABI,
// "TD_ATTRIBUTES", by byte and bit.
func tdxFaults() []fault {
	return []fault{
		{Fault: tdxFault("debug", "the host can read the domain's memory", evidence.CodePolicyTDXDebug),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Attributes[0] |= 1 })},
		{Fault: tdxFault("migratable", "the domain can be migrated", evidence.CodePolicyTDXMigratable),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Attributes[3] |= 0x20 })},
		{Fault: tdxFault("sept-ve", "the host can inject exceptions: SEPT_VE_DISABLE is off", evidence.CodePolicyTDXSEPTVE),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Attributes[3] &^= 0x10 })},
		{Fault: tdxFault("perfmon", "the domain uses performance monitoring", evidence.CodePolicyTDXPerfmon),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Attributes[7] |= 0x80 })},
		{Fault: tdxFault("unknown-attribute", "the domain has an attribute that nobody knows", evidence.CodePolicyTDXAttributes),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Attributes[5] |= 1 })},
		{Fault: tdxFault("seam-debug", "the TDX module can be debugged", evidence.CodeTDXModuleSigner),
			build: builtDomain(func(o *tdx.MachineOptions) { o.SEAMAttributes[0] = 1 })},
		{Fault: tdxFault("module-signer", "somebody else than Intel signed the TDX module", evidence.CodeTDXModuleSigner),
			build: builtDomain(func(o *tdx.MachineOptions) { o.MRSignerSEAM[0] = 1 })},
		{Fault: tdxFault("service-td", "a service TD is bound to the domain", evidence.CodePolicyTDXServiceTD),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Version, o.TD15, o.MRServiceTD[0] = 5, true, 1 })},
		{Fault: tdxFault("firmware", "another firmware was launched", evidence.CodePolicyTDXMRTD),
			build: builtDomain(func(o *tdx.MachineOptions) { o.MRTD[0] ^= 0xff })},
		{Fault: Fault{Name: "tdx-command-line", Title: "the kernel runs with another command line", Technologies: withTDXLog, Code: evidence.CodePolicyTDXRTMR2},
			build: builtDomain(func(o *tdx.MachineOptions) { o.Boot.CommandLine += " init=/bin/sh" })},
		{Fault: Fault{Name: "tdx-loader", Title: "another image was booted", Technologies: withTDXLog, Code: evidence.CodePolicyTDXRTMR1},
			build: builtDomain(func(o *tdx.MachineOptions) { o.Boot.Image = []byte("SIMULATED image of another maker") })},
		{Fault: Fault{Name: "tdx-secure-boot", Title: "secure boot is off", Technologies: withTDXLog, Code: evidence.CodePolicyTDXRTMR0},
			build: builtDomain(func(o *tdx.MachineOptions) { o.Boot.SecureBoot = false })},
		{Fault: tdxFault("tcb", "the platform's TCB is out of date", evidence.CodePolicyTDXTCBStatus),
			build: builtDomain(func(o *tdx.MachineOptions) { o.Components[0] = 1 })},
		{Fault: tdxFault("module-tcb", "the TDX module is out of date", evidence.CodePolicyTDXTCBStatus),
			build: builtDomain(func(o *tdx.MachineOptions) { o.TEETCBSVN[0] = 1 })},
		{Fault: tdxFault("qe-tcb", "the quoting enclave is out of date", evidence.CodePolicyTDXTCBStatus),
			build: builtDomain(func(o *tdx.MachineOptions) { o.QESVN = 1 })},
	}
}

// tdxQuoteFaults are in who signed a quote, and how.
func tdxQuoteFaults() []fault {
	return []fault{
		{Fault: tdxFault("signature", "the quote was changed after it was signed", evidence.CodeTDXQuoteSignature),
			send: altered(func(m *Machine, item *evidence.TDX) (*evidence.TDX, error) {
				changed := *item
				changed.Quote = append([]byte(nil), item.Quote...)
				changed.Quote[reportDataAt-4*48] ^= 1 // RTMR0
				changed.EventLog = nil
				return &changed, nil
			})},
		{Fault: tdxFault("own-attestation-key", "a key signed the quote that the quoting enclave does not vouch for", evidence.CodeTDXKeyBinding),
			send: sentQuote(func(m *Machine, p *tdx.Parts) { p.AttestationKey = m.world.TDX.NewKey("of nobody") })},
		{Fault: tdxFault("other-platform", "another platform's key vouches for the quoting enclave", evidence.CodeTDXQESignature),
			send: sentQuote(func(m *Machine, p *tdx.Parts) { p.PCKKey = m.world.TDX.NewKey("pck of another") })},
		{Fault: tdxFault("quoting-enclave", "an enclave of another signer made the quote", evidence.CodeTDXQuotingEnclave),
			send: sentQuote(func(_ *Machine, p *tdx.Parts) { p.QEReport[128] ^= 1 })},
		{Fault: tdxFault("debug-enclave", "the quoting enclave can be debugged", evidence.CodeTDXQuotingEnclave),
			send: sentQuote(func(_ *Machine, p *tdx.Parts) { p.QEReport[48] |= 2 })},
		{Fault: tdxFault("sgx", "the quote says that it is one of SGX", evidence.CodeTDXTEEType),
			send: sentQuote(func(_ *Machine, p *tdx.Parts) { p.Header[4] = 0 })},
		{Fault: tdxFault("version", "the quote is of a version that is still to come", evidence.CodeTDXQuoteVersion),
			send: sentQuote(func(_ *Machine, p *tdx.Parts) { p.Header[0] = 9 })},
		{Fault: tdxFault("truncated", "the last byte of the quote is missing", evidence.CodeTDXQuoteFormat),
			send: altered(func(_ *Machine, item *evidence.TDX) (*evidence.TDX, error) {
				changed := *item
				changed.Quote = item.Quote[:len(item.Quote)-1]
				return &changed, nil
			})},
		{Fault: tdxFault("oversize", "something follows the quote, as much as evidence may hold", evidence.CodeTDXPadding),
			send: altered(func(_ *Machine, item *evidence.TDX) (*evidence.TDX, error) {
				changed := *item
				changed.Quote = oversize(item.Quote, evidence.MaxReport)
				return &changed, nil
			})},
		{Fault: tdxFault("own-root", "its maker is an Intel of its own", evidence.CodeTDXTrustAnchor),
			build: func(w *simulators.World, p *plan) error {
				p.intel = tdx.NewVendor(tdx.Options{Seed: "another vendor", Clock: w.Now})
				return nil
			}},
	}
}

package attacks

import (
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// tdxDomainRows are genuine trust domains that are not what policy asks for.
func tdxDomainRows() []Row {
	on := func(subject, name string, want evidence.Code, change func(*tdx.MachineOptions)) Case {
		return Case{Name: name, Subject: subject, Want: codes(want), Try: reported(change)}
	}
	plain := func(name string, want evidence.Code, change func(*tdx.MachineOptions)) Case {
		return on(tdxPlain, name, want, change)
	}
	bit := func(name string, want evidence.Code, n int) Case {
		return plain(name, want, func(o *tdx.MachineOptions) { o.Attributes[n/8] |= 1 << (n % 8) })
	}
	return []Row{
		{"T22", "another TDX module", []Case{
			behind(evidence.CodePolicyTDXSEAMSigner, plain("signer", evidence.CodeTDXModuleSigner, func(o *tdx.MachineOptions) { o.MRSignerSEAM[0] = 1 })),
		}},
		{"T23", "TDX module under debug", []Case{
			behind(evidence.CodePolicyTDXSEAMAttributes, plain("SEAM attributes", evidence.CodeTDXModuleSigner, func(o *tdx.MachineOptions) { o.SEAMAttributes[0] = 1 })),
		}},
		{"T24", "TD under debug", []Case{
			bit("attribute 0", evidence.CodePolicyTDXDebug, 0),
			{
				Name: "another bit of the debug byte", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXDebug, evidence.CodePolicyTDXAttributes),
				Try: reported(func(o *tdx.MachineOptions) { o.Attributes[0] |= 1 << 5 }),
			},
		}},
		{"T25", "exceptions that the host injects", []Case{
			plain("SEPT_VE_DISABLE is off", evidence.CodePolicyTDXSEPTVE, func(o *tdx.MachineOptions) { o.Attributes[3] &^= 0x10 }),
		}},
		{"T26", "migration", []Case{
			bit("attribute 29", evidence.CodePolicyTDXMigratable, 29),
			on(tdxNewer, "a service TD", evidence.CodePolicyTDXServiceTD, func(o *tdx.MachineOptions) { o.MRServiceTD[0] = 1 }),
		}},
		{"T27", "other attributes", []Case{
			bit("PERFMON", evidence.CodePolicyTDXPerfmon, 63),
			bit("one that nobody knows", evidence.CodePolicyTDXAttributes, 10),
		}},
		{"T28", "odd processor features", []Case{
			on(tdxPinned, "a feature more", evidence.CodePolicyTDXXFAM, func(o *tdx.MachineOptions) { o.XFAM[1] ^= 1 }),
		}},
		{"T29", "another kernel under the right firmware", []Case{
			plain("RTMR1", evidence.CodePolicyTDXRTMR1, func(o *tdx.MachineOptions) { o.RTMR[1][0]++ }),
			plain("RTMR2", evidence.CodePolicyTDXRTMR2, func(o *tdx.MachineOptions) { o.RTMR[2][47]++ }),
		}},
		{"T30", "register that nobody compares", []Case{
			plain("RTMR0", evidence.CodePolicyTDXRTMR0, func(o *tdx.MachineOptions) { o.RTMR[0][0]++ }),
			plain("RTMR3", evidence.CodePolicyTDXRTMR3, func(o *tdx.MachineOptions) { o.RTMR[3][0]++ }),
			plain("MRTD", evidence.CodePolicyTDXMRTD, func(o *tdx.MachineOptions) { o.MRTD[0]++ }),
		}},
		{"T36", "report data in part", []Case{
			{
				Name: "the first half alone", Subject: tdxPlain, Want: codes(evidence.CodeBinding),
				Try: quoted(func(_ *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
					clear(data[32:])
					return d.Item(data), nil
				}),
			},
			{
				Name: "the halves exchanged", Subject: tdxPlain, Want: codes(evidence.CodeBinding),
				Try: quoted(func(_ *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
					return d.Item([64]byte(append(append([]byte{}, data[32:]...), data[:32]...))), nil
				}),
			},
		}},
		{"T37", "zero taken for anything", []Case{
			plain("MRCONFIGID", evidence.CodePolicyTDXMRConfigID, func(o *tdx.MachineOptions) { o.MRConfigID = [48]byte{} }),
			on(tdxPinned, "MROWNER", evidence.CodePolicyTDXMROwner, func(o *tdx.MachineOptions) { o.MROwner = [48]byte{} }),
			on(tdxPinned, "a value where zero is asked for", evidence.CodePolicyTDXMROwnerConfig, func(o *tdx.MachineOptions) { o.MROwnerConfig[0] = 1 }),
		}},
	}
}

// tdxPlatformRows come from other platforms.
func tdxPlatformRows() []Row {
	return []Row{
		{"T43", "key taken out of a machine", []Case{{
			Name: "another machine than the listed ones", Subject: tdxPinned, Want: codes(evidence.CodePolicyTDXPPID),
			Try: reported(func(o *tdx.MachineOptions) { o.Name, o.PPID = "attacks/elsewhere", [16]byte{1} }),
		}}},
		{"T18", "TCB levels compared wrongly", []Case{
			{
				Name: "one component below", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXTCBStatus, evidence.CodePolicyTDXAdvisories),
				Try: reported(func(o *tdx.MachineOptions) { o.Components[0]-- }),
			},
			{
				Name: "one below, all others far above", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXTCBStatus, evidence.CodePolicyTDXAdvisories),
				Try: reported(func(o *tdx.MachineOptions) {
					for i := range o.Components {
						o.Components[i] = 255
					}
					o.Components[0], o.PCESVN = 7, 0xffff
				}),
			},
			{
				Name: "old provisioning enclave", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXTCBStatus),
				Try: reported(func(o *tdx.MachineOptions) { o.PCESVN-- }),
			},
			{
				Name: "old TDX module", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXTCBStatus, evidence.CodePolicyTDXAdvisories),
				Try: reported(func(o *tdx.MachineOptions) { o.TEETCBSVN[0]-- }),
			},
			{
				Name: "old TDX components", Subject: tdxPlain, Want: codes(evidence.CodePolicyTDXTCBStatus, evidence.CodePolicyTDXAdvisories),
				Try: reported(func(o *tdx.MachineOptions) { o.TEETCBSVN[2]-- }),
			},
		}},
	}
}

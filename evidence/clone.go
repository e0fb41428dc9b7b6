package evidence

import (
	"bytes"
	"maps"
	"slices"
)

// Clone returns a copy that shares nothing with c, so that whoever alters one
// does not alter the other.
func (c Claims) Clone() Claims {
	if c.TrustAnchor != nil {
		anchor := *c.TrustAnchor
		anchor.SHA256 = anchor.SHA256.clone()
		c.TrustAnchor = &anchor
	}
	c.Certificates = CloneCertificates(c.Certificates)
	c.SEVSNP, c.TDX, c.TPM = c.SEVSNP.clone(), c.TDX.clone(), c.TPM.clone()
	c.Paravisor = c.Paravisor.clone()
	return c
}

func (h Hex) clone() Hex { return bytes.Clone(h) }

// cloneAll gives each byte string bytes of its own.
func cloneAll(all ...*Hex) {
	for _, h := range all {
		*h = h.clone()
	}
}

// clonePointer returns a pointer to a copy, or nil.
func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	value := *p
	return &value
}

func (s *SNPClaims) clone() *SNPClaims {
	c := clonePointer(s)
	if c == nil {
		return nil
	}
	cloneAll(&c.Policy.Raw, &c.FamilyID, &c.ImageID, &c.PlatformInfo.Raw, &c.ReportData, &c.Measurement, &c.HostData,
		&c.IDKeyDigest, &c.AuthorKeyDigest, &c.ReportID, &c.ReportIDMA, &c.ChipID, &c.LaunchMitVector, &c.CurrentMitVector)
	for _, tcb := range []*SNPTCB{&c.ReportedTCB, &c.CurrentTCB, &c.CommittedTCB, &c.LaunchTCB} {
		tcb.FMC = clonePointer(tcb.FMC)
	}
	c.CPUFamily, c.CPUModel, c.CPUStepping = clonePointer(c.CPUFamily), clonePointer(c.CPUModel), clonePointer(c.CPUStepping)
	return c
}

func (t *TDXClaims) clone() *TDXClaims {
	c := clonePointer(t)
	if c == nil {
		return nil
	}
	cloneAll(&c.TEETCBSVN, &c.TEETCBSVN2, &c.MRSEAM, &c.MRSignerSEAM, &c.SEAMAttributes, &c.Attributes.Raw, &c.XFAM,
		&c.MRTD, &c.MRConfigID, &c.MROwner, &c.MROwnerConfig, &c.RTMR0, &c.RTMR1, &c.RTMR2, &c.RTMR3,
		&c.ReportData, &c.MRServiceTD, &c.FMSPC, &c.PCEID, &c.PPID)
	c.QEISVSVN = clonePointer(c.QEISVSVN)
	if c.PCKTCB = clonePointer(c.PCKTCB); c.PCKTCB != nil {
		cloneAll(&c.PCKTCB.Components)
	}
	if c.TCB = clonePointer(c.TCB); c.TCB != nil {
		c.TCB.Advisories, c.TCB.Behind = slices.Clone(c.TCB.Advisories), slices.Clone(c.TCB.Behind)
	}
	c.Boot = c.Boot.clone()
	return c
}

func (t *TPMClaims) clone() *TPMClaims {
	c := clonePointer(t)
	if c == nil {
		return nil
	}
	cloneAll(&c.AKSHA256, &c.AKName, &c.EKSHA256, &c.ExtraData, &c.QualifiedSigner, &c.FirmwareVersion)
	c.AKRestricted = clonePointer(c.AKRestricted)
	c.PCRs = maps.Clone(c.PCRs)
	for index, value := range c.PCRs {
		c.PCRs[index] = value.clone()
	}
	c.Boot = c.Boot.clone()
	if c.IMA = clonePointer(c.IMA); c.IMA != nil {
		c.IMA.BootAggregate = clonePointer(c.IMA.BootAggregate)
		c.IMA.Files = cloneEach(c.IMA.Files, func(f *IMAFile) { cloneAll(&f.Digest, &f.Signature) })
	}
	if c.CertifiedKey = clonePointer(c.CertifiedKey); c.CertifiedKey != nil {
		cloneAll(&c.CertifiedKey.SHA256, &c.CertifiedKey.Name)
	}
	return c
}

func (p *ParavisorClaims) clone() *ParavisorClaims {
	c := clonePointer(p)
	if c == nil {
		return nil
	}
	for _, setting := range []**bool{&c.SecureBoot, &c.TPMEnabled, &c.TPMPersisted, &c.Console} {
		*setting = clonePointer(*setting)
	}
	cloneAll(&c.AKSHA256, &c.EKSHA256, &c.UserData)
	return c
}

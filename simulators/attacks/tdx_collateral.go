package attacks

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// published is what the simulated Intel publishes, before a case changes it.
type published struct {
	tdx.Collateral
	vendor *tdx.Vendor
}

// collateral attests with the vendor's collateral sent along, after change. It is for a
// service that has none.
func collateral(change func(p *published, d domain)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		d, err := a.domain()
		if err != nil {
			return Got{}, err
		}
		p := &published{a.World().TDX.Collateral(), a.World().TDX}
		if change != nil {
			change(p, d)
		}
		return a.Attest(ctx, Attempt{Endorsements: p.encoded()})
	}
}

// encoded is everything as a vendor publishes it.
func (p *published) encoded() [][]byte {
	var all [][]byte
	for _, c := range p.Certificates {
		all = append(all, c.Raw)
	}
	for _, c := range p.CRLs {
		all = append(all, c.Raw)
	}
	for _, d := range p.Documents {
		all = append(all, d.Raw)
	}
	return all
}

// The vendor's documents, in the order of its collateral.
const (
	documentTCBInfo = iota
	documentQEIdentity
)

// info replaces the TCB info by an altered one, signed again.
func (p *published) info(alter func(*tdx.TCBInfo)) {
	info := p.vendor.TCBInfo()
	alter(&info)
	p.Documents[documentTCBInfo] = p.vendor.TCBInfoDocument(info)
}

// identity replaces the QE identity by an altered one, signed again.
func (p *published) identity(alter func(*tdx.QEIdentity)) {
	id := p.vendor.QEIdentity()
	alter(&id)
	p.Documents[documentQEIdentity] = p.vendor.QEIdentityDocument(id)
}

// resign replaces a part of the TCB info's text, and signs it again.
func (p *published) resign(old, replacement string) {
	const member = "tcbInfo"
	raw := string(p.Documents[documentTCBInfo].Raw)
	body := strings.TrimPrefix(raw[:strings.Index(raw, `,"signature":`)], `{"`+member+`":`)
	p.Documents[documentTCBInfo].Raw = tdx.SignDocument(member, []byte(strings.Replace(body, old, replacement, 1)), p.vendor.Signing.Key)
}

// unsigned replaces a part of a document's text, and leaves its signature.
func (p *published) unsigned(document int, old, replacement string) {
	p.Documents[document].Raw = []byte(strings.Replace(string(p.Documents[document].Raw), old, replacement, 1))
}

// revoke replaces an issuer's list by one with this certificate.
func (p *published) revoke(issuer tdx.Issuer, cert *x509.Certificate) {
	for i, list := range p.CRLs {
		if string(list.RawIssuer) == string(issuer.Certificate.RawSubject) {
			p.CRLs[i] = p.vendor.CRL(issuer, cert.SerialNumber)
		}
	}
}

// tdxCollateralRows send collateral that is revoked, out of its time, or of others.
func tdxCollateralRows() []Row {
	sent := func(name string, want evidence.Code, change func(p *published, d domain)) Case {
		return Case{Name: name, Subject: tdxUnlisted, Want: codes(want), Try: unendorsed(collateral(change))}
	}
	// unusable is collateral that is not used, so that it is missing as well.
	unusable := func(name string, want evidence.Code, change func(p *published, d domain)) Case {
		return behind(evidence.CodeEndorsementsMissing, sent(name, want, change))
	}
	missing := func(name string, change func(p *published, d domain)) Case {
		c := sent(name, evidence.CodeEndorsementsMissing, change)
		c.Proof, c.Why = ByService, "what is not of this platform is none: the service says what is missing"
		return c
	}
	return []Row{
		{"T15", "collateral out of its time", []Case{
			unusable("TCB info of last year", evidence.CodeTDXCollateralExpired, func(p *published, _ domain) {
				p.info(func(i *tdx.TCBInfo) {
					i.IssueDate, i.NextUpdate = i.IssueDate.AddDate(-1, 0, 0), i.NextUpdate.AddDate(-1, 0, 0)
				})
			}),
			unusable("QE identity of last year", evidence.CodeTDXCollateralExpired, func(p *published, _ domain) {
				p.identity(func(i *tdx.QEIdentity) {
					i.IssueDate, i.NextUpdate = i.IssueDate.AddDate(-1, 0, 0), i.NextUpdate.AddDate(-1, 0, 0)
				})
			}),
			unusable("TCB info from the future", evidence.CodeTDXCollateralNotYet, func(p *published, _ domain) {
				p.info(func(i *tdx.TCBInfo) {
					i.IssueDate, i.NextUpdate = i.IssueDate.Add(48*time.Hour), i.NextUpdate.Add(48*time.Hour)
				})
			}),
		}},
		{"T16", "older evaluation that is still in force", []Case{
			{
				Name: "below the policy's minimum", Subject: tdxPinned, Want: codes(evidence.CodePolicyTDXEvaluation),
				Try: unendorsed(collateral(func(p *published, _ domain) {
					p.info(func(i *tdx.TCBInfo) { i.TCBEvaluationDataNumber = 12 })
					p.identity(func(i *tdx.QEIdentity) { i.TCBEvaluationDataNumber = 12 })
				})),
			},
		}},
		{"T40", "revoked certificates", []Case{
			sent("the platform's", evidence.CodeTDXPCKRevocation, func(p *published, d domain) { p.revoke(p.vendor.Platform, d.Certificate()) }),
			sent("the platform's authority", evidence.CodeTDXCARevocation, func(p *published, _ domain) { p.revoke(p.vendor.Root, p.vendor.Platform.Certificate) }),
			unusable("the signer of collateral", evidence.CodeTDXSigningRevocation, func(p *published, _ domain) { p.revoke(p.vendor.Root, p.vendor.Signing.Certificate) }),
		}},
		{"T41", "CRL of the other CA", []Case{
			missing("in its place", func(p *published, _ domain) {
				p.CRLs = slices.DeleteFunc(p.CRLs, func(l *x509.RevocationList) bool {
					return string(l.RawIssuer) == string(p.vendor.Platform.Certificate.RawSubject)
				})
			}),
		}},
		{"T42", "CRL out of its time, or in part", []Case{
			unusable("expired", evidence.CodeTDXCollateralExpired, func(p *published, _ domain) { p.redate(-60*24*time.Hour, -24*time.Hour) }),
			unusable("from the future", evidence.CodeTDXCollateralNotYet, func(p *published, _ domain) { p.redate(48*time.Hour, 96*time.Hour) }),
		}},
	}
}

// redate issues the lists anew, with other times.
func (p *published) redate(from, until time.Duration) {
	for i, issuer := range []tdx.Issuer{p.vendor.Root, p.vendor.Platform, p.vendor.Processor} {
		template := *p.CRLs[i]
		template.ThisUpdate, template.NextUpdate = template.ThisUpdate.Add(from), template.ThisUpdate.Add(until)
		template.ExtraExtensions, template.Extensions = nil, nil
		p.CRLs[i] = p.vendor.SignCRL(&template, issuer)
	}
}

// tdxDocumentRows send documents that say something else, validly signed or not.
func tdxDocumentRows() []Row {
	document := func(name string, want evidence.Code, change func(p *published)) Case {
		return Case{
			Name: name, Subject: tdxUnlisted, Want: codes(want), Proof: ByParser, Why: "a document that cannot be read, or is not the vendor's, endorses nothing",
			Try: unendorsed(collateral(func(p *published, _ domain) { change(p) })),
		}
	}
	status := func(name, id string, alter func(*tdx.TCBInfo)) Case {
		want := evidence.CodePolicyTDXTCBStatus
		if id == "advisory" {
			want = evidence.CodePolicyTDXAdvisories
		}
		return Case{Name: name, Subject: tdxUnlisted, Want: codes(want), Try: unendorsed(collateral(func(p *published, _ domain) { p.info(alter) }))}
	}
	const forgedBody = `{"id":"TDX","version":3}`
	malformed := func(name, old, replacement string) Case {
		return document(name, evidence.CodeTDXTCBInfoFormat, func(p *published) { p.resign(old, replacement) })
	}
	// malformedWhole is refused when it is told what document it is.
	malformedWhole := func(name, old, replacement string) Case {
		return document(name, evidence.CodeEndorsementMalformed, func(p *published) { p.resign(old, replacement) })
	}
	return []Row{
		{"T01", "collateral that can be read in two ways", []Case{
			document("a second body in another case", evidence.CodeEndorsementMalformed, func(p *published) {
				p.unsigned(documentTCBInfo, `,"signature":`, `,"TCBINFO":`+forgedBody+`,"signature":`)
			}),
			malformedWhole("a member twice", `"version":3`, `"version":2,"version":3`),
			malformed("a member in two cases", `"version":3`, `"version":3,"VERSION":2`),
			malformed("a status twice", `"tcbStatus":"OutOfDate"`, `"tcbStatus":"OutOfDate","tcbStatus":"UpToDate"`),
			malformed("a number as text", `"pcesvn":11`, `"pcesvn":"11"`),
		}},
		{"T11", "identity of SGX's quoting enclave", []Case{
			document("in its place", evidence.CodeEndorsementsMissing, func(p *published) { p.identity(func(i *tdx.QEIdentity) { i.ID = "QE" }) }),
		}},
		{"T12", "TCB info of SGX, or another version or type", []Case{
			document("of SGX", evidence.CodeEndorsementsMissing, func(p *published) { p.info(func(i *tdx.TCBInfo) { i.ID = "SGX" }) }),
			malformed("version 2", `"version":3`, `"version":2`),
			malformed("another type", `"tcbType":0`, `"tcbType":1`),
		}},
		{"T13", "collateral of another platform type", []Case{
			document("TCB info", evidence.CodeEndorsementsMissing, func(p *published) {
				p.info(func(i *tdx.TCBInfo) { i.FMSPC = "00906ED50000" })
			}),
		}},
		{"T14", "collateral of another PCE", []Case{
			{
				Name: "TCB info", Subject: tdxUnlisted, Want: codes(evidence.CodeTDXTCBInfoPlatform), Behind: codes(evidence.CodeEndorsementsMissing),
				Try: unendorsed(collateral(func(p *published, _ domain) { p.info(func(i *tdx.TCBInfo) { i.PCEID = "0001" }) })),
			},
		}},
		{"T19", "weak status", []Case{
			status("out of date", "", func(i *tdx.TCBInfo) { i.TCBLevels[0].TCBStatus = "OutOfDate" }),
			status("configuration needed", "", func(i *tdx.TCBInfo) { i.TCBLevels[0].TCBStatus = "ConfigurationNeeded" }),
			status("software hardening needed", "", func(i *tdx.TCBInfo) { i.TCBLevels[0].TCBStatus = "SWHardeningNeeded" }),
			status("revoked", "", func(i *tdx.TCBInfo) { i.TCBLevels[0].TCBStatus = "Revoked" }),
		}},
		{"T20", "new advisory under an allowed status", []Case{
			status("up to date, with an advisory", "advisory", func(i *tdx.TCBInfo) { i.TCBLevels[0].AdvisoryIDs = []string{"INTEL-SA-99999"} }),
		}},
		{"T21", "platform at the end of servicing", []Case{
			status("as an advisory", "advisory", func(i *tdx.TCBInfo) { i.TCBLevels[0].AdvisoryIDs = []string{"INTEL-DOC-10001"} }),
		}},
	}
}

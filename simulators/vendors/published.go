package vendors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// publishedFault is a fault of what is handed out. What is nil is as it should be.
type publishedFault struct {
	Fault
	// list alters the template of a revocation list before it is issued again, of
	// the issuer that issuer names.
	issuer string
	list   func(s *Server, in *injected, l *listTemplate)
	// forge has the list not issued again, but its signature broken.
	forge bool
	// tcbInfo and qeIdentity alter documents before they are signed again.
	tcbInfo    func(s *Server, info *tdx.TCBInfo)
	qeIdentity func(s *Server, id *tdx.QEIdentity)
	// document alters a signed document of this kind, whose signature no longer fits then.
	kind     string
	document func(raw []byte) []byte
}

// listTemplate is what a revocation list will say.
type listTemplate struct {
	number                 *big.Int
	thisUpdate, nextUpdate time.Time
	revoked                []*big.Int // in addition
}

// Issuers of revocation lists.
const (
	issuerAMD       = "amd"       // the root of each product line
	issuerIntelRoot = "intel"     // the SGX root
	issuerPCK       = "intel-pck" // the Platform and Processor CAs
)

// Kinds of documents, by the member that holds what is signed.
const (
	kindTCBInfo    = "tcbInfo"
	kindQEIdentity = "enclaveIdentity"
)

// publishedFaults are the faults of what is handed out.
func publishedFaults() []publishedFault {
	return slices.Concat(revocations(), lists(), documents())
}

// revocations are those of keys that machines or documents rest on.
func revocations() []publishedFault {
	names := func(of func(s *Server, in *injected) []*big.Int) func(*Server, *injected, *listTemplate) {
		return func(s *Server, in *injected, l *listTemplate) {
			l.number = new(big.Int).Add(l.number, big.NewInt(1))
			l.revoked = append(l.revoked, of(s, in)...)
		}
	}
	return []publishedFault{
		{Fault: Fault{Name: "ask-revoked", Title: "AMD revokes the keys that issue VCEKs", Service: AMDKDS, Code: evidence.CodeSNPRevocation},
			issuer: issuerAMD, list: names(func(s *Server, _ *injected) (serials []*big.Int) {
				for _, line := range s.world.Lines() {
					serials = append(serials, line.ASK().Certificate.SerialNumber)
				}
				return serials
			})},
		{Fault: Fault{Name: "vcek-revoked", Title: "AMD revokes the serial number zero, which all VCEKs have", Service: AMDKDS, Code: evidence.CodeSNPRevocation},
			issuer: issuerAMD, list: names(func(*Server, *injected) []*big.Int { return []*big.Int{{}} })},
		{Fault: Fault{Name: "pck-revoked", Title: "Intel revokes the PCK certificates of machines", Service: IntelPCS, Machines: true, Code: evidence.CodeTDXPCKRevocation},
			issuer: issuerPCK, list: names(func(s *Server, in *injected) (serials []*big.Int) {
				for _, machine := range in.machines {
					serials = append(serials, s.world.TDX.Serial("pck "+machine))
				}
				return serials
			})},
		{Fault: Fault{Name: "pck-ca-revoked", Title: "Intel revokes the CAs of PCK certificates", Service: IntelRoot, Code: evidence.CodeTDXCARevocation},
			issuer: issuerIntelRoot, list: names(func(s *Server, _ *injected) []*big.Int {
				return []*big.Int{s.world.TDX.Platform.Certificate.SerialNumber, s.world.TDX.Processor.Certificate.SerialNumber}
			})},
		{Fault: Fault{Name: "tcb-signing-revoked", Title: "Intel revokes the key that signs TCB infos and identities", Service: IntelRoot, Code: evidence.CodeTDXSigningRevocation},
			issuer: issuerIntelRoot, list: names(func(s *Server, _ *injected) []*big.Int {
				return []*big.Int{s.world.TDX.Signing.Certificate.SerialNumber}
			})},
	}
}

// lists are faults of revocation lists, whatever they revoke.
func lists() []publishedFault {
	var all []publishedFault
	for _, l := range []struct{ name, issuer, service, of string }{
		{"amd-crl", issuerAMD, AMDKDS, "AMD's roots"},
		{"root-crl", issuerIntelRoot, IntelRoot, "Intel's root"},
		{"pck-crl", issuerPCK, IntelPCS, "Intel's PCK CAs"},
	} {
		all = append(all, publishedFault{
			Fault:  Fault{Name: l.name + "-expired", Title: "the revocation lists of " + l.of + " have run out", Service: l.service, Code: evidence.CodeEndorsementsMissing},
			issuer: l.issuer, list: func(s *Server, _ *injected, t *listTemplate) {
				t.thisUpdate, t.nextUpdate = s.world.Now().Add(-30*24*time.Hour).UTC(), s.world.Now().Add(-overFor).UTC()
			},
		}, publishedFault{
			Fault:  Fault{Name: l.name + "-forged", Title: "the signatures of the revocation lists of " + l.of + " are not theirs", Service: l.service, Code: evidence.CodeEndorsementsMissing},
			issuer: l.issuer, forge: true,
		})
	}
	return all
}

// documents are faults of Intel's TCB infos and identities.
func documents() []publishedFault {
	fault := func(name, title string, code evidence.Code) Fault {
		return Fault{Name: name, Title: title, Service: IntelPCS, Code: code}
	}
	missing := evidence.CodeEndorsementsMissing
	// forged raises a level by changing what is signed.
	forged := func(raw []byte) []byte {
		return bytes.Replace(raw, []byte(`"tcbStatus":"OutOfDate"`), []byte(`"tcbStatus":"UpToDate"`), 1)
	}
	return []publishedFault{
		{Fault: fault("tcb-info-forged", "a level in the TCB infos was raised behind Intel's back", missing), kind: kindTCBInfo, document: forged},
		{Fault: fault("tcb-info-expired", "the TCB infos have run out", missing), tcbInfo: func(s *Server, info *tdx.TCBInfo) {
			info.IssueDate, info.NextUpdate = s.over()
		}},
		{Fault: fault("tcb-info-out-of-date", "a TCB recovery: machines must be updated", evidence.CodePolicyTDXTCBStatus), tcbInfo: recovery},
		{Fault: fault("tcb-info-revoked", "the level that machines are at is revoked", evidence.CodePolicyTDXTCBStatus), tcbInfo: func(_ *Server, info *tdx.TCBInfo) {
			info.TCBEvaluationDataNumber++
			info.TCBLevels[0].TCBStatus = "Revoked"
		}},
		{Fault: fault("qe-identity-forged", "a level of the quoting enclave was raised behind Intel's back", missing), kind: kindQEIdentity, document: forged},
		{Fault: fault("qe-identity-expired", "the quoting enclave's identity has run out", missing), qeIdentity: func(s *Server, id *tdx.QEIdentity) {
			id.IssueDate, id.NextUpdate = s.over()
		}},
		{Fault: fault("qe-identity-out-of-date", "the quoting enclave must be updated", evidence.CodePolicyTDXTCBStatus), qeIdentity: func(_ *Server, id *tdx.QEIdentity) {
			id.TCBEvaluationDataNumber++
			id.TCBLevels[0].TCBStatus = "OutOfDate"
		}},
	}
}

// recovery puts a level above those that there are, which no machine has reached.
func recovery(_ *Server, info *tdx.TCBInfo) {
	info.TCBEvaluationDataNumber++
	newest := info.TCBLevels[0]
	newest.TCB.SGX[0].SVN++
	info.TCBLevels[0].TCBStatus = "OutOfDate"
	info.TCBLevels = slices.Insert(info.TCBLevels, 0, newest)
}

// over are the dates of something that has expired.
func (s *Server) over() (issued, nextUpdate time.Time) {
	now := s.world.Now().UTC().Truncate(time.Second)
	return now.Add(-30 * 24 * time.Hour), now.Add(-overFor)
}

// alterDocument alters a signed document as the faults in force do.
func (s *Server) alterDocument(raw []byte) (out []byte, altered bool) {
	out = raw
	for _, in := range s.published() {
		changed, err := in.published.changeDocument(s, out)
		if err == nil && changed != nil {
			out, altered = changed, true
		}
	}
	return out, altered
}

// changeDocument returns the document changed, or nil if it is none of the fault's.
func (f *publishedFault) changeDocument(s *Server, raw []byte) ([]byte, error) {
	var signed struct {
		TCBInfo    *tdx.TCBInfo    `json:"tcbInfo"`
		QEIdentity *tdx.QEIdentity `json:"enclaveIdentity"`
	}
	if err := json.Unmarshal(raw, &signed); err != nil {
		return nil, fmt.Errorf("vendors: a document of the simulated Intel: %w", err)
	}
	switch {
	case signed.TCBInfo != nil && f.tcbInfo != nil:
		f.tcbInfo(s, signed.TCBInfo)
		return s.world.TDX.TCBInfoDocument(*signed.TCBInfo).Raw, nil
	case signed.QEIdentity != nil && f.qeIdentity != nil:
		f.qeIdentity(s, signed.QEIdentity)
		return s.world.TDX.QEIdentityDocument(*signed.QEIdentity).Raw, nil
	case signed.TCBInfo != nil && f.kind == kindTCBInfo, signed.QEIdentity != nil && f.kind == kindQEIdentity:
		return f.document(raw), nil
	}
	return nil, nil
}

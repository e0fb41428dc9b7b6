package tdx

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"github.com/quotary/quotary/tee"
)

// Collateral is everything that a vendor publishes, ready to be altered before
// it is added to endorsements.
type Collateral struct {
	Certificates []*x509.Certificate
	CRLs         []*x509.RevocationList
	Documents    []tee.Document
}

// AddTo adds all of it.
func (c Collateral) AddTo(e *tee.Endorsements) {
	for _, cert := range c.Certificates {
		e.AddCertificate(cert)
	}
	for _, crl := range c.CRLs {
		e.AddCRL(crl)
	}
	for _, d := range c.Documents {
		e.AddDocument(d)
	}
}

// Collateral returns what the vendor publishes: nothing revoked, and TCB info and
// QE identity for the default platform.
func (v *Vendor) Collateral() Collateral {
	return Collateral{
		Certificates: []*x509.Certificate{
			v.Root.Certificate, v.Platform.Certificate, v.Processor.Certificate, v.Signing.Certificate,
		},
		CRLs:      []*x509.RevocationList{v.CRL(v.Root), v.CRL(v.Platform), v.CRL(v.Processor)},
		Documents: []tee.Document{v.TCBInfoDocument(v.TCBInfo()), v.QEIdentityDocument(v.QEIdentity())},
	}
}

// TCBInfo is a TCB info of version 3 with Intel's member names and order.
type TCBInfo struct {
	ID                      string           `json:"id"`
	Version                 int              `json:"version"`
	IssueDate               time.Time        `json:"issueDate"`
	NextUpdate              time.Time        `json:"nextUpdate"`
	FMSPC                   string           `json:"fmspc"`
	PCEID                   string           `json:"pceId"`
	TCBType                 int              `json:"tcbType"`
	TCBEvaluationDataNumber int              `json:"tcbEvaluationDataNumber"`
	TDXModule               Module           `json:"tdxModule"`
	TDXModuleIdentities     []ModuleIdentity `json:"tdxModuleIdentities,omitempty"`
	TCBLevels               []Level          `json:"tcbLevels"`
}

// Module is what a TDX module must be.
type Module struct {
	MRSigner       string `json:"mrsigner"`
	Attributes     string `json:"attributes"`
	AttributesMask string `json:"attributesMask"`
}

// ModuleIdentity is what a TDX module of one version must be.
type ModuleIdentity struct {
	ID string `json:"id"` // "TDX_01" for TEE_TCB_SVN[1] = 1
	Module
	TCBLevels []SVNLevel `json:"tcbLevels"`
}

// Level is a TCB level of a platform.
type Level struct {
	TCB         LevelTCB  `json:"tcb"`
	TCBDate     time.Time `json:"tcbDate"`
	TCBStatus   string    `json:"tcbStatus"`
	AdvisoryIDs []string  `json:"advisoryIDs,omitempty"`
}

// LevelTCB is what a platform must reach.
type LevelTCB struct {
	SGX    [16]Component `json:"sgxtcbcomponents"`
	PCESVN int           `json:"pcesvn"`
	TDX    [16]Component `json:"tdxtcbcomponents"`
}

// Component is one security version, of what.
type Component struct {
	SVN      int    `json:"svn"`
	Category string `json:"category,omitempty"`
	Type     string `json:"type,omitempty"`
}

// SVNLevel is a TCB level of a module or an enclave.
type SVNLevel struct {
	TCB         ISVSVN    `json:"tcb"`
	TCBDate     time.Time `json:"tcbDate"`
	TCBStatus   string    `json:"tcbStatus"`
	AdvisoryIDs []string  `json:"advisoryIDs,omitempty"`
}

// ISVSVN is what a module or an enclave must reach.
type ISVSVN struct {
	ISVSVN int `json:"isvsvn"`
}

// QEIdentity is an enclave identity of version 2 with Intel's member names and order.
type QEIdentity struct {
	ID                      string     `json:"id"`
	Version                 int        `json:"version"`
	IssueDate               time.Time  `json:"issueDate"`
	NextUpdate              time.Time  `json:"nextUpdate"`
	TCBEvaluationDataNumber int        `json:"tcbEvaluationDataNumber"`
	MiscSelect              string     `json:"miscselect"`
	MiscSelectMask          string     `json:"miscselectMask"`
	Attributes              string     `json:"attributes"`
	AttributesMask          string     `json:"attributesMask"`
	MRSigner                string     `json:"mrsigner"`
	ISVProdID               int        `json:"isvprodid"`
	TCBLevels               []SVNLevel `json:"tcbLevels"`
}

// Dates and number of the default levels.
var (
	dateCurrent = time.Date(2025, 5, 14, 0, 0, 0, 0, time.UTC)
	dateOld     = time.Date(2024, 3, 13, 0, 0, 0, 0, time.UTC)
	dateBad     = time.Date(2022, 1, 4, 0, 0, 0, 0, time.UTC)
)

const evaluationNumber = 20

// advisory is the only advisory of the simulated vendor.
const advisory = "SIMULATED-SA-00001"

// TCBInfo returns the TCB info of the default platform: up to date, out of
// date, and revoked levels.
func (v *Vendor) TCBInfo() TCBInfo {
	machine := DefaultMachine()
	module := Module{strings.Repeat("0", 96), strings.Repeat("0", 16), strings.Repeat("F", 16)}
	levels := []SVNLevel{
		{TCB: ISVSVN{5}, TCBDate: dateCurrent, TCBStatus: "UpToDate"},
		{TCB: ISVSVN{3}, TCBDate: dateOld, TCBStatus: "OutOfDate", AdvisoryIDs: []string{advisory}},
	}
	issued := v.issued()
	info := TCBInfo{
		ID: "TDX", Version: 3, IssueDate: issued, NextUpdate: issued.Add(validity),
		FMSPC: upperHex(machine.FMSPC[:]), PCEID: upperHex(machine.PCEID[:]),
		TCBEvaluationDataNumber: evaluationNumber, TDXModule: module,
		TDXModuleIdentities: []ModuleIdentity{{"TDX_03", module, levels}, {"TDX_01", module, levels}},
	}
	for _, l := range []struct {
		lower  int
		date   time.Time
		status string
	}{{0, dateCurrent, "UpToDate"}, {1, dateOld, "OutOfDate"}, {2, dateBad, "Revoked"}} {
		level := Level{TCB: componentTexts(), TCBDate: l.date, TCBStatus: l.status}
		level.TCB.PCESVN = int(machine.PCESVN)
		for i, svn := range machine.Components {
			level.TCB.SGX[i].SVN = max(0, int(svn)-l.lower)
		}
		level.TCB.TDX[0].SVN, level.TCB.TDX[2].SVN = 5-l.lower, int(machine.TEETCBSVN[2])-l.lower
		if l.lower > 0 {
			level.AdvisoryIDs = []string{advisory}
		}
		info.TCBLevels = append(info.TCBLevels, level)
	}
	return info
}

// componentTexts returns a level with Intel's texts on what its components are of.
func componentTexts() (l LevelTCB) {
	set := func(c *Component, category, kind string) { c.Category, c.Type = category, kind }
	set(&l.SGX[0], "BIOS", "Early Microcode Update")
	set(&l.SGX[1], "OS/VMM", "SGX Late Microcode Update")
	set(&l.SGX[2], "OS/VMM", "TXT SINIT")
	set(&l.SGX[3], "BIOS", "")
	set(&l.SGX[7], "OS/VMM", "SEAMLDR ACM")
	set(&l.TDX[0], "OS/VMM", "TDX Module")
	set(&l.TDX[1], "OS/VMM", "TDX Module")
	set(&l.TDX[2], "OS/VMM", "TDX Late Microcode Update")
	return l
}

// QEIdentity returns the identity of the machines' quoting enclave.
func (v *Vendor) QEIdentity() QEIdentity {
	signer := quotingEnclaveSigner()
	issued := v.issued()
	return QEIdentity{
		ID: "TD_QE", Version: 2, IssueDate: issued, NextUpdate: issued.Add(validity),
		TCBEvaluationDataNumber: evaluationNumber,
		MiscSelect:              "00000000", MiscSelectMask: "FFFFFFFF",
		Attributes: "11000000000000000000000000000000", AttributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
		MRSigner: upperHex(signer[:]), ISVProdID: quotingEnclaveProduct,
		TCBLevels: []SVNLevel{
			{TCB: ISVSVN{quotingEnclaveSVN}, TCBDate: dateCurrent, TCBStatus: "UpToDate"},
			{TCB: ISVSVN{quotingEnclaveSVN - 2}, TCBDate: dateOld, TCBStatus: "OutOfDate", AdvisoryIDs: []string{advisory}},
		},
	}
}

// TCBInfoDocument signs a TCB info.
func (v *Vendor) TCBInfoDocument(info TCBInfo) tee.Document {
	return tee.Document{
		Type: tee.DocumentTCBInfo, Key: strings.ToLower(info.FMSPC),
		Raw: SignDocument("tcbInfo", must(json.Marshal(info)), v.Signing.Key),
	}
}

// QEIdentityDocument signs a QE identity.
func (v *Vendor) QEIdentityDocument(id QEIdentity) tee.Document {
	return tee.Document{
		Type: tee.DocumentQEIdentity, Key: id.ID,
		Raw: SignDocument("enclaveIdentity", must(json.Marshal(id)), v.Signing.Key),
	}
}

// SignDocument wraps body, signed by key, as Intel's service does:
// {"member":body,"signature":"hex r ‖ s"}.
func SignDocument(member string, body []byte, key *ecdsa.PrivateKey) []byte {
	return []byte(`{"` + member + `":` + string(body) + `,"signature":"` + hex.EncodeToString(Sign(key, body)) + `"}`)
}

// Sign returns r ‖ s over SHA-256 of message, deterministically (RFC 6979).
func Sign(key *ecdsa.PrivateKey, message []byte) []byte {
	digest := sha256.Sum256(message)
	var pair struct{ R, S *big.Int }
	must(asn1.Unmarshal(must(key.Sign(nil, digest[:], crypto.SHA256)), &pair))
	out := make([]byte, 64)
	pair.R.FillBytes(out[:32])
	pair.S.FillBytes(out[32:])
	return out
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

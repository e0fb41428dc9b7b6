package tdx

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-tdx-guest/abi"
	"github.com/google/go-tdx-guest/pcs"
	pb "github.com/google/go-tdx-guest/proto/tdx"
	"github.com/google/go-tdx-guest/verify"

	simulated "github.com/quotary/quotary/simulators/tdx"
)

// TestDifferentialPCKExtension compares the SGX extension with what another
// implementation reads in the same certificates.
func TestDifferentialPCKExtension(t *testing.T) {
	q, err := parseQuote(sampleQuote(t))
	if err != nil {
		t.Fatal(err)
	}
	certs, err := parseChain(q.chain)
	if err != nil {
		t.Fatal(err)
	}
	for _, cert := range []*x509.Certificate{certs.leaf, newScene(t).machine.Certificate()} {
		ours, err := parsePCK(cert)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := pcs.PckCertificateExtensions(cert)
		if err != nil {
			t.Fatal(err)
		}
		if hex.EncodeToString(ours.fmspc) != theirs.FMSPC || hex.EncodeToString(ours.pceID) != theirs.PCEID ||
			hex.EncodeToString(ours.ppid) != theirs.PPID || ours.pceSVN != theirs.TCB.PCESvn ||
			string(ours.components[:]) != string(theirs.TCB.CPUSvnComponents) {
			t.Errorf("ours %+v, theirs %+v", ours, theirs)
		}
	}
}

// TestDifferentialQuote compares parsed fields of the real quote.
func TestDifferentialQuote(t *testing.T) {
	raw := sampleQuote(t)
	ours, err := parseQuote(raw)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := abi.QuoteToProto(raw)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ok := parsed.(*pb.QuoteV4)
	if !ok {
		t.Fatalf("a %T", parsed)
	}
	b, signed := theirs.TdQuoteBody, theirs.SignedData
	inner := signed.CertificationData.QeReportCertificationData
	for name, pair := range map[string][2][]byte{
		"vendor":        {ours.vendor, theirs.Header.QeVendorId},
		"TEE_TCB_SVN":   {ours.body.teeTCBSVN(), b.TeeTcbSvn},
		"MRSEAM":        {ours.body.mrSEAM(), b.MrSeam},
		"MRSIGNERSEAM":  {ours.body.mrSignerSEAM(), b.MrSignerSeam},
		"attributes":    {ours.body.attributes(), b.TdAttributes},
		"XFAM":          {ours.body.xfam(), b.Xfam},
		"MRTD":          {ours.body.mrTD(), b.MrTd},
		"MRCONFIGID":    {ours.body.mrConfigID(), b.MrConfigId},
		"MROWNER":       {ours.body.mrOwner(), b.MrOwner},
		"MROWNERCONFIG": {ours.body.mrOwnerConfig(), b.MrOwnerConfig},
		"RTMR0":         {ours.body.rtmr(0), b.Rtmrs[0]},
		"RTMR3":         {ours.body.rtmr(3), b.Rtmrs[3]},
		"REPORTDATA":    {ours.body.reportData(), b.ReportData},
		"signature":     {ours.signature, signed.Signature},
		"key":           {ours.key, signed.EcdsaAttestationKey},
		"QE signer":     {ours.qe.mrSigner(), inner.QeReport.MrSigner},
		"QE signature":  {ours.qeSig, inner.QeReportSignature},
		"QE data":       {ours.auth, inner.QeAuthData.Data},
		"chain":         {ours.chain, inner.PckCertificateChainData.PckCertChain},
	} {
		if !bytes.Equal(pair[0], pair[1]) || len(pair[0]) == 0 {
			t.Errorf("%s: ours %x, theirs %x", name, pair[0], pair[1])
		}
	}
	if uint32(ours.qe.svn()) != inner.QeReport.IsvSvn || uint32(ours.qe.prodID()) != inner.QeReport.IsvProdId {
		t.Error("the QE's versions differ")
	}
}

// pcsStub serves a simulated vendor's collateral in the form of Intel's service.
type pcsStub map[string]struct {
	header map[string][]string
	body   []byte
}

func (p pcsStub) Get(address string) (map[string][]string, []byte, error) {
	answer, ok := p[address]
	if !ok {
		return nil, nil, fmt.Errorf("nothing at %s", address)
	}
	return maps.Clone(answer.header), answer.body, nil
}

// newStub serves the scene's collateral.
func newStub(s *scene) pcsStub {
	root := s.vendor.Root.Certificate
	chain := func(name string, cert *x509.Certificate) map[string][]string {
		return map[string][]string{name: {url.QueryEscape(string(simulated.EncodeChain(cert, root)))}}
	}
	signing := s.vendor.Signing.Certificate
	stub := pcsStub{}
	add := func(address string, header map[string][]string, body []byte) {
		stub[address] = struct {
			header map[string][]string
			body   []byte
		}{header, body}
	}
	add(pcs.TcbInfoURL(s.collateral.Documents[0].Key), chain("Tcb-Info-Issuer-Chain", signing), s.collateral.Documents[0].Raw)
	add(pcs.QeIdentityURL(), chain("Sgx-Enclave-Identity-Issuer-Chain", signing), s.collateral.Documents[1].Raw)
	add(pcs.PckCrlURL("platform"), chain("Sgx-Pck-Crl-Issuer-Chain", s.vendor.Platform.Certificate), s.collateral.CRLs[1].Raw)
	add(root.CRLDistributionPoints[0], nil, s.collateral.CRLs[0].Raw)
	return stub
}

// TestDifferentialVerdict: another implementation accepts a simulated machine
// that is up to date, and refuses what this one refuses or finds out of date.
func TestDifferentialVerdict(t *testing.T) {
	upToDate := func(s *scene) bool {
		out := s.genuine()
		return out.Genuine() && out.Claims.TDX.TCB.Status == "UpToDate"
	}
	for name, alter := range map[string]func(*scene){
		"up to date": func(*scene) {},
		"revoked PCK": func(s *scene) {
			s.collateral.CRLs[1] = s.vendor.CRL(s.vendor.Platform, s.machine.Certificate().SerialNumber)
		},
		"revoked CA": func(s *scene) {
			s.collateral.CRLs[0] = s.vendor.CRL(s.vendor.Root, s.vendor.Platform.Certificate.SerialNumber)
		},
		"a year later":   func(s *scene) { s.now = s.now.AddDate(1, 0, 0) },
		"another FMSPC":  func(s *scene) { s.setTCBInfo(func(i *simulated.TCBInfo) { i.FMSPC = "00806f050000" }) },
		"another module": func(s *scene) { s.setTCBInfo(func(i *simulated.TCBInfo) { i.TDXModuleIdentities = nil }) },
		"QE of another product": func(s *scene) {
			s.setQEIdentity(func(q *simulated.QEIdentity) { q.ISVProdID = 9 })
		},
		"out-of-date platform": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "OutOfDate" })
		},
		"revoked platform": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "Revoked" })
		},
		"no level": func(s *scene) {
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCB.PCESVN = 99; i.TCBLevels = i.TCBLevels[:1] })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.setTCBInfo(func(i *simulated.TCBInfo) { i.FMSPC = strings.ToLower(i.FMSPC) })
			alter(s)
			if strings.ToUpper(s.collateral.Documents[0].Key) == s.collateral.Documents[0].Key {
				t.Fatal("the key is not in lower case")
			}
			roots := x509.NewCertPool()
			roots.AddCert(s.vendor.Root.Certificate)
			err := verify.RawTdxQuote(s.machine.Quote(reportData), &verify.Options{
				GetCollateral: true, CheckRevocations: true, Getter: newStub(s), Now: s.now, TrustedRoots: roots,
			})
			if ours := upToDate(s); ours != (err == nil) {
				t.Errorf("ours: up to date %v; theirs: %v", ours, err)
			}
		})
	}
}

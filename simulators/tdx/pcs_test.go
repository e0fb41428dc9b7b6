package tdx

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tdx-guest/verify"
)

var pcsTime = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// service returns the services of a new vendor, whose clock stands still.
func service(seed string) *Services {
	return NewServices(NewVendor(Options{Seed: seed, Clock: func() time.Time { return pcsTime }}))
}

const (
	tcbPath, identityPath, crlPath, rootPath = "/tdx/certification/v4/tcb", "/tdx/certification/v4/qe/identity", "/sgx/certification/v4/pckcrl", "/sgx/certification/v4/rootcacrl"
	simulatedFMSPC                           = "53494d544458"
)

// chain decodes the issuers in an answer's header, which end with the root.
func (a Answer) chain(t *testing.T, s *Services, field string) *x509.Certificate {
	t.Helper()
	text, err := url.PathUnescape(a.Header[field])
	if err != nil || strings.ContainsAny(a.Header[field], " +\n") {
		t.Fatalf("%s is %q: %v", field, a.Header[field], err)
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, cert)
	}
	if len(certs) != 2 || !certs[1].Equal(s.vendor.Root.Certificate) || certs[0].CheckSignatureFrom(certs[1]) != nil {
		t.Fatalf("%s has %d certificates", field, len(certs))
	}
	return certs[0]
}

// number reads a document's evaluation data number, dates and FMSPC or id.
func (a Answer) number(t *testing.T) int {
	t.Helper()
	var document struct {
		TCBInfo         *TCBInfo    `json:"tcbInfo"`
		EnclaveIdentity *QEIdentity `json:"enclaveIdentity"`
	}
	if err := json.Unmarshal(a.Body, &document); err != nil || a.Status != 200 {
		t.Fatalf("status %d, %q: %v", a.Status, a.Body, err)
	}
	if id := document.EnclaveIdentity; id != nil {
		return id.TCBEvaluationDataNumber
	}
	if i := document.TCBInfo; !i.IssueDate.Before(pcsTime) || !i.NextUpdate.After(pcsTime) || strings.ToLower(i.FMSPC) != simulatedFMSPC {
		t.Errorf("the TCB info is for %s, from %v until %v", i.FMSPC, i.IssueDate, i.NextUpdate)
	}
	return document.TCBInfo.TCBEvaluationDataNumber
}

func TestPCSAnswers(t *testing.T) {
	s := service("pcs")
	for _, ask := range []func(method, path, query string) Answer{s.PCS, s.PCCS} {
		for _, query := range []string{"fmspc=" + simulatedFMSPC, "update=standard&fmspc=" + strings.ToUpper(simulatedFMSPC), "fmspc=" + simulatedFMSPC + "&update=early"} {
			a := ask("GET", tcbPath, query)
			if a.number(t) != evaluationNumber || !a.chain(t, s, "TCB-Info-Issuer-Chain").Equal(s.vendor.Signing.Certificate) {
				t.Errorf("%s is answered with something else", query)
			}
			if a.Header["Content-Type"] != "application/json" || len(a.Header["Request-ID"]) != 32 {
				t.Errorf("header %v", a.Header)
			}
		}
		for _, query := range []string{"", "update=standard", "update=early"} {
			a := ask("GET", identityPath, query)
			if a.number(t) != evaluationNumber || !a.chain(t, s, "SGX-Enclave-Identity-Issuer-Chain").Equal(s.vendor.Signing.Certificate) {
				t.Errorf("%q is answered with something else", query)
			}
		}
		for ca, issuer := range map[string]Issuer{"platform": s.vendor.Platform, "processor": s.vendor.Processor} {
			a := ask("GET", crlPath, "encoding=der&ca="+ca)
			list, err := x509.ParseRevocationList(a.Body)
			if err != nil || list.CheckSignatureFrom(a.chain(t, s, "SGX-PCK-CRL-Issuer-Chain")) != nil || list.CheckSignatureFrom(issuer.Certificate) != nil {
				t.Errorf("no list of the %s CA: %v", ca, err)
			}
			if a.Header["Content-Type"] != "application/pkix-crl" {
				t.Errorf("header %v", a.Header)
			}
		}
	}
	for _, query := range []string{"ca=platform", "ca=platform&encoding=pem"} {
		a := s.PCS("GET", crlPath, query)
		block, _ := pem.Decode(a.Body)
		if block == nil || block.Type != "X509 CRL" || a.Header["Content-Type"] != "application/x-pem-file" {
			t.Errorf("%s: %s", query, a.Body)
		}
	}
	root := s.Roots("GET", "/IntelSGXRootCA.der", "")
	list, err := x509.ParseRevocationList(root.Body)
	if err != nil || list.CheckSignatureFrom(s.vendor.Root.Certificate) != nil {
		t.Errorf("no list of the root: %v", err)
	}
	if cached := s.PCCS("GET", rootPath, ""); string(cached.Body) != hex.EncodeToString(root.Body) {
		t.Errorf("the caching service has %q", cached.Body)
	}
	if cached, der := s.PCCS("GET", crlPath, "ca=PLATFORM&encoding=pem"), s.PCS("GET", crlPath, "ca=platform&encoding=der"); string(cached.Body) != hex.EncodeToString(der.Body) {
		t.Errorf("the caching service has %q", cached.Body)
	}
}

func TestPCSRefuses(t *testing.T) {
	s := service("pcs")
	const known = "fmspc=" + simulatedFMSPC
	for _, c := range []struct {
		method, path, query string
		pcs, pccs           int
	}{
		{"GET", tcbPath, "fmspc=00806f050000", 404, 404},
		{"GET", tcbPath, "", 400, 400},
		{"GET", tcbPath, "fmspc=", 400, 400},
		{"GET", tcbPath, known[:len(known)-2], 400, 400},
		{"GET", tcbPath, known + "00", 400, 400},
		{"GET", tcbPath, "fmspc=53494d54445g", 400, 400},
		{"GET", tcbPath, "fmspc=%zz", 400, 400},
		{"GET", tcbPath, known + "&update=late", 400, 400},
		{"GET", tcbPath, known + "&update=EARLY", 400, 200},
		{"GET", tcbPath, known + "&other=1", 400, 200},
		{"GET", tcbPath, known + "&" + known, 400, 200},
		{"GET", tcbPath, known + "&tcbEvaluationDataNumber=20", 200, 200},
		{"GET", tcbPath, known + "&tcbEvaluationDataNumber=20&update=early", 400, 200},
		{"GET", tcbPath, known + "&tcbEvaluationDataNumber=19", 410, 200},
		{"GET", tcbPath, known + "&tcbEvaluationDataNumber=21", 404, 200},
		{"GET", tcbPath, known + "&tcbEvaluationDataNumber=-1", 400, 200},
		{"GET", identityPath, "update=", 400, 400},
		{"GET", identityPath, "tcbEvaluationDataNumber=1", 410, 200},
		{"GET", crlPath, "", 400, 400},
		{"GET", crlPath, "ca=root", 400, 400},
		{"GET", crlPath, "ca=platform&encoding=text", 400, 200},
		{"GET", "/sgx/certification/v4/tcb", known, 404, 404},
		{"GET", "/tdx/certification/v3/tcb", known, 404, 404},
		{"GET", rootPath, "", 404, 200},
		{"GET", "/IntelSGXRootCA.der", "", 404, 404},
		{"GET", "/", "", 404, 404},
		{"GET", "", "", 404, 404},
		{"POST", tcbPath, known, 404, 404},
	} {
		for name, got := range map[string]Answer{"PCS": s.PCS(c.method, c.path, c.query), "PCCS": s.PCCS(c.method, c.path, c.query)} {
			want := map[string]int{"PCS": c.pcs, "PCCS": c.pccs}[name]
			if got.Status != want || got.Header["Request-ID"] == "" || (want == 200) != (got.Header["Content-Type"] != "") {
				t.Errorf("%s: %s %s?%s is answered %d, want %d: %v", name, c.method, c.path, c.query, got.Status, want, got.Header)
			}
		}
	}
	for _, c := range [][3]string{{"POST", "/IntelSGXRootCA.der", ""}, {"GET", "/IntelSGXRootCA.der", "x"}, {"GET", tcbPath, known}, {"GET", "", ""}} {
		if got := s.Roots(c[0], c[1], c[2]); got.Status != 404 || len(got.Body) > 0 {
			t.Errorf("%v is answered %d", c, got.Status)
		}
	}
}

// TestPCSRecovery has a TCB recovery event: the early channel has the new number
// at once, the standard one later; what came before is gone then.
func TestPCSRecovery(t *testing.T) {
	s := service("pcs")
	numbers := func() (got [4]int) {
		for i, update := range []string{"standard", "early"} {
			got[i] = s.PCS("GET", tcbPath, "fmspc="+simulatedFMSPC+"&update="+update).number(t)
			got[2+i] = s.PCS("GET", identityPath, "update="+update).number(t)
		}
		return got
	}
	info, id := s.vendor.TCBInfo(), s.vendor.QEIdentity()
	info.TCBEvaluationDataNumber, id.TCBEvaluationDataNumber = 21, 21
	s.PublishTCBInfo(Early, info)
	s.PublishQEIdentity(Early, id)
	if got := numbers(); got != [4]int{20, 21, 20, 21} {
		t.Errorf("early: %v", got)
	}
	s.PublishTCBInfo(Standard, info)
	s.PublishQEIdentity(Standard, id)
	if got := numbers(); got != [4]int{21, 21, 21, 21} {
		t.Errorf("standard: %v", got)
	}
	info.TCBEvaluationDataNumber = 22
	s.PublishTCBInfo(Standard, info)
	if got := numbers(); got != [4]int{22, 22, 21, 21} {
		t.Errorf("without an early issue: %v", got)
	}
	for query, want := range map[string]int{"20": 200, "22": 200, "23": 404, "3": 410} {
		if got := s.PCS("GET", tcbPath, "fmspc="+simulatedFMSPC+"&tcbEvaluationDataNumber="+query); got.Status != want {
			t.Errorf("number %s is answered %d, want %d", query, got.Status, want)
		}
	}
	info.FMSPC = "00806F050000"
	s.PublishTCBInfo(Standard, info)
	if got := s.PCS("GET", tcbPath, "fmspc=00806f050000"); got.Status != 200 || !bytes.Contains(got.Body, []byte("00806F050000")) {
		t.Errorf("a further platform is answered %d", got.Status)
	}
}

func TestPCSRotatesAndRevokes(t *testing.T) {
	s := service("pcs")
	old := s.vendor.Signing.Certificate
	next := s.RotateSigning()
	got := s.PCS("GET", identityPath, "").chain(t, s, "SGX-Enclave-Identity-Issuer-Chain")
	if !got.Equal(next.Certificate) || got.Equal(old) || !bytes.Equal(got.RawSubject, old.RawSubject) || got.SerialNumber.Cmp(old.SerialNumber) == 0 {
		t.Error("it is not signed by another certificate of the same name")
	}
	if again := s.RotateSigning(); again.Certificate.Equal(next.Certificate) {
		t.Error("the second rotation changed nothing")
	}
	s.Revoke(old)
	list, err := x509.ParseRevocationList(s.Roots("GET", "/IntelSGXRootCA.der", "").Body)
	if err != nil || len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].SerialNumber.Cmp(old.SerialNumber) != 0 || list.Number.Int64() != 2 {
		t.Errorf("the root's list is %+v", list)
	}
	m := s.vendor.NewMachine(DefaultMachine())
	s.Revoke(m.Certificate())
	for ca, want := range map[string]int{"platform": 1, "processor": 0} {
		list, err := x509.ParseRevocationList(s.PCS("GET", crlPath, "encoding=der&ca="+ca).Body)
		if err != nil || len(list.RevokedCertificateEntries) != want || list.Number.Int64() != int64(1+want) {
			t.Errorf("the %s CA's list is %+v", ca, list)
		}
	}
}

// TestPCSDeterminism: seed, clock and what was done determine every answer, also
// where many ask at once.
func TestPCSDeterminism(t *testing.T) {
	a, b, other := service("a"), service("a"), service("b")
	for _, s := range []*Services{a, b, other} {
		s.RotateSigning()
		s.Revoke(s.vendor.Signing.Certificate)
	}
	requests := [][2]string{{tcbPath, "fmspc=" + simulatedFMSPC}, {identityPath, ""}, {crlPath, "ca=processor"}, {rootPath, ""}}
	var asking sync.WaitGroup
	for _, r := range requests {
		for range 2 {
			asking.Go(func() {
				if !reflect.DeepEqual(a.PCCS("GET", r[0], r[1]), b.PCCS("GET", r[0], r[1])) {
					t.Errorf("%s is answered differently", r[0])
				}
				if reflect.DeepEqual(a.PCCS("GET", r[0], r[1]), other.PCCS("GET", r[0], r[1])) {
					t.Errorf("%s is answered alike under another seed", r[0])
				}
			})
		}
	}
	asking.Wait()
}

// getter asks the services as an independent client does.
type getter struct{ *Services }

func (g getter) Get(address string) (map[string][]string, []byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	ask := map[string]func(method, path, query string) Answer{
		"api.trustedservices.intel.com": g.PCS, "certificates.simulated.invalid": g.Roots,
	}[u.Host]
	if ask == nil {
		return nil, nil, fmt.Errorf("no such host: %s", address)
	}
	a := ask("GET", u.Path, u.RawQuery)
	if a.Status != 200 {
		return nil, nil, fmt.Errorf("%s is answered %d", address, a.Status)
	}
	header := map[string][]string{}
	for name, value := range a.Header {
		header[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
	}
	return header, a.Body, nil
}

// TestPCSServesAnIndependentClient has another implementation fetch and verify.
func TestPCSServesAnIndependentClient(t *testing.T) {
	s := service("pcs")
	info := s.vendor.TCBInfo()
	info.FMSPC = strings.ToLower(info.FMSPC) // which it compares as text; Intel's service has sent both
	s.PublishTCBInfo(Standard, info)
	m := s.vendor.NewMachine(DefaultMachine())
	roots := x509.NewCertPool()
	roots.AddCert(s.vendor.Root.Certificate)
	judge := func() error {
		return verify.RawTdxQuote(m.Quote([64]byte{1}), &verify.Options{
			GetCollateral: true, CheckRevocations: true, Getter: getter{s}, Now: pcsTime, TrustedRoots: roots,
		})
	}
	if err := judge(); err != nil {
		t.Fatal(err)
	}
	s.RotateSigning()
	if err := judge(); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	worse := info
	worse.TCBEvaluationDataNumber, worse.TCBLevels = 21, append([]Level(nil), info.TCBLevels...)
	worse.TCBLevels[0].TCBStatus = "OutOfDate"
	s.PublishTCBInfo(Standard, worse)
	if err := judge(); err == nil {
		t.Error("after a recovery event the machine is still up to date")
	}
	s.PublishTCBInfo(Standard, info)
	s.Revoke(m.Certificate())
	if err := judge(); err == nil {
		t.Error("a revoked machine is up to date")
	}
}

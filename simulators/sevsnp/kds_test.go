package sevsnp_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/simulators/sevsnp"
)

// genoa is made once, as vendor is.
var genoa = sync.OnceValue(func() *sevsnp.Vendor {
	v, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "test", Product: sevsnp.Genoa, NotBefore: start})
	if err != nil {
		panic(err)
	}
	return v
})

// turin is made once, as vendor is.
var turin = sync.OnceValue(func() *sevsnp.Vendor {
	v, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "test", Product: sevsnp.Turin, NotBefore: start})
	if err != nil {
		panic(err)
	}
	return v
})

// ask asks a service with the vendors of all lines.
func ask(path, query string) (status int, contentType string, body []byte) {
	return sevsnp.KDS{vendor(), genoa(), turin()}.Answer("GET", path, query)
}

func TestKDSAnswersWhatItHas(t *testing.T) {
	m := machine(t, sevsnp.MachineOptions{Name: "kds"})
	asvk, err := vendor().ASVK()
	if err != nil {
		t.Fatal(err)
	}
	zen5, err := turin().NewMachine(sevsnp.MachineOptions{Name: "kds"})
	if err != nil {
		t.Fatal(err)
	}
	chip := fmt.Sprintf("/vcek/v1/Milan/%x", m.Template.ChipID)
	const levels = "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	for _, c := range []struct {
		path, query string
		want        [][]byte
		isPEM       bool
	}{
		{chip, levels, [][]byte{m.Certificate.Raw}, false},
		{chip, "ucodeSPL=219&snpSPL=24&blSPL=04", [][]byte{m.Certificate.Raw}, false}, // any order, zero where absent
		{"/vcek/v1/Milan/" + strings.ToUpper(hex.EncodeToString(m.Template.ChipID[:])), levels, [][]byte{m.Certificate.Raw}, false},
		{fmt.Sprintf("/vcek/v1/Turin/%x", zen5.Template.ChipID[:8]), "fmcSPL=1&blSPL=2&teeSPL=1&snpSPL=4&ucodeSPL=74", [][]byte{zen5.Certificate.Raw}, false},
		{"/vcek/v1/Milan/cert_chain", "", [][]byte{vendor().ASK().Certificate.Raw, vendor().ARK().Certificate.Raw}, true},
		{"/vlek/v1/Milan/cert_chain", "", [][]byte{asvk.Certificate.Raw, vendor().ARK().Certificate.Raw}, true},
		{"/vcek/v1/Genoa/cert_chain", "", [][]byte{genoa().ASK().Certificate.Raw, genoa().ARK().Certificate.Raw}, true},
	} {
		status, contentType, body := ask(c.path, c.query)
		if status != 200 || contentType == "" {
			t.Errorf("%s: status %d, content type %q: %s", c.path, status, contentType, body)
			continue
		}
		var got [][]byte
		if !c.isPEM {
			got = [][]byte{body}
		}
		for block, rest := pem.Decode(body); c.isPEM && block != nil; block, rest = pem.Decode(rest) {
			got = append(got, block.Bytes)
		}
		if fmt.Sprintf("%x", got) != fmt.Sprintf("%x", c.want) {
			t.Errorf("%s answers something else", c.path)
		}
	}
	for _, path := range []string{"/vcek/v1/Genoa/crl", "/vlek/v1/Genoa/crl"} {
		_, _, body := ask(path, "")
		list, err := x509.ParseRevocationList(body)
		if err != nil || list.CheckSignatureFrom(genoa().ARK().Certificate) != nil {
			t.Errorf("%s answers no list of the root: %v", path, err)
		}
	}
}

func TestKDSRefuses(t *testing.T) {
	m := machine(t, sevsnp.MachineOptions{Name: "kds"})
	chip := fmt.Sprintf("/vcek/v1/Milan/%x", m.Template.ChipID)
	elsewhere := fmt.Sprintf("/vcek/v1/Genoa/%x", m.Template.ChipID)
	const levels = "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	for _, c := range []struct {
		method, path, query string
		want                int
	}{
		{"GET", chip, "blSPL=5&teeSPL=0&snpSPL=24&ucodeSPL=219", 404}, // a TCB that it never had
		{"GET", chip, "", 404},          // all zero
		{"GET", elsewhere, levels, 404}, // a chip of the other line
		{"GET", "/vcek/v1/Milan/" + strings.Repeat("00", 64), levels, 404}, // masked
		{"GET", chip, levels + "&fmcSPL=1", 400},                           // Turin's
		{"GET", chip, levels + "&blSPL=4", 400},                            // twice
		{"GET", chip, levels + "&other=1", 400},
		{"GET", chip, "blSPL=256", 400},
		{"GET", chip, "blSPL=-1", 400},
		{"GET", chip, "blSPL", 400},
		{"GET", chip, "&", 400},
		{"GET", fmt.Sprintf("/vcek/v1/Turin/%x", m.Template.ChipID), "", 400}, // 64 bytes where Turin has 8
		{"GET", "/vcek/v1/Turin/0123456789abcdef", "fmcSPL=1", 404},
		{"GET", chip[:len(chip)-2], levels, 400},
		{"GET", chip + "00", levels, 400},
		{"GET", "/vcek/v1/Milan/CRL", "", 400},
		{"GET", "/vcek/v1/Rome/crl", "", 404},
		{"GET", "/vcek/v2/Milan/crl", "", 404},
		{"GET", "/cek/v1/Milan/crl", "", 404},
		{"GET", "/vcek/v1/Milan/crl/", "", 404},
		{"GET", "x/vcek/v1/Milan/crl", "", 404},
		{"GET", "/", "", 404},
		{"GET", "", "", 404},
		{"GET", "/vlek/v1/Milan/cert", levels, 401},
		{"GET", fmt.Sprintf("/vlek/v1/Milan/%x", m.Template.ChipID), levels, 404},
		{"POST", "/vcek/v1/Milan/crl", "", 405},
	} {
		status, _, body := sevsnp.KDS{vendor(), genoa(), turin()}.Answer(c.method, c.path, c.query)
		if status != c.want || !bytes.HasPrefix(body, fmt.Appendf(nil, "%d - ", c.want)) {
			t.Errorf("%s %s?%s: status %d, want %d: %s", c.method, c.path, c.query, status, c.want, body)
		}
	}
	if status, _, _ := (sevsnp.KDS{}).Answer("GET", "/vcek/v1/Milan/crl", ""); status != 404 {
		t.Errorf("a service of nobody answers %d", status)
	}
}

func TestVendorChanges(t *testing.T) {
	// a vendor of its own: it changes
	v, err := sevsnp.NewVendor(sevsnp.VendorOptions{Seed: "changes", NotBefore: start})
	if err != nil {
		t.Fatal(err)
	}
	old, err := v.NewMachine(sevsnp.MachineOptions{Name: "old"})
	if err != nil {
		t.Fatal(err)
	}
	later := start.Add(30 * 24 * time.Hour)
	next, err := v.RotateASK(later)
	if err != nil {
		t.Fatal(err)
	}
	first, second := v.ASK().Certificate, next.ASK().Certificate
	if !bytes.Equal(first.RawSubject, second.RawSubject) || first.SerialNumber.Cmp(second.SerialNumber) == 0 || first.PublicKey == second.PublicKey || !second.NotBefore.Equal(later) {
		t.Errorf("the next ASK is %v, serial %v", second.Subject, second.SerialNumber)
	}
	after, err := next.NewMachine(sevsnp.MachineOptions{Name: "new"})
	if err != nil {
		t.Fatal(err)
	}
	if after.Certificate.CheckSignatureFrom(second) != nil || old.Certificate.CheckSignatureFrom(second) == nil {
		t.Error("the new machine's certificate is not by the new ASK, or the old one's is")
	}
	for _, m := range []*sevsnp.Machine{old, after} {
		status, _, body := sevsnp.KDS{next}.Answer("GET", fmt.Sprintf("/vcek/v1/Milan/%x", m.Template.ChipID), "blSPL=4&snpSPL=24&ucodeSPL=219")
		if status != 200 || !bytes.Equal(body, m.Certificate.Raw) {
			t.Errorf("after the rotation a machine's VCEK is answered with %d", status)
		}
	}

	for number := int64(2); number <= 3; number++ { // the list grows, and a renewal without news keeps it
		revoked := []*x509.Certificate{first}[:3-number]
		list, err := next.Revoke(later.Add(time.Duration(number)*time.Hour), revoked...)
		if err != nil {
			t.Fatal(err)
		}
		_, _, body := sevsnp.KDS{next}.Answer("GET", "/vcek/v1/Milan/crl", "")
		if !bytes.Equal(body, list.Raw) || list.Number.Int64() != number || len(list.RevokedCertificateEntries) != 1 ||
			list.RevokedCertificateEntries[0].SerialNumber.Cmp(first.SerialNumber) != 0 {
			t.Errorf("list number %v has %d entries, or is not handed out", list.Number, len(list.RevokedCertificateEntries))
		}
	}
}

// getter gives a client written for AMD's service the simulated one.
type getter struct{ asked []string }

func (g *getter) Get(address string) ([]byte, error) {
	g.asked = append(g.asked, address)
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host != "kdsintf.amd.com" && u.Host != "kdsintf.simulated.invalid" {
		return nil, fmt.Errorf("asks elsewhere: %s", address)
	}
	status, _, body := ask(u.EscapedPath(), u.RawQuery)
	if status != 200 {
		return nil, fmt.Errorf("status %d: %s", status, body)
	}
	return body, nil
}

// TestKDSServesAnotherClient lets an independent client fetch what it wants to
// verify simulated reports with. It accepts them under the simulated root, which it
// must be given, and not under AMD's.
func TestKDSServesAnotherClient(t *testing.T) {
	for _, v := range []*sevsnp.Vendor{vendor(), genoa()} {
		m, err := v.NewMachine(sevsnp.MachineOptions{Name: "client", WithoutCertificates: true})
		if err != nil {
			t.Fatal(err)
		}
		item, err := m.Item([64]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		report, err := abi.ReportToProto(item.Report)
		if err != nil {
			t.Fatal(err)
		}
		g := &getter{}
		options := &verify.Options{Getter: g, Now: start.Add(time.Hour)}
		attestation, err := verify.GetAttestationFromReport(report, options)
		if err != nil {
			t.Fatal(err)
		}
		wantChain(t, v, m, attestation.CertificateChain, options)
		if err := verify.SnpReportSignature(item.Report, m.Certificate); err != nil {
			t.Error(err)
		}
		if err := verify.SnpAttestation(attestation, options); err == nil {
			t.Error("the other verifier accepts a simulated report under AMD's roots")
		}
		if len(g.asked) != 3 { // chain, VCEK, CRL
			t.Errorf("it asked for %q", g.asked)
		}
	}
}

// wantChain verifies what the other client fetched by its own means.
func wantChain(t *testing.T, v *sevsnp.Vendor, m *sevsnp.Machine, chain *spb.CertificateChain, options *verify.Options) {
	t.Helper()
	if !bytes.Equal(chain.VcekCert, m.Certificate.Raw) || !bytes.Equal(chain.AskCert, v.ASK().Certificate.Raw) || !bytes.Equal(chain.ArkCert, v.ARK().Certificate.Raw) {
		t.Error("it fetched other certificates than the vendor's")
	}
	vcek, err := x509.ParseCertificate(chain.VcekCert)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimPrefix(v.ASK().Certificate.Subject.CommonName, "SEV-")
	extensions, err := kds.VcekCertificateExtensions(vcek)
	tcb := m.Template.ReportedTCB
	parts := kds.TCBParts{BlSpl: tcb.Bootloader, TeeSpl: tcb.TEE, SnpSpl: tcb.SNP, UcodeSpl: tcb.Microcode}
	want, _ := kds.ComposeTCBParts(parts)
	if err != nil || !bytes.Equal(extensions.HWID, m.Template.ChipID[:]) || extensions.TCBVersion != want || !strings.HasPrefix(extensions.ProductName, line) {
		t.Errorf("it reads the extensions as %+v (%v)", extensions, err)
	}
	root := trust.AMDRootCertsProduct(line)
	root.ProductCerts = &trust.ProductCerts{Ark: v.ARK().Certificate, Ask: v.ASK().Certificate}
	if _, err := vcek.Verify(*root.X509Options(options.Now, abi.VcekReportSigner)); err != nil {
		t.Error(err)
	}
	if list, err := verify.GetCrlAndCheckRoot(root, options); err != nil || list.Number.Int64() != 1 {
		t.Errorf("it reads the revocation list as %v (%v)", list, err)
	}
}

func FuzzKDS(f *testing.F) {
	f.Add("/vcek/v1/Milan/cert_chain", "")
	f.Add("/vlek/v1/Genoa/crl", "")
	f.Add("/vcek/v1/Milan/"+strings.Repeat("ab", 64), "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219")
	f.Fuzz(func(t *testing.T, path, query string) {
		status, contentType, body := ask(path, query)
		if contentType == "" || len(body) == 0 {
			t.Error("an answer without type or body")
		}
		if status == 200 && !bytes.HasPrefix(body, []byte("-----BEGIN CERTIFICATE-----")) && body[0] != 0x30 {
			t.Errorf("%s?%s is answered with neither PEM nor DER", path, query)
		}
	})
}

package vendors_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-sev-guest/abi"
	sevverify "github.com/google/go-sev-guest/verify"
	sevtrust "github.com/google/go-sev-guest/verify/trust"
	tdxverify "github.com/google/go-tdx-guest/verify"

	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/simulators/vendors"
)

// hosts are those that clients of the vendors ask, and the services that stand for them.
var hosts = map[string]string{
	"kdsintf.amd.com":                vendors.AMDKDS,
	"kdsintf.simulated.invalid":      vendors.AMDKDS, // in distribution points
	"api.trustedservices.intel.com":  vendors.IntelPCS,
	"certificates.simulated.invalid": vendors.IntelRoot, // likewise
}

// getter sends the requests of a vendor's client to the simulated services.
type getter struct {
	urls  vendors.URLs
	asked []string
}

func (g *getter) fetch(address string) (http.Header, []byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	g.asked = append(g.asked, address)
	base, err := url.Parse(g.urls[hosts[u.Host]])
	if err != nil || base.Host == "" {
		return nil, nil, fmt.Errorf("no service stands for %s", u.Host)
	}
	u.Scheme, u.Host, u.Path = base.Scheme, base.Host, base.Path+u.Path
	response, err := http.Get(u.String())
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return response.Header, body, err
}

// sevGetter is the getter of a client of AMD's.
type sevGetter struct{ *getter }

func (g sevGetter) Get(address string) ([]byte, error) {
	_, body, err := g.fetch(address)
	return body, err
}

func (g sevGetter) GetContext(_ context.Context, address string) ([]byte, error) {
	return g.Get(address)
}

// tdxGetter is the getter of a client of Intel's.
type tdxGetter struct{ *getter }

func (g tdxGetter) Get(address string) (map[string][]string, []byte, error) { return g.fetch(address) }

// TestSEVClient has a verifier that was written for AMD's service fetch everything from
// the simulated one. It accepts a simulated report under the simulated root, which it
// must be given, and not under those that it has; and it notices a revoked issuer. The
// product line Turin has a form of certificates that it does not know.
func TestSEVClient(t *testing.T) {
	server, urls := serve(t)
	vendor := world(t).SEVSNP
	machine := must[*sevsnp.Machine](t)(vendor.NewMachine(sevsnp.MachineOptions{Name: "client", WithoutCertificates: true}))
	item, err := machine.Item([64]byte{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	verify := func(roots map[string][]*sevtrust.AMDRootCerts) (*getter, error) {
		sevtrust.ClearProductCertCache() // it remembers chains for ever
		report, err := abi.ReportToProto(item.Report)
		if err != nil {
			t.Fatal(err)
		}
		g := &getter{urls: urls}
		return g, sevverify.SnpReport(report, &sevverify.Options{Getter: sevGetter{g}, CheckRevocations: true, TrustedRoots: roots})
	}
	trusted := func() map[string][]*sevtrust.AMDRootCerts {
		root := sevtrust.AMDRootCertsProduct(sevsnp.Milan)
		root.ProductCerts = &sevtrust.ProductCerts{Ark: vendor.ARK().Certificate, Ask: vendor.ASK().Certificate}
		return map[string][]*sevtrust.AMDRootCerts{sevsnp.Milan: {root}}
	}
	if g, err := verify(trusted()); err != nil || len(g.asked) != 3 { // chain, VCEK, CRL
		t.Errorf("asked for %q: %v", g.asked, err)
	}
	if _, err := verify(nil); err == nil || !strings.Contains(err.Error(), "could not be verified by any trusted roots") {
		t.Errorf("under AMD's roots: %v", err)
	}
	if err := server.Inject("ask-revoked"); err != nil {
		t.Fatal(err)
	}
	if _, err := verify(trusted()); err == nil || !strings.Contains(err.Error(), "ASK was revoked") {
		t.Errorf("of a revoked issuer: %v", err)
	}
}

// TestTDXClient does the same with a verifier that was written for Intel's services.
func TestTDXClient(t *testing.T) {
	server, urls := serve(t)
	options := tdx.DefaultMachine()
	options.Name = "client"
	options.FMSPC = [6]byte{0x90, 0x12, 0x34, 0x56, 0x78, 0x01} // without letters: it wants Intel's digits in lower case, and they are in upper case
	info := world(t).TDX.TCBInfo()
	info.FMSPC = fmt.Sprintf("%X", options.FMSPC)
	server.Intel().PublishTCBInfo(tdx.Standard, info)
	quote := world(t).TDX.NewMachine(options).Quote([64]byte{1, 2, 3})
	verify := func(roots *x509.CertPool) (*getter, error) {
		g := &getter{urls: urls}
		return g, tdxverify.RawTdxQuote(quote, &tdxverify.Options{
			Getter: tdxGetter{g}, GetCollateral: true, CheckRevocations: true, TrustedRoots: roots,
		})
	}
	simulated := x509.NewCertPool()
	simulated.AddCert(world(t).TDX.Root.Certificate)
	if g, err := verify(simulated); err != nil || len(g.asked) != 4 { // TCB info, identity, PCK list, root's list
		t.Errorf("asked for %q: %v", g.asked, err)
	}
	if _, err := verify(nil); err == nil {
		t.Error("accepted under Intel's root")
	}
	for fault, says := range map[string]string{
		"pck-revoked": "revoked", "pck-ca-revoked": "revoked", "tcb-info-out-of-date": "OutOfDate", "tcb-info-expired": "expired",
		"pck-crl-expired": "expired", "root-crl-forged": "verification failure", "tcb-info-forged": "verification failure", "qe-identity-out-of-date": "OutOfDate",
	} {
		var machines []string
		if fault == "pck-revoked" {
			machines = []string{"client"}
		}
		if err := server.Inject(fault, machines...); err != nil {
			t.Fatal(err)
		}
		if _, err := verify(simulated); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", fault, err)
		}
		server.Clear()
	}
}

package tdx

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-tdx-guest/pcs"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// The services as a cold verifier sees them.
func endorsers(v *Verifier) map[string]tee.Endorser {
	return map[string]tee.Endorser{
		"PCS": v.PCS(Standard), "early PCS": v.PCS(Early), "root": v.RootService(), "PCCS": v.PCCS(Standard), "early PCCS": v.PCCS(Early),
	}
}

// kept returns claims as they come back from where they were kept.
func kept(tb testing.TB, claims evidence.Claims) (back evidence.Claims) {
	tb.Helper()
	text, err := json.Marshal(claims)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return back
}

func TestNeeds(t *testing.T) {
	v := newVerifier(t)
	standing := []string{ofRootCRL, ofPCKCRL, "pck-crl processor", ofIdentity}
	unverified := func(alter func(*simulated.MachineOptions)) evidence.Claims {
		claims, err := v.UnverifiedClaims(&evidence.TDX{Quote: newScene(t, alter).machine.Quote(reportData)})
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	withTCBInfo := []string{ofRootCRL, ofPCKCRL, "pck-crl processor", ofTCBInfo, ofIdentity}
	for name, c := range map[string]struct {
		claims evidence.Claims
		want   []string
	}{
		"nothing":            {evidence.Claims{}, standing},
		"version 4":          {unverified(func(*simulated.MachineOptions) {}), withTCBInfo},
		"version 5":          {unverified(func(o *simulated.MachineOptions) { o.Version, o.TD15 = 5, true }), withTCBInfo},
		"Processor CA":       {unverified(func(o *simulated.MachineOptions) { o.Processor = true }), withTCBInfo},
		"verified":           {newScene(t).genuine().Claims, withTCBInfo},
		"no platform":        {evidence.Claims{Kind: evidence.KindTDX, TDX: &evidence.TDXClaims{}}, standing},
		"half an FMSPC":      {evidence.Claims{Kind: evidence.KindTDX, TDX: &evidence.TDXClaims{FMSPC: make([]byte, 3)}}, standing},
		"its kind alone":     {evidence.Claims{Kind: evidence.KindTDX}, nil},
		"another technology": {evidence.Claims{Kind: evidence.KindSEVSNP, SEVSNP: &evidence.SNPClaims{}}, nil},
		"not its kind":       {evidence.Claims{Kind: evidence.KindTPM, TDX: &evidence.TDXClaims{FMSPC: make([]byte, 6)}}, nil},
	} {
		for service, e := range endorsers(v) {
			for _, claims := range []evidence.Claims{c.claims, kept(t, c.claims)} {
				if diff := cmp.Diff(c.want, names(e.Needs(claims))); diff != "" {
					t.Errorf("%s, %s: (-want +got)\n%s", service, name, diff)
				}
			}
		}
	}
}

func TestLocate(t *testing.T) {
	root, platform, processor := rootCRLName(), pckCRLName(idPlatform), pckCRLName(idProcessor)
	info, identity := tcbInfoName([]byte{0x00, 0x80, 0x6f, 0x05, 0x00, 0x00}), qeIdentityName()
	pckCRL := map[tee.EndorsementName]string{
		platform:  "/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
		processor: "/sgx/certification/v4/pckcrl?ca=processor&encoding=der",
	}
	with := func(more map[tee.EndorsementName]string, update string) map[tee.EndorsementName]string {
		more[info] = "/tdx/certification/v4/tcb?fmspc=00806f050000&update=" + update
		more[identity] = "/tdx/certification/v4/qe/identity?update=" + update
		for name, path := range pckCRL {
			more[name] = path
		}
		return more
	}
	v := newVerifier(t)
	cached := func() map[tee.EndorsementName]string {
		return map[tee.EndorsementName]string{root: "/sgx/certification/v4/rootcacrl"}
	}
	for service, want := range map[string]map[tee.EndorsementName]string{
		"PCS":        with(map[tee.EndorsementName]string{}, "standard"),
		"early PCS":  with(map[tee.EndorsementName]string{}, "early"),
		"root":       {root: "/IntelSGXRootCA.der"},
		"PCCS":       with(cached(), "standard"),
		"early PCCS": with(cached(), "early"),
	} {
		for _, name := range []tee.EndorsementName{root, platform, processor, info, identity, signerName(), {Type: typePCKCA, ID: idPlatform}} {
			path, ok := endorsers(v)[service].Locate(name)
			if path != want[name] || ok != (path != "") {
				t.Errorf("%s has %s at %q (%v), want %q", service, name, path, ok, want[name])
			}
		}
	}
	// As an independent client asks, which leaves the channel to the service.
	for name, want := range map[tee.EndorsementName]string{
		platform: pcs.PckCrlURL("platform"), processor: pcs.PckCrlURL("processor"), info: pcs.TcbInfoURL("00806f050000"), identity: pcs.QeIdentityURL(),
	} {
		path, _ := v.PCS(Standard).Locate(name)
		got := strings.NewReplacer("?update=standard", "", "&update=standard", "").Replace("https://api.trustedservices.intel.com" + path)
		if got != want {
			t.Errorf("%s is at %s, want %s", name, got, want)
		}
	}
}

func TestUpdate(t *testing.T) {
	for _, u := range []Update{Standard, Early} {
		if got, ok := ParseUpdate(u.String()); !ok || got != u {
			t.Errorf("%v is read as %v (%v)", u, got, ok)
		}
	}
	for _, name := range []string{"", "Standard", "EARLY", "late", "standard "} {
		if _, ok := ParseUpdate(name); ok {
			t.Errorf("%q is a channel", name)
		}
	}
}

// TestAttack_D11_NamesThatAreNoEndorsements shows which names nobody is asked for.
func TestAttack_D11_NamesThatAreNoEndorsements(t *testing.T) {
	for service, e := range endorsers(newVerifier(t)) {
		for _, name := range []tee.EndorsementName{
			{}, {Type: "tcb-info", ID: "00806F050000"}, {Type: "tcb-info", ID: "00806f050000&update=early"}, {Type: "tcb-info", ID: "00806f05000/"},
			{Type: "tcb-info", ID: "%2e%2e%2f000"}, {Type: "tcb-info", ID: "00806f050000#"}, {Type: "tcb-info", ID: "00806f0500\n0"},
			{Type: "tcb-info", ID: "sgx/00806f050000"}, {Type: "qe-identity", ID: "QE"}, {Type: "qe-identity", ID: "../qve"},
			{Type: "pck-crl", ID: "//169.254.169.254/"}, {Type: "pck-crl", ID: "platform/.."}, {Type: "pck-crl", ID: "https://certificates.example/x.der"},
			{Type: "root-crl", ID: "http://169.254.169.254/"}, {Type: "root-crl", ID: cnRoot}, {Type: "root-crl", ID: "intel-sgx-root?"},
			{Type: "tcb-signing-chain", ID: idSigner}, {Type: "vcek", ID: "Milan"}, {Type: "crl", ID: "vcek/Milan"},
		} {
			if path, ok := e.Locate(name); ok || path != "" {
				t.Errorf("%s has %q at %q", service, name, path)
			}
		}
	}
}

// located is what every path looks like.
var located = regexp.MustCompile(`^(/tdx/certification/v4/tcb\?fmspc=[0-9a-f]{12}&update=(standard|early)` +
	`|/tdx/certification/v4/qe/identity\?update=(standard|early)|/sgx/certification/v4/pckcrl\?ca=(platform|processor)&encoding=der` +
	`|/sgx/certification/v4/rootcacrl|/IntelSGXRootCA\.der)$`)

// FuzzLocate shows that nothing of a name gets into a path unchecked.
func FuzzLocate(f *testing.F) {
	for _, name := range append(newVerifier(f).PCS(Standard).Needs(evidence.Claims{}), tcbInfoName(make([]byte, 6)), signerName()) {
		f.Add(name.Type, name.ID)
		f.Add(name.Type, name.ID+"&")
	}
	f.Add("tcb-info", "SGX/00806F050000")
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, typ, id string) {
		for service, e := range endorsers(v) {
			path, ok := e.Locate(tee.EndorsementName{Type: typ, ID: id})
			if ok != (path != "") || ok && !located.MatchString(path) {
				t.Fatalf("%s: %q %q is at %q (%v)", service, typ, id, path, ok)
			}
			if ok && typ == "tcb-info" && !strings.HasPrefix(path, "/tdx/certification/v4/tcb?fmspc="+id+"&") {
				t.Fatalf("%q is at %q", id, path)
			}
		}
	})
}

// TestChainHeaders: these are the fields that answers have.
func TestChainHeaders(t *testing.T) {
	s := newScene(t)
	services := simulated.NewServices(s.vendor)
	seen := map[string]bool{}
	for _, name := range append(s.verifier.PCS(Standard).Needs(evidence.Claims{}), tcbInfoName([]byte("SIMTDX"))) {
		if path, ok := s.verifier.PCS(Standard).Locate(name); ok {
			resource, query, _ := strings.Cut(path, "?")
			for field := range services.PCS("GET", resource, query).Header {
				seen[field] = true
			}
		}
	}
	for _, field := range ChainHeaders() {
		if !seen[field] {
			t.Errorf("no answer has the field %s", field)
		}
		delete(seen, field)
	}
	for field := range seen {
		if strings.Contains(field, "Chain") || !slices.Contains([]string{"Content-Type", "Request-ID"}, field) {
			t.Errorf("the field %s is not read", field)
		}
	}
}

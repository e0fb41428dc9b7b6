package sevsnp_test

import (
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// names writes names as text.
func names(all []tee.EndorsementName) []string {
	var text []string
	for _, name := range all {
		text = append(text, name.String())
	}
	return text
}

// roundTrip returns claims as they come back from where they were kept.
func roundTrip(tb testing.TB, claims evidence.Claims) (back evidence.Claims) {
	tb.Helper()
	kept, err := json.Marshal(claims)
	if err == nil {
		err = json.Unmarshal(kept, &back)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return back
}

func TestNeedsStanding(t *testing.T) {
	for name, c := range map[string]struct {
		v    *sevsnp.Verifier
		want []string
	}{
		"AMD alone": {newVerifier(t), []string{
			"crl vcek/Milan", "crl vlek/Milan", "crl vcek/Genoa", "crl vlek/Genoa", "crl vcek/Turin", "crl vlek/Turin"}},
		"with a simulated Genoa": {newVerifier(t, genoa().Anchor()), []string{"ask Genoa", "asvk Genoa",
			"crl vcek/Milan", "crl vlek/Milan", "crl vcek/Genoa", "crl vlek/Genoa", "crl vcek/Turin", "crl vlek/Turin"}},
	} {
		for _, claims := range []evidence.Claims{{}, roundTrip(t, evidence.Claims{})} {
			if diff := cmp.Diff(c.want, names(c.v.Needs(claims))); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", name, diff)
			}
		}
	}
}

func TestNeedsOfClaims(t *testing.T) {
	amd, simulated := newVerifier(t), newVerifier(t, milan().Anchor())
	claimsOf := func(change func(*simulator.Report)) evidence.Claims {
		m := newMachine(t, milan(), "needs", change)
		claims, err := amd.UnverifiedClaims(item(t, m))
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	chip := hex.EncodeToString(claimsOf(func(*simulator.Report) {}).SEVSNP.ChipID)
	levels := "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	lists := func(lines ...string) (text []string) {
		for _, line := range lines {
			text = append(text, "crl vcek/"+line, "crl vlek/"+line)
		}
		return text
	}
	for name, c := range map[string]struct {
		v      *sevsnp.Verifier
		claims evidence.Claims
		want   []string
	}{
		"VCEK": {amd, claimsOf(func(*simulator.Report) {}), append(lists("Milan"), "vcek Milan/"+chip+"?"+levels)},
		"VCEK under a simulated root": {simulated, claimsOf(func(*simulator.Report) {}),
			append(append([]string{"ask Milan", "asvk Milan"}, lists("Milan")...), "vcek Milan/"+chip+"?"+levels)},
		"VLEK":        {amd, claimsOf(func(r *simulator.Report) { r.SigningKey = simulator.KeyVLEK }), append(lists("Milan"), "vlek Milan?"+levels)},
		"masked chip": {amd, claimsOf(func(r *simulator.Report) { r.ChipID = [64]byte{} }), lists("Milan")},
		"version 2, of which nobody knows the line": {amd, claimsOf(func(r *simulator.Report) { r.Version = 2 }),
			append(lists("Milan", "Genoa"), "vcek Milan/"+chip+"?"+levels, "vcek Genoa/"+chip+"?"+levels)},
		"version 2, verified": {amd, func() evidence.Claims {
			claims := claimsOf(func(r *simulator.Report) { r.Version = 2 })
			claims.SEVSNP.Product, claims.SEVSNP.ProductSource = "Genoa", "certificate"
			return claims
		}(), append(lists("Genoa"), "vcek Genoa/"+chip+"?"+levels)},
		"Bergamo":            {amd, claimsOf(func(r *simulator.Report) { r.CPUModel = 0xa0 }), append(lists("Genoa"), "vcek Genoa/"+chip+"?"+levels)},
		"unknown processor":  {amd, claimsOf(func(r *simulator.Report) { r.CPUModel = 0x50 }), nil},
		"no signing key":     {amd, claimsOf(func(r *simulator.Report) { r.SigningKey = simulator.KeyNone }), nil},
		"another technology": {amd, evidence.Claims{Kind: evidence.KindTDX, TDX: &evidence.TDXClaims{}}, nil},
		"its kind alone":     {amd, evidence.Claims{Kind: evidence.KindSEVSNP}, nil},
		"not its kind":       {amd, evidence.Claims{Kind: evidence.KindTPM, SEVSNP: claimsOf(func(*simulator.Report) {}).SEVSNP}, nil},
		"empty report":       {amd, evidence.Claims{Kind: evidence.KindSEVSNP, SEVSNP: &evidence.SNPClaims{}}, nil},
	} {
		for _, claims := range []evidence.Claims{c.claims, roundTrip(t, c.claims)} {
			if diff := cmp.Diff(c.want, names(c.v.Needs(claims))); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", name, diff)
			}
		}
	}
}

// TestNeedsHostileClaims has claims of the right form that no report can give.
func TestNeedsHostileClaims(t *testing.T) {
	family, model, huge, level := uint32(0x19), uint32(1), uint32(1<<20), uint8(1)
	chip := make(evidence.Hex, 64)
	chip[0] = 1
	for name, c := range map[string]*evidence.SNPClaims{
		"product":     {SigningKey: "vcek", Product: "../Milan", ChipID: chip},
		"signing key": {SigningKey: "vcek/..", Product: "Milan", ChipID: chip},
		"model":       {SigningKey: "vcek", CPUFamily: &family, CPUModel: &huge, ChipID: chip},
		"short chip":  {SigningKey: "vcek", CPUFamily: &family, CPUModel: &model, ChipID: chip[:8]},
		"long chip":   {SigningKey: "vcek", CPUFamily: &family, CPUModel: &model, ChipID: append(chip[:64:64], 1)},
		"FMC":         {SigningKey: "vcek", CPUFamily: &family, CPUModel: &model, ChipID: chip, ReportedTCB: evidence.SNPTCB{FMC: &level}},
	} {
		for _, need := range newVerifier(t).Needs(evidence.Claims{Kind: evidence.KindSEVSNP, SEVSNP: c}) {
			if need.Type != "crl" {
				t.Errorf("%s: needs %s", name, need)
			}
		}
	}
}

// TestLocateAsOthersDo compares paths with the addresses that an independent client asks.
func TestLocateAsOthersDo(t *testing.T) {
	const host = "https://kdsintf.amd.com"
	v := newVerifier(t)
	wantPath := func(name tee.EndorsementName, want string) {
		t.Helper()
		if path, ok := v.Locate(name); !ok || host+path != want {
			t.Errorf("%s is at %q (%v), want %s", name, path, ok, want)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, line := range []string{"Milan", "Genoa"} {
		for range 50 {
			chip := make([]byte, 64)
			for i := range chip {
				chip[i] = byte(random.IntN(256))
			}
			parts := kds.TCBParts{BlSpl: uint8(random.IntN(128)), TeeSpl: uint8(random.IntN(128)), SnpSpl: uint8(random.IntN(128)), UcodeSpl: uint8(random.IntN(256))}
			tcb, err := kds.ComposeTCBParts(parts)
			if err != nil {
				t.Fatal(err)
			}
			claims := evidence.Claims{Kind: evidence.KindSEVSNP, SEVSNP: &evidence.SNPClaims{Product: line, SigningKey: "vcek", ChipID: chip,
				ReportedTCB: evidence.SNPTCB{Bootloader: parts.BlSpl, TEE: parts.TeeSpl, SNP: parts.SnpSpl, Microcode: parts.UcodeSpl}}}
			needs := v.Needs(claims)
			wantPath(needs[len(needs)-1], kds.VCEKCertURL(line, chip, tcb))
		}
	}
	for _, line := range []string{"Milan", "Genoa", "Turin"} {
		for key, signer := range map[string]abi.ReportSigner{"vcek": abi.VcekReportSigner, "vlek": abi.VlekReportSigner} {
			issuer := map[string]string{"vcek": "ask", "vlek": "asvk"}[key]
			wantPath(tee.EndorsementName{Type: issuer, ID: line}, kds.ProductCertChainURL(signer, line))
			wantPath(tee.EndorsementName{Type: "crl", ID: key + "/" + line}, kds.CrlLinkByKey(line, signer))
		}
	}
	// Turin's form, which that client does not know (57230, "VCEK certificate request").
	turin := tee.EndorsementName{Type: "vcek", ID: "Turin/0123456789abcdef?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=255"}
	wantPath(turin, host+"/vcek/v1/Turin/0123456789abcdef?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=255")
}

// TestAttack_D11_NamesThatAreNoEndorsements shows which names nobody is asked for.
func TestAttack_D11_NamesThatAreNoEndorsements(t *testing.T) {
	chip, levels := strings.Repeat("ab", 64), "blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"
	v := newVerifier(t)
	if _, ok := v.Locate(tee.EndorsementName{Type: "vcek", ID: "Milan/" + chip + "?" + levels}); !ok {
		t.Fatal("the well-formed name is refused")
	}
	for _, name := range []tee.EndorsementName{
		{},
		{Type: "vlek", ID: "Milan?" + levels}, // its provider has it, not AMD
		{Type: "vcek", ID: "Milan/masked?" + levels},
		{Type: "vcek", ID: "Milan/" + chip},
		{Type: "vcek", ID: "Milan/" + chip + "?"},
		{Type: "vcek", ID: "Milan/" + chip + "?" + levels + "&"},
		{Type: "vcek", ID: "Milan/" + chip + "?" + levels + "#"},
		{Type: "vcek", ID: "Milan/" + chip + "?" + levels + "&fmcSPL=1"},
		{Type: "vcek", ID: "Milan/" + chip + "?fmcSPL=1&" + levels},
		{Type: "vcek", ID: "Milan/" + chip + "?blSPL=04&teeSPL=0&snpSPL=24&ucodeSPL=219"},
		{Type: "vcek", ID: "Milan/" + chip + "?blSPL=+4&teeSPL=0&snpSPL=24&ucodeSPL=219"},
		{Type: "vcek", ID: "Milan/" + chip + "?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=256"},
		{Type: "vcek", ID: "Milan/" + chip + "?teeSPL=0&blSPL=4&snpSPL=24&ucodeSPL=219"},
		{Type: "vcek", ID: "Milan/" + strings.ToUpper(chip) + "?" + levels},
		{Type: "vcek", ID: "Milan/" + chip[2:] + "?" + levels},
		{Type: "vcek", ID: "Turin/" + chip + "?fmcSPL=1&" + levels},
		{Type: "vcek", ID: "Turin/0123456789abcdef?" + levels},
		{Type: "vcek", ID: "milan/" + chip + "?" + levels},
		{Type: "vcek", ID: "Rome/" + chip + "?" + levels},
		{Type: "vcek", ID: "MILAN/" + chip + "?" + levels},
		{Type: "vcek", ID: "/Milan/" + chip + "?" + levels},
		{Type: "vcek", ID: "Milan//" + chip + "?" + levels},
		{Type: "vcek", ID: "Milan/../Genoa/" + chip + "?" + levels},
		{Type: "vcek", ID: "//example.org/Milan/" + chip + "?" + levels},
		{Type: "vcek", ID: "example.org@Milan/" + chip + "?" + levels},
		{Type: "ask", ID: ""},
		{Type: "ask", ID: "Milan/cert_chain"},
		{Type: "ask", ID: "Milan "},
		{Type: "ask", ID: "Milan\n"},
		{Type: "ask", ID: "vcek/Milan"},
		{Type: "ask", ID: "Milan?x=1"},
		{Type: "asvk", ID: "../../crl"},
		{Type: "crl", ID: "Milan"},
		{Type: "crl", ID: "vcek/"},
		{Type: "crl", ID: "vcek/Milan/"},
		{Type: "crl", ID: "none/Milan"},
		{Type: "crl", ID: "vcek/Milan%2f"},
		{Type: "ark", ID: "Milan"},
		{Type: "ASK", ID: "Milan"},
		{Type: "tcb-info", ID: "Milan"},
	} {
		if path, ok := v.Locate(name); ok || path != "" {
			t.Errorf("%q is located at %q", name, path)
		}
	}
}

// located is what every path looks like.
var located = regexp.MustCompile(`^/(vcek/v1/(Milan|Genoa|Turin)/(cert_chain|crl)|vlek/v1/(Milan|Genoa|Turin)/(cert_chain|crl)` +
	`|vcek/v1/(Milan|Genoa)/[0-9a-f]{128}\?blSPL=\d{1,3}&teeSPL=\d{1,3}&snpSPL=\d{1,3}&ucodeSPL=\d{1,3}` +
	`|vcek/v1/Turin/[0-9a-f]{16}\?fmcSPL=\d{1,3}&blSPL=\d{1,3}&teeSPL=\d{1,3}&snpSPL=\d{1,3}&ucodeSPL=\d{1,3})$`)

// FuzzLocate shows that nothing of a name gets into a path unchecked.
func FuzzLocate(f *testing.F) {
	chip := strings.Repeat("ab", 64)
	for _, name := range [][2]string{
		{"vcek", "Milan/" + chip + "?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"},
		{"vcek", "Turin/0123456789abcdef?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=255"},
		{"vlek", "Genoa?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219"},
		{"ask", "Milan"}, {"asvk", "Genoa"}, {"crl", "vcek/Milan"}, {"crl", "vlek/../Turin"},
	} {
		f.Add(name[0], name[1])
	}
	v := newVerifier(f)
	f.Fuzz(func(t *testing.T, typ, id string) {
		path, ok := v.Locate(tee.EndorsementName{Type: typ, ID: id})
		if ok != (path != "") {
			t.Fatalf("%q %q: path %q, %v", typ, id, path, ok)
		}
		unsafe := slices.ContainsFunc([]string{"..", "//", "%", "@", "#", "\\", " "}, func(s string) bool { return strings.Contains(path, s) })
		if ok && (unsafe || !located.MatchString(path)) {
			t.Fatalf("%q %q is located at %q", typ, id, path)
		}
		if ok && typ == "vcek" && path != "/vcek/v1/"+id {
			t.Fatalf("%q is located at %q", id, path)
		}
	})
}

var _ tee.Endorser = (*sevsnp.Verifier)(nil)

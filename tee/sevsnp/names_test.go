package sevsnp

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
)

// drawTCB draws the levels of a layout, the reserved bytes zero.
func drawTCB(t *rapid.T, l *layout, label string) tcb {
	drawn := tcb{layout: l}
	for _, at := range l.at {
		if at != absent {
			drawn.levels[at] = rapid.Byte().Draw(t, label)
		}
	}
	return drawn
}

func drawKeyName(t *rapid.T) keyName {
	n := keyName{key: rapid.SampledFrom([]signingKey{vcek, vlek}).Draw(t, "key"), line: rapid.SampledFrom(products).Draw(t, "line")}
	n.tcb = drawTCB(t, n.line.layout, "level")
	if n.key == vcek {
		n.chip = rapid.SliceOfN(rapid.Byte(), n.line.layout.chipID, n.line.layout.chipID).Draw(t, "chip")
	}
	return n
}

func TestNamesSurviveParsing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawKeyName(t)
		got, ok := parseKeyName(want.name())
		if !ok || got.key != want.key || got.line != want.line || got.tcb != want.tcb || !bytes.Equal(got.chip, want.chip) {
			t.Fatalf("%v is read as %+v (%v)", want.name(), got, ok)
		}
	})
	for _, line := range products {
		for _, key := range []signingKey{vcek, vlek} {
			if k, l, ok := parseIssuerName(issuerName(key, line)); !ok || k != key || l != line {
				t.Errorf("%v is read as that of %v %v", issuerName(key, line), k, l)
			}
			if k, l, ok := parseCRLName(crlName(key, line)); !ok || k != key || l != line {
				t.Errorf("%v is read as that of %v %v", crlName(key, line), k, l)
			}
		}
	}
}

// TestNamesAreThoseOfTheService gives the names that AMD's key distribution
// service has as paths.
func TestNamesAreThoseOfTheService(t *testing.T) {
	old := tcb{family19, [8]byte{4, 1, 0, 0, 0, 0, 24, 219}}
	zen5 := tcb{family1A, [8]byte{1, 2, 3, 4, 0, 0, 0, 74}}
	chip := bytes.Repeat([]byte{0xab}, 64)
	for want, got := range map[string]tee.EndorsementName{
		"vcek Milan/" + strings.Repeat("ab", 64) + "?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219": vcekName(milan, chip, old),
		"vcek Turin/abababababababab?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=74":          vcekName(turin, chip[:8], zen5),
		"vcek Genoa/masked?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219":                           vcekName(genoa, nil, old),
		"vlek Genoa?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219":                                  vlekName(genoa, old),
		"ask Turin":      issuerName(vcek, turin),
		"asvk Milan":     issuerName(vlek, milan),
		"crl vcek/Milan": crlName(vcek, milan),
		"crl vlek/Turin": crlName(vlek, turin),
	} {
		if got.String() != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestNamesAreReadStrictly(t *testing.T) {
	chip := strings.Repeat("ab", 64)
	const levels = "blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219"
	for _, id := range []string{
		"", "?", "/", "Milan", "Milan/", "Milan/" + chip, "Milan/" + chip + "?", "Milan/masked?" + levels,
		"milan/" + chip + "?" + levels, "Milan /" + chip + "?" + levels, "Bergamo/" + chip + "?" + levels, "unknown/" + chip + "?" + levels,
		"Milan/" + chip[2:] + "?" + levels, "Milan/" + chip + "00?" + levels, "Milan/" + strings.ToUpper(chip) + "?" + levels,
		"Milan/" + chip + "/?" + levels, "Milan/" + chip + "/../x?" + levels, "Milan//" + chip + "?" + levels,
		"Milan/" + chip + "??" + levels, "Milan/" + chip + "?" + levels + "&", "Milan/" + chip + "?&" + levels, "Milan/" + chip + "?" + levels + "&x=1",
		"Milan/" + chip + "?" + levels + "&ucodeSPL=219", "Milan/" + chip + "?" + levels + "#x", "Milan/" + chip + "?" + levels + "\n",
		"Milan/" + chip + "?teeSPL=1&blSPL=4&snpSPL=24&ucodeSPL=219", "Milan/" + chip + "?fmcSPL=1&" + levels,
		"Milan/" + chip + "?blSPL=04&teeSPL=1&snpSPL=24&ucodeSPL=219", "Milan/" + chip + "?blSPL=+4&teeSPL=1&snpSPL=24&ucodeSPL=219",
		"Milan/" + chip + "?blSPL=256&teeSPL=1&snpSPL=24&ucodeSPL=219", "Milan/" + chip + "?blSPL=&teeSPL=1&snpSPL=24&ucodeSPL=219",
		"Milan/" + chip + "?blSPL=4&teeSPL=1&snpSPL=24", "Turin/" + chip + "?fmcSPL=1&" + levels, "Turin/" + chip[:16] + "?" + levels,
	} {
		if n, ok := parseKeyName(tee.EndorsementName{Type: typeVCEK, ID: id}); ok {
			t.Errorf("vcek %q is read as %+v", id, n)
		}
	}
	for _, n := range []tee.EndorsementName{
		{Type: "VCEK", ID: "Milan/" + chip + "?" + levels}, {Type: typeVLEK, ID: "Milan/" + chip + "?" + levels}, {Type: typeVLEK, ID: "Milan"},
		{Type: typeVLEK, ID: "Rome?" + levels}, {Type: typeASK, ID: "Milan?" + levels}, {Type: typeCRL, ID: "vcek/Milan"},
	} {
		if got, ok := parseKeyName(n); ok {
			t.Errorf("%q is read as %+v", n, got)
		}
	}
	for _, n := range []tee.EndorsementName{{Type: typeASK, ID: "Rome"}, {Type: typeASK}, {Type: "ark", ID: "Milan"}, {Type: typeCRL, ID: "Milan"}} {
		if _, _, ok := parseIssuerName(n); ok {
			t.Errorf("%q is read as an issuer's", n)
		}
	}
	for _, n := range []tee.EndorsementName{{Type: typeCRL, ID: "Milan"}, {Type: typeCRL, ID: "ark/Milan"}, {Type: typeCRL, ID: "vcek/Rome"}, {Type: typeCRL, ID: "vcek/Milan/"}, {Type: typeASK, ID: "vcek/Milan"}} {
		if _, _, ok := parseCRLName(n); ok {
			t.Errorf("%q is read as a list's", n)
		}
	}
}

func TestNamesFromClaims(t *testing.T) {
	number := func(n uint32) *uint32 { return &n }
	level := func(n uint8) *uint8 { return &n }
	old := evidence.SNPTCB{Bootloader: 4, TEE: 1, SNP: 24, Microcode: 219}
	zen5 := evidence.SNPTCB{FMC: level(1), Bootloader: 2, TEE: 3, SNP: 4, Microcode: 74}
	chip, short := bytes.Repeat([]byte{0xab}, 64), append(bytes.Repeat([]byte{0xcd}, 8), make([]byte, 56)...)
	wide := "/" + strings.Repeat("ab", 64) + "?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219"
	for name, test := range map[string]struct {
		claims evidence.SNPClaims
		want   []string
	}{
		"zero":               {evidence.SNPClaims{}, nil},
		"no key":             {evidence.SNPClaims{SigningKey: "none", Product: "Milan", ReportedTCB: old}, nil},
		"by processor":       {evidence.SNPClaims{SigningKey: "vcek", CPUFamily: number(0x19), CPUModel: number(1), ChipID: chip, ReportedTCB: old}, []string{"vcek Milan" + wide}},
		"unknown processor":  {evidence.SNPClaims{SigningKey: "vcek", CPUFamily: number(0x19), CPUModel: number(0x101), ChipID: chip, ReportedTCB: old, Product: "Milan"}, nil},
		"version 2":          {evidence.SNPClaims{SigningKey: "vcek", ChipID: chip, ReportedTCB: old}, []string{"vcek Milan" + wide, "vcek Genoa" + wide}},
		"by certificate":     {evidence.SNPClaims{SigningKey: "vcek", Product: "Genoa", ChipID: chip, ReportedTCB: old}, []string{"vcek Genoa" + wide}},
		"masked":             {evidence.SNPClaims{SigningKey: "vcek", Product: "Genoa", ReportedTCB: old}, []string{"vcek Genoa/masked?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219"}},
		"VLEK":               {evidence.SNPClaims{SigningKey: "vlek", Product: "Milan", ReportedTCB: old}, []string{"vlek Milan?blSPL=4&teeSPL=1&snpSPL=24&ucodeSPL=219"}},
		"Turin":              {evidence.SNPClaims{SigningKey: "vcek", Product: "Turin", ChipID: short, ReportedTCB: zen5}, []string{"vcek Turin/cdcdcdcdcdcdcdcd?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=74"}},
		"Turin, chip of 64":  {evidence.SNPClaims{SigningKey: "vcek", Product: "Turin", ChipID: chip, ReportedTCB: zen5}, nil},
		"Turin without FMC":  {evidence.SNPClaims{SigningKey: "vcek", Product: "Turin", ChipID: short, ReportedTCB: old}, nil},
		"Milan with FMC":     {evidence.SNPClaims{SigningKey: "vcek", Product: "Milan", ChipID: chip, ReportedTCB: zen5}, nil},
		"chip too short":     {evidence.SNPClaims{SigningKey: "vcek", Product: "Milan", ChipID: chip[:63], ReportedTCB: old}, nil},
		"product of no line": {evidence.SNPClaims{SigningKey: "vcek", Product: "Milan/..", ChipID: chip, ReportedTCB: old}, nil},
	} {
		var got []string
		for _, n := range keyNames(&test.claims) {
			got = append(got, n.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

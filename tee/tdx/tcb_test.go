package tdx

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestConverge holds the table of Intel's verification library: platform status
// against a quoting enclave or module that is out of date.
func TestConverge(t *testing.T) {
	for platform, want := range map[string]string{
		"UpToDate":                          "OutOfDate",
		"SWHardeningNeeded":                 "OutOfDate",
		"ConfigurationNeeded":               "OutOfDateConfigurationNeeded",
		"ConfigurationAndSWHardeningNeeded": "OutOfDateConfigurationNeeded",
		"OutOfDate":                         "OutOfDate",
		"OutOfDateConfigurationNeeded":      "OutOfDateConfigurationNeeded",
		"Revoked":                           "Revoked",
	} {
		s, ok := parseStatus(platform)
		if !ok {
			t.Fatalf("%s is unknown", platform)
		}
		if got := converge(s, outOfDate); got.String() != want {
			t.Errorf("%s with an outdated part: %s, want %s", platform, got, want)
		}
		if got := converge(s, upToDate); got != s {
			t.Errorf("%s with a current part: %s", platform, got)
		}
		if got := converge(s, revoked); got != revoked {
			t.Errorf("%s with a revoked part: %s", platform, got)
		}
	}
	if got := converge(notSupported, upToDate); got != notSupported {
		t.Errorf("NotSupported converges to %s", got)
	}
	if got := converge(notSupported, revoked); got != revoked {
		t.Errorf("NotSupported and Revoked converge to %s", got)
	}
}

// TestConvergeProperties: the order of parts does not matter, and every result
// has a name.
func TestConvergeProperties(t *testing.T) {
	all := []status{}
	for s := range statusNames {
		all = append(all, s)
	}
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				abc := converge(a, b, c)
				if abc != converge(c, converge(b, a)) || statusNames[abc] == "" {
					t.Errorf("%s, %s, %s: %s", a, b, c, abc)
				}
			}
		}
	}
}

// model is a naive second evaluation, written against the text of Intel's
// algorithm with lists of names and no cleverness.
type model struct {
	platform, module, qe, together string
}

func naive(info *tcbInfo, id *qeIdentity, p *platform, svn []byte, qeSVN uint16) model {
	m := model{platform: "NotSupported", qe: "NotSupported"}
	start := 0
	if svn[1] > 0 {
		start, m.module = 2, "NotSupported"
	}
	for _, l := range info.levels {
		ok := int(p.pceSVN) >= int(l.pceSVN)
		for i := 0; i < 16; i++ {
			ok = ok && int(p.components[i]) >= int(l.sgx[i])
		}
		for i := start; i < 16; i++ {
			ok = ok && int(svn[i]) >= int(l.tdx[i])
		}
		if ok {
			m.platform = l.status.String()
			break
		}
	}
	for _, identity := range info.modules {
		if start == 2 && fmt.Sprintf("TDX_%02X", identity.version) == fmt.Sprintf("TDX_%02X", svn[1]) {
			m.module = naiveSVN(identity.levels, int(svn[0]))
		}
	}
	m.qe = naiveSVN(id.levels, int(qeSVN))
	m.together = naiveConverge(m.platform, m.module, m.qe)
	return m
}

func naiveSVN(levels []svnLevel, svn int) string {
	sorted := slices.Clone(levels)
	slices.SortStableFunc(sorted, func(a, b svnLevel) int { return int(b.svn) - int(a.svn) })
	for _, l := range sorted {
		if svn >= int(l.svn) {
			return l.status.String()
		}
	}
	return "NotSupported"
}

func naiveConverge(platform, module, qe string) string {
	parts := []string{platform, module, qe}
	if slices.Contains(parts, "Revoked") {
		return "Revoked"
	}
	if slices.Contains(parts, "NotSupported") {
		return "NotSupported"
	}
	outdated, config, harden := false, false, false
	for _, s := range parts {
		switch s {
		case "OutOfDate":
			outdated = true
		case "OutOfDateConfigurationNeeded":
			outdated, config = true, true
		case "ConfigurationNeeded":
			config = true
		case "SWHardeningNeeded":
			harden = true
		case "ConfigurationAndSWHardeningNeeded":
			config, harden = true, true
		}
	}
	switch {
	case outdated && config:
		return "OutOfDateConfigurationNeeded"
	case outdated:
		return "OutOfDate"
	case config && harden:
		return "ConfigurationAndSWHardeningNeeded"
	case config:
		return "ConfigurationNeeded"
	case harden:
		return "SWHardeningNeeded"
	}
	return "UpToDate"
}

// levels in names that a document may give.
var levelStatuses = []status{
	upToDate, hardening, configuration, configuration | hardening, outOfDate, outOfDate | configuration, revoked,
}

func drawVerdict(t *rapid.T) verdict {
	return verdict{
		status: rapid.SampledFrom(levelStatuses).Draw(t, "status"),
		date:   time.Unix(int64(rapid.IntRange(0, 1000).Draw(t, "date")), 0),
	}
}

// drawVector draws 16 small components, so that levels are often reached.
func drawVector(t *rapid.T, name string) (out [16]uint8) {
	for i := range out {
		if i < 3 || i == 15 {
			out[i] = uint8(rapid.IntRange(0, 3).Draw(t, name))
		}
	}
	return out
}

func drawSVNLevels(t *rapid.T) []svnLevel {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) svnLevel {
		return svnLevel{svn: uint16(rapid.IntRange(0, 5).Draw(t, "svn")), verdict: drawVerdict(t)}
	}), 0, 4, func(l svnLevel) uint16 { return l.svn }).Draw(t, "levels")
}

func drawInfo(t *rapid.T) *tcbInfo {
	info := &tcbInfo{}
	for range rapid.IntRange(0, 5).Draw(t, "levels") {
		info.levels = append(info.levels, platformLevel{
			sgx: drawVector(t, "sgx"), tdx: drawVector(t, "tdx"),
			pceSVN: uint16(rapid.IntRange(0, 3).Draw(t, "pcesvn")), verdict: drawVerdict(t),
		})
	}
	for version := range uint8(3) {
		if rapid.Bool().Draw(t, "identity") {
			info.modules = append(info.modules, moduleIdentity{version: version + 1, levels: drawSVNLevels(t)})
		}
	}
	sortLevels(info.levels)
	return info
}

// sortLevels puts a level before every level that it lies above, as Intel lists
// them.
func sortLevels(levels []platformLevel) {
	for i := range levels {
		for j := i + 1; j < len(levels); j++ {
			if levels[j].above(&levels[i]) {
				levels[i], levels[j] = levels[j], levels[i]
				j = i
			}
		}
	}
}

func drawPlatform(t *rapid.T) *platform {
	return &platform{components: drawVector(t, "component"), pceSVN: uint16(rapid.IntRange(0, 3).Draw(t, "pce"))}
}

// TestAttack_T18_AgainstModel compares the evaluation with the naive one on
// generated platforms and documents.
func TestAttack_T18_AgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		info, id, p := drawInfo(t), &qeIdentity{levels: drawSVNLevels(t)}, drawPlatform(t)
		svn, qeSVN := drawVector(t, "tee svn"), uint16(rapid.IntRange(0, 6).Draw(t, "qe svn"))
		got := evaluate(info, id, p, svn[:], qeSVN).claims(1)
		want := naive(info, id, p, svn[:], qeSVN)
		if got.Status != want.together || got.PlatformStatus != want.platform || got.ModuleStatus != want.module || got.QEStatus != want.qe {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// TestAttack_T18_Monotonic: where newer levels are better, raising any component
// never makes the status worse.
func TestAttack_T18_Monotonic(t *testing.T) {
	order := []status{upToDate, outOfDate, revoked}
	rapid.Check(t, func(t *rapid.T) {
		info, p, svn := drawInfo(t), drawPlatform(t), drawVector(t, "tee svn")
		svn[1] = 0
		chain := info.levels[:0]
		for _, l := range info.levels { // a descending chain: each level below the one before
			if len(chain) == 0 || chain[len(chain)-1].above(&l) {
				l.status = order[min(len(chain), 2)]
				chain = append(chain, l)
			}
		}
		info.levels = chain
		before := info.platformVerdict(p, svn[:]).status
		if i := rapid.IntRange(0, 32).Draw(t, "raise"); i < 16 {
			p.components[i]++
		} else if i < 32 && i != 17 {
			svn[i-16]++
		} else {
			p.pceSVN++
		}
		after := info.platformVerdict(p, svn[:]).status
		rank := func(s status) int {
			if i := slices.Index(order, s); i >= 0 {
				return i
			}
			return len(order)
		}
		if rank(after) > rank(before) {
			t.Fatalf("raised from %s to %s", before, after)
		}
	})
}

// TestLevelOrder: a level that lies above counts wherever it is listed.
func TestLevelOrder(t *testing.T) {
	low, high := platformLevel{verdict: verdict{status: outOfDate}}, platformLevel{verdict: verdict{status: upToDate}}
	high.sgx[0] = 3
	p := &platform{components: [16]uint8{3}}
	for _, levels := range [][]platformLevel{{low, high}, {high, low}} {
		if got := (&tcbInfo{levels: levels}).platformVerdict(p, make([]byte, 16)); got.status != upToDate {
			t.Errorf("status %s", got.status)
		}
	}
}

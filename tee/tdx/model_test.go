package tdx

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
)

// world is everything that a TCB evaluation depends on, as documents and machines
// have it.
type world struct {
	info     simulated.TCBInfo
	identity simulated.QEIdentity
	platform simulated.Platform
	launch   [16]byte
	now      *[16]byte // TD report 1.5 only
	qeSVN    uint16
}

// expected is what a second evaluation gives that is written along the text of Intel's algorithm
// (its quote verification library, "evaluate TCB"; sections 4.1.2.5.2 and 4.1.2.5.20
// of its requirements) with names in place of sets and no cleverness. It knows
// nothing of the first one's types.
type expected struct {
	status, platform, module, qe string
	advisories                   []string
}

func (w *world) expected() expected {
	launch := w.withModule(w.launch)
	if w.now == nil {
		return launch
	}
	now := w.withModule(*w.now)
	launch.advisories = append(launch.advisories, now.advisories...)
	if launch.status == "NotSupported" || now.status == "NotSupported" {
		launch.status = "NotSupported"
		return launch
	}
	relaunched := launch.status == "OutOfDate" || launch.status == "OutOfDateConfigurationNeeded"
	switch now.status {
	case "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded":
	default:
		relaunched = false
	}
	if relaunched && w.relaunchable(launch.module) {
		configuration := strings.Contains(launch.status, "Configuration") || strings.Contains(now.status, "Configuration")
		launch.status = "TDRelaunchAdvised"
		if configuration {
			launch.status = "TDRelaunchAdvisedConfigurationNeeded"
		}
	}
	return launch
}

// relaunchable is what Intel's library asks for besides, step by step: the
// platform by itself is not out of date, the module of the launch is, and what runs
// now is of the newest level, by the module's identity if it has a version.
func (w *world) relaunchable(launched string) bool {
	levels := highestFirst(w.info.TCBLevels)
	platform := "NotSupported"
	for i := len(levels) - 1; i >= 0; i-- { // the highest is written last
		reached := int(w.platform.PCESVN) >= levels[i].TCB.PCESVN
		for n := range 16 {
			reached = reached && int(w.platform.Components[n]) >= levels[i].TCB.SGX[n].SVN
		}
		if reached {
			platform = levels[i].TCBStatus
		}
	}
	switch platform {
	case "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded":
	default:
		return false
	}
	if !strings.HasPrefix(launched, "OutOfDate") || int(w.now[2]) < levels[0].TCB.TDX[2].SVN {
		return false
	}
	if w.now[1] == 0 {
		return int(w.now[0]) >= levels[0].TCB.TDX[0].SVN
	}
	for _, identity := range w.info.TDXModuleIdentities {
		if identity.ID == fmt.Sprintf("TDX_%02X", w.now[1]) {
			newest := -1
			for _, level := range identity.TCBLevels {
				newest = max(newest, level.TCB.ISVSVN)
			}
			return newest >= 0 && int(w.now[0]) >= newest
		}
	}
	return false
}

// withModule evaluates with the module of one TEE_TCB_SVN.
func (w *world) withModule(svn [16]byte) expected {
	r := expected{platform: "NotSupported", qe: "NotSupported"}
	start := 0
	if svn[1] > 0 {
		start = 2
	}
	for _, level := range highestFirst(w.info.TCBLevels) {
		reached := int(w.platform.PCESVN) >= level.TCB.PCESVN
		for i := 0; i < 16; i++ {
			reached = reached && int(w.platform.Components[i]) >= level.TCB.SGX[i].SVN
		}
		for i := start; i < 16; i++ {
			reached = reached && int(svn[i]) >= level.TCB.TDX[i].SVN
		}
		if reached {
			r.platform = level.TCBStatus
			r.advisories = append(r.advisories, level.AdvisoryIDs...)
			break
		}
	}
	if svn[1] > 0 {
		r.module = "NotSupported"
		for _, identity := range w.info.TDXModuleIdentities {
			if identity.ID == fmt.Sprintf("TDX_%02X", svn[1]) {
				r.module = r.newest(identity.TCBLevels, int(svn[0]))
			}
		}
	}
	r.qe = r.newest(w.identity.TCBLevels, int(w.qeSVN))
	r.status = joined(r.platform, r.module, r.qe)
	return r
}

// newest returns the status of the highest level that svn reaches.
func (r *expected) newest(levels []simulated.SVNLevel, svn int) string {
	for wanted := svn; wanted >= 0; wanted-- {
		for _, level := range levels {
			if level.TCB.ISVSVN == wanted {
				r.advisories = append(r.advisories, level.AdvisoryIDs...)
				return level.TCBStatus
			}
		}
	}
	return "NotSupported"
}

// joined is the convergence: module and quoting enclave may only be up to date,
// out of date or revoked.
func joined(platform string, parts ...string) string {
	if platform == "NotSupported" || slices.Contains(parts, "NotSupported") {
		return "NotSupported"
	}
	if slices.Contains(parts, "Revoked") {
		return "Revoked"
	}
	if slices.Contains(parts, "OutOfDate") {
		switch platform {
		case "UpToDate", "SWHardeningNeeded":
			return "OutOfDate"
		case "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded":
			return "OutOfDateConfigurationNeeded"
		}
	}
	return platform
}

// highestFirst selects the highest level again and again.
func highestFirst(levels []simulated.Level) []simulated.Level {
	left, sorted := slices.Clone(levels), []simulated.Level{}
	for len(left) > 0 {
		best := 0
		for i := range left {
			if strings.Compare(key(left[i]), key(left[best])) > 0 {
				best = i
			}
		}
		sorted, left = append(sorted, left[best]), slices.Delete(left, best, best+1)
	}
	return sorted
}

// key writes a level's versions so that texts compare as levels do.
func key(l simulated.Level) string {
	var b strings.Builder
	for _, c := range l.TCB.SGX {
		fmt.Fprintf(&b, "%03d ", c.SVN)
	}
	fmt.Fprintf(&b, "%05d ", l.TCB.PCESVN)
	for _, c := range l.TCB.TDX {
		fmt.Fprintf(&b, "%03d ", c.SVN)
	}
	return b.String()
}

// evaluated is what this package says, from the documents' JSON on.
func (w *world) evaluated(t *rapid.T) *evidence.TDXTCB {
	found, err := w.tcb()
	if err != nil {
		t.Fatalf("a document was refused: %v", err)
	}
	return found.claims()
}

func (w *world) tcb() (*tcb, error) {
	found := &tcb{
		platform: &platform{components: w.platform.Components, pceSVN: w.platform.PCESVN},
		launch:   w.launch[:], qeSVN: w.qeSVN,
	}
	if w.now != nil {
		found.now = w.now[:]
	}
	body, err := json.Marshal(w.info)
	if err != nil {
		return nil, err
	}
	if found.info, err = decodeTCBInfo(body); err != nil {
		return nil, err
	}
	if body, err = json.Marshal(w.identity); err != nil {
		return nil, err
	}
	found.identity, err = decodeQEIdentity(body)
	return found, err
}

// Statuses that Intel gives levels of platforms, and of modules and enclaves.
var (
	platformStatuses = []string{
		"UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded", "Revoked",
	}
	partStatuses = []string{"UpToDate", "OutOfDate", "Revoked"}
)

// drawWorld draws documents in any order, with small versions, so that levels are
// often reached.
func drawWorld(t *rapid.T, parts []string) *world {
	vendor := drawnVendor
	w := &world{info: vendor.TCBInfo(), identity: vendor.QEIdentity(), launch: drawSVN(t), qeSVN: uint16(rapid.IntRange(0, 6).Draw(t, "QE"))}
	w.platform = simulated.Platform{Components: drawSVN(t), PCESVN: uint16(rapid.IntRange(0, 3).Draw(t, "PCE"))}
	w.info.TCBLevels = rapid.SliceOfNDistinct(rapid.Custom(drawLevel), 0, 6, key).Draw(t, "levels")
	w.info.TDXModuleIdentities = nil
	for version := 1; version <= 3; version++ {
		if rapid.Bool().Draw(t, "identity") {
			w.info.TDXModuleIdentities = append(w.info.TDXModuleIdentities, simulated.ModuleIdentity{
				ID: fmt.Sprintf("TDX_%02X", version), Module: w.info.TDXModule, TCBLevels: drawSVNLevels(t, parts),
			})
		}
	}
	w.identity.TCBLevels = drawSVNLevels(t, parts)
	if rapid.Bool().Draw(t, "1.5") {
		now := drawSVN(t)
		w.now = &now
	}
	return w
}

var drawnVendor = simulated.NewVendor(simulated.Options{Seed: "test", Clock: func() time.Time { return clock }})

func drawSVN(t *rapid.T) (out [16]byte) {
	for _, i := range []int{0, 1, 2, 15} {
		out[i] = uint8(rapid.IntRange(0, 3).Draw(t, "svn"))
	}
	return out
}

func drawLevel(t *rapid.T) simulated.Level {
	l := simulated.Level{TCBStatus: rapid.SampledFrom(platformStatuses).Draw(t, "status"), TCBDate: drawDate(t), AdvisoryIDs: drawAdvisories(t)}
	sgx, tdx := drawSVN(t), drawSVN(t)
	for i := range l.TCB.SGX {
		l.TCB.SGX[i].SVN, l.TCB.TDX[i].SVN = int(sgx[i]), int(tdx[i])
	}
	l.TCB.PCESVN = rapid.IntRange(0, 3).Draw(t, "PCESVN")
	return l
}

func drawDate(t *rapid.T) time.Time {
	return time.Unix(int64(rapid.IntRange(0, 1000).Draw(t, "date")), 0).UTC()
}

func drawAdvisories(t *rapid.T) []string {
	return rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C"}), 0, 2).Draw(t, "advisories")
}

func drawSVNLevels(t *rapid.T, statuses []string) []simulated.SVNLevel {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) simulated.SVNLevel {
		return simulated.SVNLevel{
			TCB:       simulated.ISVSVN{ISVSVN: rapid.IntRange(0, 5).Draw(t, "ISVSVN")},
			TCBStatus: rapid.SampledFrom(statuses).Draw(t, "status"), TCBDate: drawDate(t), AdvisoryIDs: drawAdvisories(t),
		}
	}), 0, 4, func(l simulated.SVNLevel) int { return l.TCB.ISVSVN }).Draw(t, "levels")
}

// TestAttack_T18_AgainstModel compares the evaluation with the reference on generated platforms and documents. Two differences are meant: a part that is
// revoked counts before one that nothing is known of, and a TD that was launched
// well is not well if its module is worse now.
func TestAttack_T18_AgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, partStatuses)
		got, want := w.evaluated(t), w.expected()
		if got.PlatformStatus != want.platform || got.ModuleStatus != want.module || got.QEStatus != want.qe {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		advisories := slices.Clone(want.advisories)
		slices.Sort(advisories)
		if !slices.Equal(got.Advisories, slices.Compact(advisories)) {
			t.Fatalf("advisories %v, want %v", got.Advisories, advisories)
		}
		switch {
		case got.Status == want.status:
		case got.Status == "Revoked" && want.status == "NotSupported":
		case w.now != nil && isWorse(t, got.CurrentStatus, got.LaunchStatus) && isWorse(t, got.Status, want.status):
		default:
			t.Fatalf("got %s (launched %s, now %s), want %s", got.Status, got.LaunchStatus, got.CurrentStatus, want.status)
		}
	})
}

// TestAttack_T18_NeverBetterThanModel: with any statuses of modules and enclaves,
// also those that Intel gives none, nothing that the reference finds wrong is
// left out.
func TestAttack_T18_NeverBetterThanModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, platformStatuses)
		got, want := w.evaluated(t), w.expected()
		if got.Status != want.status && !isWorse(t, got.Status, want.status) {
			t.Fatalf("got %s, want at least %s", got.Status, want.status)
		}
	})
}

// isWorse reports whether a says more to be wrong than b: something graver, or
// the same and more besides.
func isWorse(t *rapid.T, a, b string) bool {
	graver := []status{0, relaunch, outOfDate, notSupported, revoked}
	find := func(name string) (found status, grave int) {
		for s, n := range statusNames {
			if n == name {
				return s, slices.Index(graver, s&^(hardening|configuration))
			}
		}
		t.Fatalf("no status %s", name)
		return
	}
	x, ofX := find(a)
	y, ofY := find(b)
	return ofX > ofY || ofX == ofY && x != y && x&y == y
}

// TestAttack_T18_Monotonic: where newer levels are better, raising any component
// never makes the status worse.
func TestAttack_T18_Monotonic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, partStatuses)
		w.launch[1], w.now = 0, nil
		order := []string{"UpToDate", "OutOfDate", "Revoked"}
		chain := []simulated.Level{}
		for _, l := range highestFirst(w.info.TCBLevels) { // each level below the one before in every component
			if len(chain) == 0 || isBelow(l, chain[len(chain)-1]) {
				l.TCBStatus = order[min(len(chain), 2)]
				chain = append(chain, l)
			}
		}
		w.info.TCBLevels = chain
		before := w.evaluated(t).PlatformStatus
		switch i := rapid.IntRange(0, 32).Draw(t, "raise"); {
		case i < 16:
			w.platform.Components[i]++
		case i < 32 && i != 17:
			w.launch[i-16]++
		default:
			w.platform.PCESVN++
		}
		rank := func(s string) int { return (slices.Index(order, s) + 4) % 4 } // NotSupported is worst
		if after := w.evaluated(t).PlatformStatus; rank(after) > rank(before) {
			t.Fatalf("raised from %s to %s", before, after)
		}
	})
}

func isBelow(a, b simulated.Level) bool {
	for i := range a.TCB.SGX {
		if a.TCB.SGX[i].SVN > b.TCB.SGX[i].SVN || a.TCB.TDX[i].SVN > b.TCB.TDX[i].SVN {
			return false
		}
	}
	return a.TCB.PCESVN <= b.TCB.PCESVN
}

// TestDistance: what is behind is too low; and raised to what is needed, no part
// is behind any more.
func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t, partStatuses)
		for i := range w.info.TCBLevels {
			w.info.TCBLevels[i].TCB.TDX[1].SVN = 0 // as Intel has it: a module's version is no component
		}
		if _, err := w.tcb(); err != nil {
			t.Skip("two levels are alike now")
		}
		got := w.evaluated(t)
		for _, b := range got.Behind {
			if b.Have >= b.Need {
				t.Fatalf("not behind: %+v", b)
			}
			w.raise(t, b)
		}
		raised := w.evaluated(t)
		if len(raised.Behind) > 0 {
			t.Fatalf("raised by %+v, still behind by %+v", got.Behind, raised.Behind)
		}
		if got.Status == "UpToDate" && w.now == nil && len(got.Behind) > 0 {
			t.Fatalf("up to date, and behind by %+v", got.Behind)
		}
		goal := slices.IndexFunc(highestFirst(w.info.TCBLevels), func(l simulated.Level) bool { return l.TCBStatus == "UpToDate" })
		if reached := w.reachedLevel(); goal >= 0 && (reached < 0 || reached > goal) && raised.PlatformStatus != "UpToDate" {
			t.Fatalf("raised by %+v, the platform has %s", got.Behind, raised.PlatformStatus)
		}
	})
}

// reachedLevel is the index of the level that the platform has, highest first.
func (w *world) reachedLevel() int {
	for i, level := range highestFirst(w.info.TCBLevels) {
		alone := *w
		alone.info.TCBLevels = []simulated.Level{level}
		if alone.withModule(w.launch).platform != "NotSupported" {
			return i
		}
	}
	return -1
}

// raise raises one component to what is needed.
func (w *world) raise(t *rapid.T, b evidence.TDXShortfall) {
	var n int
	var target *uint8
	switch {
	case b.Component == "PCESVN":
		if uint32(w.platform.PCESVN) == b.Have {
			w.platform.PCESVN = uint16(b.Need)
			return
		}
	case b.Component == "QE ISVSVN":
		if uint32(w.qeSVN) == b.Have {
			w.qeSVN = uint16(b.Need)
			return
		}
	case b.Component == "TDX module ISVSVN":
		target = &w.launch[0]
	case scan(b.Component, "SGX component %d", &n):
		target = &w.platform.Components[n-1]
	case scan(b.Component, "TDX component %d", &n):
		target = &w.launch[n-1]
	}
	if target == nil || uint32(*target) != b.Have {
		t.Fatalf("no component has what is said to be behind: %+v", b)
	}
	*target = uint8(b.Need)
}

func scan(text, format string, n *int) bool {
	count, err := fmt.Sscanf(text, format, n)
	return err == nil && count == 1
}

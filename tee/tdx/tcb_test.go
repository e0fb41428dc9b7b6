package tdx

import (
	"slices"
	"testing"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
)

// TestLevelOrder: levels count from the highest down, wherever they are listed.
func TestLevelOrder(t *testing.T) {
	s := newScene(t)
	s.setTCBInfo(func(i *simulated.TCBInfo) {
		slices.Reverse(i.TCBLevels)
		slices.Reverse(i.TDXModuleIdentities[1].TCBLevels)
	})
	out := s.genuine()
	requireGenuine(t, out)
	if got := out.Claims.TDX.TCB.Status; got != "UpToDate" {
		t.Errorf("status %s", got)
	}
}

// TestLevelCompare orders levels that lie above each other only in parts.
func TestLevelCompare(t *testing.T) {
	descending := []platformLevel{
		{sgx: [16]uint8{2}, pceSVN: 1, tdx: [16]uint8{1}},
		{sgx: [16]uint8{2}, pceSVN: 1},
		{sgx: [16]uint8{2}, tdx: [16]uint8{9}},
		{sgx: [16]uint8{1, 9}, pceSVN: 3},
		{sgx: [16]uint8{15: 9}, pceSVN: 7},
	}
	for i := range descending {
		for j := range descending {
			want := 0
			if i < j {
				want = 1
			} else if i > j {
				want = -1
			}
			if got := descending[i].compare(&descending[j]); got != want {
				t.Errorf("%d and %d: %d, want %d", i, j, got, want)
			}
		}
	}
}

// TestBehind: what keeps a machine from being up to date is named, component by
// component, with Intel's words.
func TestBehind(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(*simulated.MachineOptions)
		want  []evidence.TDXShortfall
	}{
		"nothing": {func(*simulated.MachineOptions) {}, nil},
		"SGX": {func(o *simulated.MachineOptions) { o.Components[0], o.Components[7] = 7, 4 }, []evidence.TDXShortfall{
			{Component: "SGX component 1", Part: "BIOS: Early Microcode Update", Have: 7, Need: 8},
			{Component: "SGX component 8", Part: "OS/VMM: SEAMLDR ACM", Have: 4, Need: 6},
		}},
		"TDX": {func(o *simulated.MachineOptions) { o.TEETCBSVN[2] = 6 }, []evidence.TDXShortfall{
			{Component: "TDX component 3", Part: "OS/VMM: TDX Late Microcode Update", Have: 6, Need: 8},
		}},
		"PCE":                       {func(o *simulated.MachineOptions) { o.PCESVN = 5 }, []evidence.TDXShortfall{{Component: "PCESVN", Have: 5, Need: 11}}},
		"module":                    {func(o *simulated.MachineOptions) { o.TEETCBSVN[0] = 4 }, []evidence.TDXShortfall{{Component: "TDX module ISVSVN", Have: 4, Need: 5}}},
		"no identity of the module": {func(o *simulated.MachineOptions) { o.TEETCBSVN[1] = 9 }, nil},
		"module of version 0": {func(o *simulated.MachineOptions) { o.TEETCBSVN[0], o.TEETCBSVN[1] = 4, 0 }, []evidence.TDXShortfall{
			{Component: "TDX component 1", Part: "OS/VMM: TDX Module", Have: 4, Need: 5},
		}},
		"QE": {func(o *simulated.MachineOptions) { o.QESVN = 5 }, []evidence.TDXShortfall{{Component: "QE ISVSVN", Have: 5, Need: 6}}},
		"updated after launch": {func(o *simulated.MachineOptions) { o.Version, o.TD15, o.TEETCBSVN[0] = 5, true, 3 }, []evidence.TDXShortfall{
			{Component: "TDX module ISVSVN", Have: 3, Need: 5},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			out := newScene(t, c.alter).genuine()
			requireGenuine(t, out)
			if got := out.Claims.TDX.TCB.Behind; !slices.Equal(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("no level is up to date", func(t *testing.T) {
		s := newScene(t, func(o *simulated.MachineOptions) { o.PCESVN = 5 })
		s.setTCBInfo(func(i *simulated.TCBInfo) { i.TCBLevels[0].TCBStatus = "ConfigurationNeeded" })
		if got := s.genuine().Claims.TDX.TCB.Behind; got != nil {
			t.Errorf("got %+v", got)
		}
	})
}

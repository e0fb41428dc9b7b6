package anchors_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/anchors"
	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/tee"
)

// TestLoad gives each simulated root to its technology, and none to another.
func TestLoad(t *testing.T) {
	world, err := simulators.New("anchors", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, anchor := range world.Anchors() {
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))), anchor.DER, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, err := anchors.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		got  []tee.Anchor
		want tee.Anchor
	}{
		"sev-snp": {set.SEVSNP, world.SEVSNP.Anchor()}, "tdx": {set.TDX, world.TDX.Anchor()}, "tpm": {set.TPM, world.TPM.Anchor()},
	} {
		if len(c.got) != 1 || !bytes.Equal(c.got[0].DER, c.want.DER) || c.got[0].Origin != evidence.OriginSimulated {
			t.Errorf("%s has %d anchors, want its own alone, marked simulated", name, len(c.got))
		}
	}
}

func TestLoadNothing(t *testing.T) {
	if set, err := anchors.Load(); err != nil || set.SEVSNP != nil || set.TDX != nil || set.TPM != nil {
		t.Errorf("%v, %v", set, err)
	}
	if _, err := anchors.Load(t.TempDir()); evidence.CodeOf(err) != evidence.CodeEndorsementsNone {
		t.Errorf("an empty folder: %v", err)
	}
}

package ovmf_test

import (
	"bytes"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/guid"
	"github.com/quotary/quotary/tee/launch/launchtest"
	"github.com/quotary/quotary/tee/launch/ovmf"
)

var (
	one = guid.New(1, 0, 0, 1)
	two = guid.New(2, 0, 0, 2)
)

func TestEntries(t *testing.T) {
	image, err := ovmf.Parse(launchtest.Firmware(1, launchtest.Entry{Name: one, Numbers: []uint32{7, 8}}, launchtest.Entry{Name: two, Numbers: []uint32{9}}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[guid.GUID]uint32{one: 7, two: 9} {
		if n, ok, err := image.Number(name); n != want || !ok || err != nil {
			t.Errorf("%v: %d, %v, %v", name, n, ok, err)
		}
	}
	if _, ok, err := image.Number(guid.Global()); ok || err != nil {
		t.Error("an entry that is not there")
	}
	if rest, err := image.FromEnd(4096); err != nil || len(rest) != 4096 {
		t.Errorf("%d, %v", len(rest), err)
	}
	if _, err := image.FromEnd(4097); evidence.CodeOf(err) != evidence.CodeLaunchFirmware {
		t.Errorf("before the start: %v", err)
	}
}

func TestHostileTables(t *testing.T) {
	good := launchtest.Firmware(1, launchtest.Entry{Name: one, Numbers: []uint32{7}})
	const footer, entry = 4096 - 32 - 18, 4096 - 32 - 18 - 18
	change := func(at int, low, high byte) []byte {
		b := bytes.Clone(good)
		b[at], b[at+1] = low, high
		return b
	}
	for name, image := range map[string][]byte{
		"empty": {}, "no pages": make([]byte, 4095), "too large": make([]byte, ovmf.MaxSize+4096),
		"table of nothing": change(footer, 0, 0), "table beyond the image": change(footer, 0xff, 0xff), "table of half an entry": change(footer, 18+17, 0),
		"entry of nothing": change(entry, 0, 0), "entry beyond the table": change(entry, 0xff, 0), "entry that leaves a rest": change(entry, 21, 0),
		"entry twice":  launchtest.Firmware(1, launchtest.Entry{Name: one}, launchtest.Entry{Name: one}),
		"footer twice": launchtest.Firmware(1, launchtest.Entry{Name: guid.New(0x96b582de, 0x1fb2, 0x45f7, 0xbaeaa366c55a082d)}),
	} {
		if _, err := ovmf.Parse(image); evidence.CodeOf(err) != evidence.CodeLaunchFirmware {
			t.Errorf("%s: %v", name, err)
		}
	}
	short, err := ovmf.Parse(launchtest.Firmware(1, launchtest.Entry{Name: one}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := short.Number(one); evidence.CodeOf(err) != evidence.CodeLaunchFirmware {
		t.Errorf("an entry without a number: %v", err)
	}
	if none, err := ovmf.Parse(make([]byte, 4096)); err != nil {
		t.Errorf("no table: %v", err)
	} else if _, ok, _ := none.Number(one); ok {
		t.Error("an entry of no table")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(launchtest.ForBoth()[7168:])
	f.Add(launchtest.Firmware(1, launchtest.Entry{Name: one})[3072:])
	f.Fuzz(func(t *testing.T, end []byte) {
		if len(end) > 4096 {
			return
		}
		image, err := ovmf.Parse(append(make([]byte, 4096-len(end)), end...))
		if err != nil {
			if evidence.CodeOf(err) != evidence.CodeLaunchFirmware {
				t.Fatal(err)
			}
			return
		}
		if distance, ok, err := image.Number(one); ok && err == nil {
			if rest, err := image.FromEnd(distance); err == nil && len(rest) != int(distance) {
				t.Fatal("another distance")
			}
		}
	})
}

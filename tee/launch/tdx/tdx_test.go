package tdx_test

import (
	"bytes"
	"crypto"
	"crypto/sha512"
	"encoding/binary"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/launch/guid"
	"github.com/quotary/quotary/tee/launch/launchtest"
	"github.com/quotary/quotary/tee/launch/pcr"
	"github.com/quotary/quotary/tee/launch/tdx"
)

// Of the metadata in launchtest.ForBoth.
const (
	metadata = 2*4096 - 0x600
	first    = metadata + 16
)

// byHand measures as the TDX module does: a block for each operation, with the
// contents behind MR.EXTEND.
func byHand(image []byte) []byte {
	h := sha512.New384()
	block := func(name string, address uint64) {
		b := make([]byte, 128)
		copy(b, name)
		binary.LittleEndian.PutUint64(b[16:], address)
		h.Write(b)
	}
	block("MEM.PAGE.ADD", 0xffff_f000) // one page: both orders are the same
	for at := uint64(0); at < 4096; at += 256 {
		block("MR.EXTEND", 0xffff_f000+at)
		h.Write(image[4096+at:][:256])
	}
	for _, page := range []uint64{0xffff_e000, 0x809000, 0x80a000, 0x800000, 0x801000, 0x802000, 0x803000, 0x804000, 0x805000} {
		block("MEM.PAGE.ADD", page)
	}
	return h.Sum(nil)
}

func TestMRTD(t *testing.T) {
	image := launchtest.ForBoth()
	for _, order := range []tdx.Order{tdx.PageByPage, tdx.SectionPassing} {
		if got, err := tdx.MRTD(image, order); err != nil || !bytes.Equal(got[:], byHand(image)) {
			t.Errorf("%v: %x, %v", order, got, err)
		}
	}
	before, _ := tdx.MRTD(image, tdx.PageByPage)
	image[4096+17] ^= 1
	if after, _ := tdx.MRTD(image, tdx.PageByPage); after == before {
		t.Error("the code does not count")
	}
	image[4096+17] ^= 1
	image[17] ^= 1
	if after, _ := tdx.MRTD(image, tdx.PageByPage); after != before {
		t.Error("variables count")
	}
}

// Debian's firmware has a volume of variables, which is a file of its own, too;
// and the orders of pages differ.
func TestDebianFirmware(t *testing.T) {
	image := launchtest.Installed(t, "/usr/share/ovmf/OVMF.fd", "ovmf")
	for file, firmware := range map[string][]byte{"/usr/share/OVMF/OVMF_VARS.fd": image} {
		want := sha512.Sum384(launchtest.Installed(t, file, "ovmf"))
		if got, err := tdx.ConfigurationVolume(firmware); err != nil || !bytes.Equal(got, want[:]) {
			t.Errorf("%s: %v, %v", file, got, err)
		}
	}
	pages, err1 := tdx.MRTD(image, tdx.PageByPage)
	sections, err2 := tdx.MRTD(image, tdx.SectionPassing)
	if err1 != nil || err2 != nil || pages == sections {
		t.Errorf("%x, %v; %x, %v", pages, err1, sections, err2)
	}
	if got := sha512.Sum384(launchtest.Installed(t, "/usr/share/OVMF/OVMF_VARS_4M.fd", "ovmf")); evidence.Hex(got[:]).String() != variables4M {
		t.Errorf("the volume of 4 MiB builds is %x", got)
	}
	if _, err := tdx.MRTD(launchtest.Installed(t, "/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"), tdx.PageByPage); evidence.CodeOf(err) != evidence.CodeLaunchUnsupported {
		t.Errorf("firmware without metadata: %v", err)
	}
}

// Firmware that the module would not take, or that says two things, has no MRTD.
func TestHostileMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		at   int
		n    uint64
		want evidence.Code
	}{
		"another signature":       {metadata, 0x6000_0000_0000, evidence.CodeLaunchFirmware},
		"another version":         {metadata + 8, 4<<32 | 2, evidence.CodeLaunchFirmware},
		"no sections":             {metadata + 8, 1, evidence.CodeLaunchFirmware},
		"huge count":              {metadata + 8, 0xffff_ffff<<32 | 1, evidence.CodeLaunchFirmware},
		"count that wraps":        {metadata + 8, 0x0800_0004<<32 | 1, evidence.CodeLaunchFirmware},
		"data beyond the image":   {first, 0x1000<<32 | 0x2000, evidence.CodeLaunchFirmware},
		"data that wraps":         {first, 0xffff_ffff<<32 | 0xffff_ffff, evidence.CodeLaunchFirmware},
		"more data than memory":   {first, 0x2000 << 32, evidence.CodeLaunchFirmware},
		"address between pages":   {first + 8, 0xffff_f800, evidence.CodeLaunchFirmware},
		"address beyond all":      {first + 8, 1 << 52, evidence.CodeLaunchFirmware},
		"address that wraps":      {first + 8, 0xffff_ffff_ffff_f000, evidence.CodeLaunchFirmware},
		"sections overlap":        {first + 8, 0x809000, evidence.CodeLaunchFirmware},
		"size of nothing":         {first + 16, 0, evidence.CodeLaunchFirmware},
		"size of half a page":     {first + 16, 0x1800, evidence.CodeLaunchFirmware},
		"huge size":               {first + 16, 1 << 40, evidence.CodeLaunchFirmware},
		"size that wraps":         {first + 16, 0xffff_ffff_ffff_f000, evidence.CodeLaunchFirmware},
		"too many pages together": {first + 3*32 + 16, 1 << 28, evidence.CodeLaunchFirmware},
		"unknown type":            {first + 24, 1<<32 | 9, evidence.CodeLaunchUnsupported},
		"unknown attribute":       {first + 24, 5 << 32, evidence.CodeLaunchUnsupported},
		"measured and accepted":   {first + 24, 3 << 32, evidence.CodeLaunchFirmware},
	} {
		image := launchtest.ForBoth()
		binary.LittleEndian.PutUint64(image[test.at:], test.n)
		if _, err := tdx.MRTD(image, tdx.PageByPage); evidence.CodeOf(err) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	tdxEntry := guid.New(0xe47a6535, 0x984a, 0x4798, 0x865e4685a7bf8ec2)
	for name, numbers := range map[string][]uint32{"no number": {}, "before the image": {4097}, "at the end": {8}} {
		if _, err := tdx.MRTD(launchtest.Firmware(1, launchtest.Entry{Name: tdxEntry, Numbers: numbers}), tdx.PageByPage); evidence.CodeOf(err) != evidence.CodeLaunchFirmware {
			t.Errorf("metadata with %s: %v", name, err)
		}
	}
}

// Pages that the domain accepts itself are not added.
func TestAcceptedLater(t *testing.T) {
	image := launchtest.ForBoth()
	before, _ := tdx.MRTD(image, tdx.PageByPage)
	binary.LittleEndian.PutUint64(image[first+3*32+24:], 2<<32|4)
	after, err := tdx.MRTD(image, tdx.PageByPage)
	if err != nil || after == before {
		t.Errorf("%x, %v", after, err)
	}
	if _, err := tdx.ConfigurationVolume(launchtest.Firmware(1)); evidence.CodeOf(err) != evidence.CodeLaunchUnsupported {
		t.Errorf("no volume: %v", err)
	}
}

func TestRuntimeUnknown(t *testing.T) {
	b := &pcr.Boot{Images: []pcr.Measured{pcr.Bytes(nil)}}
	log, err := b.Log(crypto.SHA384)
	if err != nil {
		t.Fatal(err)
	}
	// The disk's partitions are not known, so RTMR1 is not.
	if values, unknown, err := tdx.Runtime(log); err != nil || len(values) != 0 || unknown[0] != tdx.HostDependent || unknown[1] == "" {
		t.Errorf("%v, %v, %v", values, unknown, err)
	}
	other, err := b.Log(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tdx.Runtime(other); evidence.CodeOf(err) != evidence.CodeLaunchOption {
		t.Errorf("SHA-256: %v", err)
	}
}

func FuzzMRTD(f *testing.F) {
	f.Add(launchtest.ForBoth()[4096+2048:])
	f.Fuzz(func(t *testing.T, end []byte) {
		if len(end) > 4096 {
			return
		}
		image := append(make([]byte, 8192-len(end)), end...)
		got, err := tdx.MRTD(image, tdx.PageByPage)
		switch {
		case err != nil && evidence.CodeOf(err).IsZero():
			t.Fatal(err)
		case err == nil && got == [48]byte{}:
			t.Fatal("no measurement")
		}
		if volume, err := tdx.ConfigurationVolume(image); err == nil && len(volume) != 48 {
			t.Fatal("no digest")
		}
	})
}

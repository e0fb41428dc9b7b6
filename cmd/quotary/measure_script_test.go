package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/tee/launch/guid"
	"github.com/quotary/quotary/tee/launch/launchtest"
)

// TestMeasureScripts runs testdata/measure/*.txtar. They have the commands of
// TestScripts and
//
//	loads FILE…  the files are a policy
//
// and, in art/, artefacts that are the same on every machine.
func TestMeasureScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/measure",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("QUOTARY_UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			for name, data := range measured() {
				if err := writeFile(env.WorkDir, "art/"+name, data); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "cut": cut, "loads": loads},
	})
}

// measured are artefacts to measure, by name.
func measured() map[string][]byte {
	kernel := launchtest.Image(launchtest.Section{Name: ".text", Data: make([]byte, 512)})
	copy(kernel[0x202:], "HdrS\x0f\x02")
	kernel[0x236] = 2
	certificate := signer()
	return map[string][]byte{
		"OVMF.fd": launchtest.ForBoth(), "vmlinuz": kernel, "initrd": []byte("initrd"), "grub.cfg": []byte("linux /vmlinuz\n"),
		"linux.efi": launchtest.Image(launchtest.Magic("252.39-1"), launchtest.Section{Name: ".osrel", Data: []byte("ID=test\n")},
			launchtest.Section{Name: ".cmdline", Data: []byte("quiet\n")}, launchtest.Section{Name: ".initrd", Data: []byte("initrd")},
			launchtest.Section{Name: ".linux", Data: kernel}),
		"loader.efi": launchtest.Image(launchtest.Section{Name: ".text", Data: []byte("loader")}),
		"shim.efi":   launchtest.Image(launchtest.Section{Name: ".sbat", Data: []byte("sbat,1\nshim,4\n")}),
		"disk":       diskStart(), "db.esl": database(certificate), "db.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
	}
}

// signer is a certificate, the same whenever it is made.
func signer() []byte {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return der
}

// database is a signature database with one certificate.
func database(certificate []byte) []byte {
	kind, owner := guid.New(0xa5c059a1, 0x94e4, 0x4aa7, 0x87b5ab155c2bf072), guid.Global()
	list := append([]byte{}, kind[:]...)
	for _, n := range []int{28 + 16 + len(certificate), 0, 16 + len(certificate)} {
		list = binary.LittleEndian.AppendUint32(list, uint32(n))
	}
	return append(append(list, owner[:]...), certificate...)
}

// diskStart is a disk with one partition.
func diskStart() []byte {
	disk := make([]byte, 64<<10)
	copy(disk[512:], "EFI PART")
	for at, n := range map[int]uint32{12: 92, 72: 2, 80: 4, 84: 128, 512: 1} {
		binary.LittleEndian.PutUint32(disk[512+at:], n)
	}
	return disk
}

func loads(ts *testscript.TestScript, neg bool, args []string) {
	var paths []string
	for _, name := range args {
		paths = append(paths, ts.MkAbs(name))
	}
	files, err := policies.ReadFiles(paths...)
	ts.Check(err)
	if _, err = policies.Load(files...); (err != nil) != neg {
		ts.Fatalf("%v", err)
	}
}

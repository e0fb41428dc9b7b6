package machines

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"

	"github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/simulators/seed"
	"github.com/quotary/quotary/tee/launch/launchtest"
)

// software is what a machine launches.
type software struct {
	firmware, kernel, initrd []byte
	commandLine              string
	image                    []byte // the unified kernel image of the other three
}

// software returns the bytes of a description's artefacts.
func (s Spec) software() software {
	w := software{
		firmware: s.Firmware.Data, kernel: s.Kernel.bytes("kernel"), initrd: s.Initrd.bytes("initrd"), commandLine: s.CommandLine,
	}
	if w.firmware == nil {
		w.firmware = firmware(s.Firmware.Name)
	}
	w.image = []byte("SIMULATED unified kernel image\x00")
	for _, part := range [][]byte{w.kernel, []byte(w.commandLine), w.initrd} {
		w.image = binary.LittleEndian.AppendUint64(w.image, uint64(len(part)))
		w.image = append(w.image, part...)
	}
	return w
}

// bytes returns an artefact's own bytes, or those made from its name.
func (a Artefact) bytes(what string) []byte {
	if a.Data != nil {
		return a.Data
	}
	made := make([]byte, madeSize)
	artefacts.Fill(made, what+"/"+a.Name)
	return append([]byte("SIMULATED "+what+" "+a.Name+"\x00"), made...)
}

// madeSize is how many bytes of an artefact are made from its name.
const madeSize = 256

// artefacts is the source of software: it is the same in every world.
var artefacts = seed.New("software", "")

// firmware returns an image that can be launched as a guest of SEV-SNP, with hashes
// of a kernel, and as a trust domain. Its name is in a part that both measure.
func firmware(name string) []byte {
	image := launchtest.ForBoth()
	copy(image[len(image)/2:], Artefact{Name: name}.bytes("firmware")[:madeSize])
	return image
}

// boot returns how the software boots where each step is measured. The image's
// digest stands for its Authenticode one.
func (w software) boot() *eventlog.Boot {
	key := func(of string) []byte {
		certificate := sha256.Sum256([]byte("SIMULATED certificate of " + of))
		return eventlog.SignatureList(eventlog.GUIDX509, certificate[:])
	}
	revoked := sha256.Sum256([]byte("SIMULATED revoked image"))
	return &eventlog.Boot{
		Firmware:   bytes.Clone(w.firmware),
		SecureBoot: true,
		PK:         key("the platform's owner"), KEK: key("the key exchange"), DB: key("the distribution"),
		DBX:   eventlog.SignatureList(eventlog.GUIDSHA256, revoked[:]),
		Image: w.image, Kernel: w.kernel, CommandLine: w.commandLine, Initrd: w.initrd,
	}
}

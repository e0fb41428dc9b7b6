package snp

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/quotary/quotary/tee/launch/guid"
)

// Names in the table of hashes that QEMU hands to firmware (target/i386/sev.c,
// and EDK II, OvmfPkg/AmdSev/BlobVerifierLibSevHashes).
var (
	hashTableName = guid.New(0x9438d606, 0x4f22, 0x4cc9, 0xb479a793d411fd21)
	cmdlineName   = guid.New(0x97d02dd8, 0xbd20, 0x4c94, 0xaa78e7714d36ab2a)
	initrdName    = guid.New(0x44baf731, 0x3a2f, 0x4bd7, 0x9af141e29169781d)
	kernelName    = guid.New(0x4de79437, 0xabd2, 0x427f, 0xb835d5b172d2045b)
)

// Kernel is what a measured direct boot loads, by its SHA-256 digests.
type Kernel struct {
	Kernel, Initrd, CommandLine [sha256.Size]byte
}

// HashKernel returns the digests of a direct boot: of the files as they are, an
// absent initrd being an empty one, and of the command line with a NUL behind it.
func HashKernel(kernel, initrd []byte, commandLine string) (*Kernel, error) {
	if len(commandLine) > maxCommandLine {
		return nil, wrong("append", "the command line has %d bytes; at most %d are read", len(commandLine), maxCommandLine)
	}
	return &Kernel{sha256.Sum256(kernel), sha256.Sum256(initrd), sha256.Sum256([]byte(commandLine + "\x00"))}, nil
}

// table returns the table of hashes, filled up to a multiple of 16 bytes.
func (k *Kernel) table() []byte {
	const header, entry = 16 + 2, 16 + 2 + sha256.Size
	const size = header + 3*entry
	t := append(make([]byte, 0, pageSize), hashTableName[:]...)
	t = binary.LittleEndian.AppendUint16(t, size)
	for _, e := range []struct {
		name guid.GUID
		hash [sha256.Size]byte
	}{{cmdlineName, k.CommandLine}, {initrdName, k.Initrd}, {kernelName, k.Kernel}} {
		t = append(t, e.name[:]...)
		t = binary.LittleEndian.AppendUint16(t, entry)
		t = append(t, e.hash[:]...)
	}
	return append(t, make([]byte, -len(t)&15)...)
}

// page returns the page with the table at this offset.
func (k *Kernel) page(offset uint32) ([]byte, error) {
	table := k.table()
	if int(offset)+len(table) > pageSize {
		return nil, unsupported("the table of hashes does not fit into its page at offset %#x", offset)
	}
	page := make([]byte, pageSize)
	copy(page[offset:], table)
	return page, nil
}

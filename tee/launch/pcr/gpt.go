package pcr

import (
	"bytes"
	"encoding/binary"

	"github.com/quotary/quotary/evidence"
)

// DiskStart is how much of a disk's beginning its partition table is looked for
// in, in bytes: table and header have 17 KiB, unless they are larger than usual.
const DiskStart = 1 << 20

// Of a partition table (UEFI 2.10, 5.3).
const (
	sector       = 512
	tableHeader  = 92
	smallestPart = 128
	mostParts    = 1024
)

// PartitionTable returns what firmware measures of the disk that it boots from
// (PFP, EV_EFI_GPT_EVENT): the header of its GPT, and the entries that are in use.
// It takes the disk's first [DiskStart] bytes, with sectors of 512. Errors have
// [evidence.CodeLaunchOption].
func PartitionTable(disk []byte) (Measured, error) {
	if len(disk) < 2*sector || !bytes.HasPrefix(disk[sector:], []byte("EFI PART")) {
		return nil, noTable("it has no GPT at its second sector")
	}
	header := disk[sector : sector+tableHeader]
	at, count, size := binary.LittleEndian.Uint64(header[72:]), uint64(binary.LittleEndian.Uint32(header[80:])), uint64(binary.LittleEndian.Uint32(header[84:]))
	if binary.LittleEndian.Uint32(header[12:]) != tableHeader || size != smallestPart || count == 0 || count > mostParts {
		return nil, noTable("its GPT claims %d entries of %d bytes", count, size)
	}
	if at < 2 || at > DiskStart/sector || at*sector+count*size > uint64(len(disk)) {
		return nil, noTable("its GPT has entries from sector %d on, which are not in its beginning", at)
	}
	var used uint64
	var entries []byte
	for table := disk[at*sector:][:count*size]; len(table) > 0; table = table[size:] {
		if entry := table[:size]; !bytes.Equal(entry[:16], make([]byte, 16)) { // of no type: unused
			entries, used = append(entries, entry...), used+1
		}
	}
	return Bytes(append(binary.LittleEndian.AppendUint64(bytes.Clone(header), used), entries...)), nil
}

func noTable(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeLaunchOption, "disk", "the disk cannot be measured: "+format, args...)
}

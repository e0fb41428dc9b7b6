package snp

import (
	"crypto/sha512"
	"encoding/binary"
)

// Size is the size of a launch measurement in bytes: SHA-384.
const Size = sha512.Size384

// pageType says how a page gets into a guest (SEV-SNP ABI, revision 1.58, table 67).
type pageType byte

const (
	normalPage     pageType = 1
	vmsaPage       pageType = 2
	zeroPage       pageType = 3
	unmeasuredPage pageType = 4
	secretsPage    pageType = 5
	cpuidPage      pageType = 6
)

// vmsaAddress is where a processor's state stands as far as the measurement is
// concerned: the last page of the guest's address space of 52 bits.
const vmsaAddress = 0xffff_ffff_f000

// digest is a launch digest while pages are added to it (SEV-SNP ABI 8.17.2).
type digest [Size]byte

// add chains one page: the new digest is that of PAGE_INFO, which begins with
// the old one. The page counts with its own digest, or with zeros where its type
// makes the contents irrelevant.
func (d *digest) add(t pageType, address uint64, contents [Size]byte) {
	var info [0x70]byte
	copy(info[:], d[:])
	copy(info[Size:], contents[:])
	binary.LittleEndian.PutUint16(info[2*Size:], uint16(len(info)))
	info[2*Size+2] = byte(t)
	// Next are IMI_PAGE and the permissions of VMPL 3 to 1: all zero at launch.
	binary.LittleEndian.PutUint64(info[2*Size+8:], address)
	*d = sha512.Sum384(info[:])
}

// normal adds pages with contents.
func (d *digest) normal(address uint64, data []byte) {
	for at := 0; at < len(data); at += pageSize {
		d.add(normalPage, address+uint64(at), sha512.Sum384(data[at:at+pageSize]))
	}
}

// blank adds pages that count by type and place alone.
func (d *digest) blank(t pageType, address uint64, size uint32) {
	for at := uint64(0); at < uint64(size); at += pageSize {
		d.add(t, address+at, [Size]byte{})
	}
}

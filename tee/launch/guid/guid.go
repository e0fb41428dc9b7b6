// Package guid writes down the GUIDs of firmware.
package guid

import (
	"encoding/binary"
	"fmt"
)

// GUID is an EFI_GUID as firmware keeps it: three little-endian numbers and
// eight bytes (UEFI 2.10, appendix A).
type GUID [16]byte

// New returns aaaaaaaa-bbbb-cccc-dddd-dddddddddddd, where d is the last two
// groups as one number.
func New(a uint32, b, c uint16, d uint64) (g GUID) {
	binary.LittleEndian.PutUint32(g[:], a)
	binary.LittleEndian.PutUint16(g[4:], b)
	binary.LittleEndian.PutUint16(g[6:], c)
	binary.BigEndian.PutUint64(g[8:], d)
	return g
}

// Global is EFI_GLOBAL_VARIABLE, the namespace of SecureBoot, PK, KEK and Boot####.
func Global() GUID { return New(0x8be4df61, 0x93ca, 0x11d2, 0xaa0d00e098032b8c) }

// ImageSecurityDatabase is the namespace of db, dbx, dbt and dbr.
func ImageSecurityDatabase() GUID { return New(0xd719b2cb, 0x3d3a, 0x4596, 0xa3bcdad00e67656f) }

func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[:]), binary.LittleEndian.Uint16(g[4:]), binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
}

// Package cursor reads binary structures front to back, within their bounds.
//
// A decoder makes a run of reads and asks once afterwards, with Short or Done,
// whether everything was there.
package cursor

import "encoding/binary"

// LittleEndian reads what little-endian machines wrote: quotes, event logs. After
// the first read beyond the end every read returns zero, and Short stays true.
type LittleEndian struct {
	Rest  []byte // what was not read yet
	Short bool   // something was to be read that was not there
}

// Take returns the next n bytes without copying them.
func (c *LittleEndian) Take(n int) []byte {
	if c.Short || n < 0 || n > len(c.Rest) {
		c.Short = true
		return nil
	}
	taken := c.Rest[:n:n]
	c.Rest = c.Rest[n:]
	return taken
}

// U8 reads a byte.
func (c *LittleEndian) U8() uint8 {
	if b := c.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads a number of two bytes.
func (c *LittleEndian) U16() uint16 {
	if b := c.Take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads a number of four bytes.
func (c *LittleEndian) U32() uint32 {
	if b := c.Take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads a number of eight bytes.
func (c *LittleEndian) U64() uint64 {
	if b := c.Take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Sized returns as many bytes as the length says that is given, if it is at
// most what is left: the comparison is made in 64 bits.
func (c *LittleEndian) Sized(n uint64) []byte {
	if n > uint64(len(c.Rest)) {
		c.Short = true
		return nil
	}
	return c.Take(int(n))
}

// Done reports whether everything was there and nothing is left.
func (c *LittleEndian) Done() bool { return !c.Short && len(c.Rest) == 0 }

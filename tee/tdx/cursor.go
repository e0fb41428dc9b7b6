package tdx

import "encoding/binary"

// cursor reads a byte string front to back. A read beyond the end sets short
// and gives zeros, so that a parser can check once after a run of reads.
type cursor struct {
	rest  []byte
	short bool
}

// take returns the next n bytes, without copying.
func (c *cursor) take(n int) []byte {
	if c.short || n > len(c.rest) {
		c.short = true
		return nil
	}
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}

func (c *cursor) uint16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// sized returns the bytes that a 32-bit length announces.
func (c *cursor) sized() []byte {
	n := c.uint32()
	if c.short || uint64(n) > uint64(len(c.rest)) {
		c.short = true
		return nil
	}
	return c.take(int(n))
}

package eventlog

import "encoding/binary"

// cursor reads a structure from its start. Numbers are little-endian. After the
// first read beyond the end every read returns zero and ok is false, so that a
// decoder asks once, at its end.
type cursor struct {
	rest  []byte
	short bool
}

// take returns the next n bytes without copying them.
func (c *cursor) take(n int) []byte {
	if c.short || n < 0 || n > len(c.rest) {
		c.short = true
		return nil
	}
	taken := c.rest[:n:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// sized returns as many bytes as the length says that is given, if it is at
// most what is left: the comparison is made in 64 bits.
func (c *cursor) sized(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.short = true
		return nil
	}
	return c.take(int(n))
}

// done reports whether everything was there and nothing is left.
func (c *cursor) done() bool { return !c.short && len(c.rest) == 0 }

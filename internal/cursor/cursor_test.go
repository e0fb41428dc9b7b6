package cursor_test

import (
	"bytes"
	"testing"

	"github.com/quotary/quotary/internal/cursor"
)

func TestReads(t *testing.T) {
	c := cursor.LittleEndian{Rest: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}}
	if c.U8() != 1 || c.U16() != 0x0302 || c.U32() != 0x07060504 || c.U64() != 0x0f0e0d0c0b0a0908 {
		t.Error("numbers")
	}
	if got := c.Sized(2); !bytes.Equal(got, []byte{16, 17}) || cap(got) != 2 || c.Done() {
		t.Errorf("bytes %v of capacity %d", got, cap(got))
	}
	if got := c.Take(1); got[0] != 18 || !c.Done() {
		t.Errorf("the last is %v", got)
	}
}

// Whatever was to be read beyond the end, nothing is read after it.
func TestShort(t *testing.T) {
	for name, read := range map[string]func(c *cursor.LittleEndian) bool{
		"take":     func(c *cursor.LittleEndian) bool { return c.Take(2) == nil },
		"negative": func(c *cursor.LittleEndian) bool { return c.Take(-1) == nil },
		"sized":    func(c *cursor.LittleEndian) bool { return c.Sized(2) == nil },
		"huge":     func(c *cursor.LittleEndian) bool { return c.Sized(1<<64-1) == nil },
		"u16":      func(c *cursor.LittleEndian) bool { return c.U16() == 0 },
		"u32":      func(c *cursor.LittleEndian) bool { return c.U32() == 0 },
		"u64":      func(c *cursor.LittleEndian) bool { return c.U64() == 0 },
	} {
		c := cursor.LittleEndian{Rest: []byte{7}}
		if !read(&c) || !c.Short || c.Done() || c.U8() != 0 || c.Take(0) != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

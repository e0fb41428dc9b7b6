package tpm

import (
	"encoding/binary"
	"fmt"
)

// reader takes a TPM structure apart from its start. Numbers are big-endian
// (TPM 2.0 part 1, 31). After the first failure every read returns zero and err
// keeps what was wrong, so that a decoder asks once, at its end.
type reader struct {
	rest []byte
	err  error
}

// fail keeps the first failure.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.rest = nil
}

// take returns the next n bytes, without copying.
func (r *reader) take(n int, field string) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.rest) {
		r.fail("%s: %d bytes needed, %d left", field, n, len(r.rest))
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) u8(field string) uint8 {
	if b := r.take(1, field); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16(field string) uint16 {
	if b := r.take(2, field); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32(field string) uint32 {
	if b := r.take(4, field); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64(field string) uint64 {
	if b := r.take(8, field); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) algorithm(field string) algorithm { return algorithm(r.u16(field)) }

// sized reads a TPM2B structure of at most most bytes.
func (r *reader) sized(most int, field string) []byte {
	n := int(r.u16(field))
	if n > most {
		r.fail("%s: %d bytes, at most %d are defined", field, n, most)
		return nil
	}
	return r.take(n, field)
}

// end fails if anything is left.
func (r *reader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes behind its end", len(r.rest))
	}
	return r.err
}

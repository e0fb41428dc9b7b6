package ima

import (
	"bytes"
	"crypto"
	_ "crypto/sha256" // banks
	_ "crypto/sha512" // banks
	"hash"
)

// Replay is what PCR 10 holds after each entry of a list.
type Replay struct {
	size   int    // of a digest of the bank
	values []byte // before the first entry and after each, one after the other
}

// Replay computes what PCR 10 of a bank holds before and after each entry. start is
// its value before the first one, nil for that of a machine that was just started: zeros. Where
// start does not have the bank's size, or the bank cannot be computed, no value is found.
func (l *List) Replay(start []byte, bank crypto.Hash) *Replay {
	if !bank.Available() || start != nil && len(start) != bank.Size() {
		return &Replay{}
	}
	size := bank.Size()
	values := make([]byte, size, size*(len(l.Entries)+1))
	copy(values, start)
	h, digest := bank.New(), make([]byte, 0, size)
	for i := range l.Entries {
		entry, before := &l.Entries[i], values[len(values)-size:]
		if entry.PCR != PCR {
			values = append(values, before...)
			continue
		}
		digest = entry.appendDigest(digest[:0], h)
		h.Reset()
		h.Write(before)
		h.Write(digest)
		values = h.Sum(values)
	}
	return &Replay{size, values}
}

// Find returns after how many entries PCR 10 first holds this value. Nothing
// vouches for the entries behind them: they were measured after the quote was made, or never.
func (r *Replay) Find(pcr10 []byte) (covered int, ok bool) {
	if r.size == 0 || len(pcr10) != r.size {
		return 0, false
	}
	for n := 0; n*r.size < len(r.values); n++ {
		if bytes.Equal(r.values[n*r.size:(n+1)*r.size], pcr10) {
			return n, true
		}
	}
	return 0, false
}

// appendDigest appends what the entry extended its PCR with
// (ima_calc_field_array_hash_tfm): the digest of its data, or ones.
func (e *Entry) appendDigest(digest []byte, h hash.Hash) []byte {
	if e.Violation() {
		return append(digest, bytes.Repeat([]byte{0xff}, h.Size())...)
	}
	h.Reset()
	if e.Template != originalTemplate {
		h.Write(e.Data)
		return h.Sum(digest)
	}
	var name [maxShortName + 1]byte
	copy(name[:], e.Data[originalDigest+4:])
	h.Write(e.Data[:originalDigest])
	h.Write(name[:])
	return h.Sum(digest)
}

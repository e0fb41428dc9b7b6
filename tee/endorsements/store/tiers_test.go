package store

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"pgregory.net/rapid"
)

var chipOID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 4}

// keyEntry is an entry as of a VCEK: with twelve extensions, one of which is the chip's.
func keyEntry(n int) *entry {
	chip := make([]byte, 64)
	binary.BigEndian.PutUint64(chip, uint64(n))
	cert := &x509.Certificate{Raw: append(make([]byte, 1300), chip...), RawSubject: []byte("SEV-VCEK"), NotAfter: time.Unix(1<<33, 0)}
	for arc := range 11 {
		cert.Extensions = append(cert.Extensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1, 3, arc}, Value: []byte{byte(n)}})
	}
	cert.Extensions = append(cert.Extensions, pkix.Extension{Id: chipOID, Value: chip})
	return &entry{
		Endorsed:  tee.Endorsed{Provides: []tee.EndorsementName{{Type: "vcek", ID: string(chip)}}, Certificate: cert},
		fetchable: true, digest: digest(chip[:32]),
	}
}

// The layers hold exactly what was put in and not taken out, whatever the order
// (but for what was taken out lately), and stay few.
func TestTiersHoldWhatTheTableHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 60).Draw(t, "most")
		table := newTable(Config{MaxEntries: most, MaxBytes: 1 << 30})
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 99), 1, 400).Draw(t, "insertions") {
			if o := table.put(keyEntry(n)); o.err != nil {
				t.Fatal(o.err)
			}
			if o := table.inForce[slot{name: keyEntry(n).Provides[0]}]; o == nil {
				t.Fatalf("%d is not there", n)
			}
			view := table.view(time.Unix(0, 0))
			shown := map[digest]bool{}
			for _, cert := range view.Certificates() {
				shown[digest(cert.Raw[1300:1332])] = true
			}
			for id := range table.byDigest {
				if !shown[id] {
					t.Fatalf("%x is held and not shown", id[:8])
				}
			}
			if len(table.byDigest) > most || table.keys.Len() != len(table.byDigest) || len(shown) > most+tierFactor+2*most {
				t.Fatalf("%d held, %d in order, %d shown, at most %d", len(table.byDigest), table.keys.Len(), len(shown), most)
			}
		}
	})
}

// Whatever is put in, whatever order: the newest is in force, no floor falls, the
// count of bytes is right, and no serial that was ever listed is lost while lists are few.
func TestTableProperties(t *testing.T) {
	at := slot{name: tee.EndorsementName{Type: "crl", ID: "a"}}
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(Config{MaxEntries: 100, MaxBytes: 1 << 20})
		var newest *entry
		for n := range rapid.IntRange(1, 30).Draw(t, "lists") {
			list := &x509.RevocationList{Raw: make([]byte, n+1)}
			for _, serial := range rapid.SliceOfN(rapid.Int64Range(1, 6), 0, 4).Draw(t, "serials") {
				list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, revoked(serial))
			}
			e := &entry{Endorsed: tee.Endorsed{Provides: []tee.EndorsementName{at.name}, CRL: list,
				Sequence: uint64(rapid.IntRange(1, 9).Draw(t, "number")), Issued: time.Unix(int64(rapid.IntRange(1, 5).Draw(t, "issued")), 0)}}
			e.digest = digest{byte(n)}
			o := table.put(e)
			if newest == nil || e.compare(newest) > 0 {
				newest = e
			} else if o.changed || (evidence.CodeOf(o.err) == evidence.CodeEndorsementRolledBack) != (e.compare(newest) < 0) {
				t.Fatalf("%+v", o)
			}
			if table.inForce[at] != newest || table.floors[at] != (floor{newest.Sequence, newest.Issued}) {
				t.Fatal("the newest is not in force")
			}
			bytes := int64(0)
			for _, held := range table.byDigest {
				bytes += held.size()
			}
			if bytes != table.bytes || len(table.byDigest) != 1+len(table.superseded[at]) || len(table.superseded[at]) > maxSuperseded {
				t.Fatalf("%d bytes, counted %d; %d lists", bytes, table.bytes, len(table.byDigest))
			}
		}
	})
}

// BenchmarkInsert adds a key certificate to a store of ten thousand, with the snapshot.
func BenchmarkInsert(b *testing.B) {
	table := fullTable(10_000)
	n := 10_000
	for b.Loop() {
		table.put(keyEntry(n))
		table.view(time.Unix(0, 0))
		n++
	}
}

// BenchmarkInsertEvicting does so in a store that is full.
func BenchmarkInsertEvicting(b *testing.B) {
	table := fullTable(10_000)
	table.maxEntries = 10_000
	n := 10_000
	for b.Loop() {
		table.put(keyEntry(n))
		table.view(time.Unix(0, 0))
		n++
	}
}

// BenchmarkLookup finds a chip's certificate among ten thousand.
func BenchmarkLookup(b *testing.B) {
	view := fullTable(10_000).view(time.Unix(0, 0))
	for b.Loop() {
		if len(view.ByExtension(chipOID, keyEntryChip(rand.IntN(10_000)))) != 1 {
			b.Fatal("not found")
		}
	}
}

func keyEntryChip(n int) []byte {
	chip := make([]byte, 64)
	binary.BigEndian.PutUint64(chip, uint64(n))
	return chip
}

func fullTable(n int) *table {
	t := newTable(Config{MaxEntries: 1 << 20, MaxBytes: 1 << 40})
	for i := range n {
		t.put(keyEntry(i))
		if i%100 == 0 {
			t.view(time.Unix(0, 0))
		}
	}
	return &t
}

func revoked(serial int64) x509.RevocationListEntry {
	return x509.RevocationListEntry{SerialNumber: big.NewInt(serial)}
}

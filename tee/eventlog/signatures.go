package eventlog

import (
	"bytes"
	"crypto/sha256"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

// signatureType says what the entries of one type of signature list are.
type signatureType struct {
	size int // of an entry with its owner; 0 where it varies
	kind entryKind
}

type entryKind uint8

const (
	entryOther entryKind = iota
	entryCertificate
	entryHash
	entryRevoked
)

// signatureTypes are the types of UEFI 2.10, 32.4.1, by GUID. An entry begins
// with its owner (16 bytes). None of them has a header.
var signatureTypes = map[guid]signatureType{
	newGUID("a5c059a1-94e4-4aa7-87b5-ab155c2bf072"): {0, entryCertificate},   // X.509 in DER
	newGUID("c1c41626-504c-4092-aca9-41f936934328"): {16 + 32, entryHash},    // SHA-256
	newGUID("ff3e5307-9fd0-48c9-85f1-8ad56c701e01"): {16 + 48, entryHash},    // SHA-384
	newGUID("093e0fae-a6c4-4f50-9f1b-d41e2b89c19a"): {16 + 64, entryHash},    // SHA-512
	newGUID("3bd2a492-96c0-4079-b420-fcf98ef103ed"): {16 + 48, entryRevoked}, // X.509, SHA-256, with a time
	newGUID("7076876e-80c2-4ee6-aad2-28b349a6865b"): {16 + 64, entryRevoked}, // X.509, SHA-384, with a time
	newGUID("446dbf63-2502-4cda-bcfa-2465d2b0fe9d"): {16 + 80, entryRevoked}, // X.509, SHA-512, with a time
	newGUID("826ca512-cf10-4ac9-b187-be01496631bd"): {16 + 20, entryOther},   // SHA-1
	newGUID("0b6e5233-a65c-44c9-9407-d9ab83bfc8bd"): {16 + 28, entryOther},   // SHA-224
	newGUID("3c5766e8-269c-4e34-aa14-ed776e85b3b6"): {16 + 256, entryOther},  // RSA-2048
	newGUID("e2b36190-879b-4a3d-ad8d-f2e7bba32784"): {16 + 256, entryOther},  // RSA-2048 with SHA-256
	newGUID("67f8444f-8743-48f1-a328-1eaab8736080"): {16 + 256, entryOther},  // RSA-2048 with SHA-1
	newGUID("4aafd29d-68df-49ee-8aa9-347d375665a7"): {0, entryOther},         // PKCS #7
}

// timeSize is the size of EFI_TIME, behind the digest of a revoked certificate.
const timeSize = 16

// listHeader is the size of EFI_SIGNATURE_LIST without its entries.
const listHeader = 16 + 4 + 4 + 4

// parseSignatures reads a signature variable's data: EFI_SIGNATURE_LISTs one after
// the other. A list's header is vendors' to fill, and nothing of it may pass for a
// signature: no type that is known has one, so lists with one are refused. It is
// false for anything that is not exactly such lists.
func parseSignatures(data []byte) (evidence.SignatureDatabase, bool) {
	sum := sha256.Sum256(data)
	db := evidence.SignatureDatabase{SHA256: sum[:], Size: uint32(len(data))}
	data = bytes.Clone(data) // what the claims refer to must outlive the log
	for c := (cursor.LittleEndian{Rest: data}); len(c.Rest) > 0; {
		var typ guid
		copy(typ[:], c.Take(len(typ)))
		size, header, entry := uint64(c.U32()), c.U32(), uint64(c.U32())
		if c.Short || header != 0 || size < listHeader || entry <= uint64(len(guid{})) || (size-listHeader)%entry != 0 {
			return evidence.SignatureDatabase{}, false
		}
		list := c.Sized(size - listHeader)
		known, ok := signatureTypes[typ]
		if c.Short || ok && known.size != 0 && uint64(known.size) != entry {
			return evidence.SignatureDatabase{}, false
		}
		for ; len(list) > 0; list = list[entry:] {
			addEntry(&db, known.kind, list[len(guid{}):entry:entry])
		}
	}
	return db, true
}

// addEntry files one entry, its owner left out.
func addEntry(db *evidence.SignatureDatabase, kind entryKind, entry []byte) {
	switch kind {
	case entryCertificate:
		sum := sha256.Sum256(entry)
		db.Certificates = append(db.Certificates, sum[:])
	case entryHash:
		db.Hashes = append(db.Hashes, entry)
	case entryRevoked:
		db.RevokedCertificates = append(db.RevokedCertificates, entry[:len(entry)-timeSize])
	case entryOther:
		db.Others++
	}
}

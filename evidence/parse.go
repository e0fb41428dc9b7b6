package evidence

import (
	"bytes"
	"encoding/binary"
)

// Parse reads what a workload sends: a CMW record or collection in JSON or CBOR,
// a bare SEV-SNP report or a bare TDX quote. It tells them apart by their first
// bytes and decodes strictly; what the items contain is for the technology's
// verifier (package tee). A bare report or quote is not copied: its item shares
// data.
//
// Every error is an [*Error]. Evidence of another technology, and parts that
// mean nothing alone, are named as what they are.
func Parse(data []byte) (Bundle, error) {
	if len(data) == 0 {
		return nil, Errorf(CodeEvidenceEmpty, "evidence", "there is nothing in it")
	}
	if len(data) > MaxEncoded {
		return nil, errTooLarge("evidence", MaxEncoded, "bytes")
	}
	if item := bareItem(data); item != nil {
		if err := checkItem("evidence", item); err != nil {
			return nil, err
		}
		return NewBundle(item)
	}
	found, err := unwrap(data)
	if err != nil {
		return nil, err
	}
	items := make([]Item, len(found))
	for n, r := range found {
		if items[n], err = decodePayload(r); err != nil {
			return nil, err
		}
	}
	return NewBundle(items...)
}

// unwrap returns the records of a CMW in either encoding.
func unwrap(data []byte) (records, error) {
	if err := foreign(data); err != nil {
		return nil, err
	}
	switch text := bytes.TrimLeft(data, " \t\r\n"); {
	case len(text) > 0 && (text[0] == '[' || text[0] == '{'):
		return unwrapJSON(text)
	case data[0] >= 0x80 && data[0] <= 0xbf, data[0] >= 0xc0 && data[0] <= 0xdb: // arrays and maps; tags
		return decodeCBOR(data)
	}
	return nil, Errorf(CodeKindUnknown, "evidence",
		"this is neither a CMW in JSON or CBOR nor a bare SEV-SNP report or TDX quote; for other files see `quotary evidence pack`")
}

// unwrapJSON decodes text and, only where that fails, looks whether it is a
// document of another system.
func unwrapJSON(text []byte) (records, error) {
	found, err := decodeJSON(text)
	if err == nil {
		return found, nil
	}
	if named := foreignObject(text); named != nil {
		return nil, named
	}
	return nil, err
}

// snpReportSize is the size of ATTESTATION_REPORT (SEV-SNP ABI 56860, table 23).
const snpReportSize = 1184

// bareItem recognises a bare report or quote, or returns nil. A hardware
// structure whose version is not known here still goes to its verifier, which
// says what is wrong with it.
func bareItem(data []byte) Item {
	if len(data) < 8 {
		return nil
	}
	version := binary.LittleEndian.Uint32(data)
	if version >= 2 && version <= 5 || len(data) == snpReportSize && version <= 0xff {
		return &SNP{Report: data}
	}
	if teeType(data) == teeTypeTDX {
		return &TDX{Quote: data}
	}
	return nil
}

// TEE types in the header of a DCAP quote (Intel TDX DCAP quote format, "Quote Header").
const (
	teeTypeSGX = 0x00
	teeTypeTDX = 0x81
)

// teeType returns the TEE type of what starts like a DCAP quote header: version
// 3 to 5, an ECDSA attestation key (2: P-256, 3: P-384), TEE type. It returns
// -1 for anything else.
func teeType(data []byte) int64 {
	if len(data) < 8 {
		return -1
	}
	version, keyType := binary.LittleEndian.Uint16(data), binary.LittleEndian.Uint16(data[2:])
	if version < 3 || version > 5 || keyType < 2 || keyType > 3 {
		return -1
	}
	return int64(binary.LittleEndian.Uint32(data[4:]))
}

package evidence

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// Readers of what tpm2-tools write. They are strict about form and believe
// nothing: the PCR values that they return count only as far as a quote's signed
// digest covers them.

// pcrBanks are the banks that PCR values are read of: TPM_ALG_ID (TCG Algorithm
// Registry), name and the size of a value in bytes.
var pcrBanks = []struct {
	id   uint16
	name string
	size int
}{
	{0x0004, "sha1", 20}, {0x000b, "sha256", 32}, {0x000c, "sha384", 48}, {0x000d, "sha512", 64}, {0x0012, "sm3_256", 32},
	{0x0027, "sha3_256", 32}, {0x0028, "sha3_384", 48}, {0x0029, "sha3_512", 64},
}

// bankSize returns the size of a value of the named bank, or 0 if there is no such bank.
func bankSize(name string) int {
	for _, bank := range pcrBanks {
		if bank.name == name {
			return bank.size
		}
	}
	return 0
}

// ParsePCRs reads PCR values in any of these forms, recognised by content:
//
//   - the binary file of tpm2_quote --pcrs, or of tpm2_pcrread --pcrs_format=serialized;
//   - the text that tpm2_pcrread, tpm2_quote and tpm2_checkquote print;
//   - JSON of bank to index to hex, or of index to hex.
//
// Bank names the bank of the last form, which does not say it. With another
// form it may be empty; if it is not, the file must have values of that bank.
// The error is an [*Error].
func ParsePCRs(data []byte, bank string) (PCRs, error) {
	if len(data) > MaxTPMFile {
		return nil, tpmFileError("%d bytes, at most %d are read", len(data), MaxTPMFile)
	}
	if bank != "" && bankSize(bank) == 0 {
		return nil, Errorf(CodeTPMFileBank, "bank", "%q is no PCR bank", truncate(bank))
	}
	pcrs, err := parsePCRForm(data, bank)
	if err != nil {
		return nil, err
	}
	if bank != "" && len(pcrs[bank]) == 0 {
		return nil, Errorf(CodeTPMFileBank, "pcrs", "no values of bank %s", bank)
	}
	return pcrs, nil
}

func parsePCRForm(data []byte, bank string) (PCRs, error) {
	text := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(text) == 0:
		return nil, tpmFileError("empty")
	case text[0] == '{':
		return parsePCRJSON(data, bank)
	case isText(data):
		return parsePCRText(string(data))
	default:
		return parsePCRBlob(data)
	}
}

// isText reports whether data is printable ASCII, as tpm2-tools print.
func isText(data []byte) bool {
	return bytes.IndexFunc(data, func(r rune) bool {
		return r > '~' || r < ' ' && !strings.ContainsRune("\t\r\n", r)
	}) < 0
}

func tpmFileError(format string, args ...any) error {
	return Errorf(CodeTPMFileMalformed, "pcrs", format, args...)
}

// set adds a value, which must have its bank's size and not be there yet.
func (p PCRs) set(bank string, index int, value []byte) error {
	switch {
	case bankSize(bank) == 0:
		return tpmFileError("%q is no PCR bank", truncate(bank))
	case index < 0 || index > MaxPCR:
		return tpmFileError("PCR %d; there are %d", index, MaxPCR+1)
	case len(value) != bankSize(bank):
		return tpmFileError("%d bytes for PCR %d of bank %s", len(value), index, bank)
	case p[bank][index] != nil:
		return tpmFileError("two values for PCR %d of bank %s", index, bank)
	}
	if p[bank] == nil {
		p[bank] = map[int]Hex{}
	}
	p[bank][index] = bytes.Clone(value)
	return nil
}

// The types of TPMT_PUBLIC that attestation keys have, and the prefix of
// TPMS_ATTEST (TPM 2.0 part 2, 12.2.4 and 6.2).
const (
	tpmAlgRSA         = 0x0001
	tpmAlgECC         = 0x0023
	tpmGeneratedValue = "\xffTCG"
)

// UnwrapTPMPublic returns the TPMT_PUBLIC in data, which is one, or is the
// TPM2B_PUBLIC that tpm2_createak --public writes. The structure itself is not decoded.
func UnwrapTPMPublic(data []byte) ([]byte, error) {
	area := unwrapTPM2B(data)
	if len(area) < 2 || len(area) > MaxTPMStructure {
		return nil, Errorf(CodeTPMFileMalformed, "ak_public", "neither TPM2B_PUBLIC nor TPMT_PUBLIC")
	}
	if typ := binary.BigEndian.Uint16(area); typ != tpmAlgRSA && typ != tpmAlgECC {
		return nil, Errorf(CodeTPMFileMalformed, "ak_public", "neither TPM2B_PUBLIC nor TPMT_PUBLIC of an RSA or ECC key")
	}
	return area, nil
}

// UnwrapTPMAttest returns the TPMS_ATTEST in data, which is one, as tpm2_quote
// --message writes it, or is a TPM2B_ATTEST. The structure itself is not decoded.
func UnwrapTPMAttest(data []byte) ([]byte, error) {
	attest := unwrapTPM2B(data)
	if len(attest) > MaxTPMStructure || !bytes.HasPrefix(attest, []byte(tpmGeneratedValue)) {
		return nil, Errorf(CodeTPMFileMalformed, "attest", "neither TPMS_ATTEST nor TPM2B_ATTEST")
	}
	return attest, nil
}

// unwrapTPM2B takes a size prefix off data that has one which fits exactly. No
// TPMT_PUBLIC or TPMS_ATTEST begins with its own size: their first two bytes are
// an algorithm below 0x0024 or 0xff54.
func unwrapTPM2B(data []byte) []byte {
	if len(data) >= 2 && int(binary.BigEndian.Uint16(data)) == len(data)-2 {
		return data[2:]
	}
	return data
}

// The schemes of TPMT_SIGNATURE, and a hash (TCG Algorithm Registry).
const (
	tpmAlgSHA256 = 0x000b
	tpmAlgRSASSA = 0x0014
	tpmAlgRSAPSS = 0x0016
	tpmAlgECDSA  = 0x0018
)

// UnwrapTPMSignature returns the TPMT_SIGNATURE in data, as tpm2_quote --signature
// writes it. A plain RSA signature (--format=plain, or from a cloud's interface), which does not
// say its scheme, is taken for RSASSA with SHA-256, the scheme of clouds' keys: for a
// key of another scheme it does not verify.
func UnwrapTPMSignature(data []byte) ([]byte, error) {
	if isTPMSignature(data) {
		return data, nil
	}
	switch size := len(data); size {
	case 256, 384, 512: // RSA-2048, 3072 and 4096
		wrapped := binary.BigEndian.AppendUint16(nil, tpmAlgRSASSA)
		wrapped = binary.BigEndian.AppendUint16(wrapped, tpmAlgSHA256)
		wrapped = binary.BigEndian.AppendUint16(wrapped, uint16(size))
		return append(wrapped, data...), nil
	}
	return nil, Errorf(CodeTPMFileMalformed, "signature", "neither a TPMT_SIGNATURE by RSASSA, RSAPSS or ECDSA, as tpm2_quote writes it unless it is told another format, nor a plain RSA signature")
}

// isTPMSignature reports whether data is a TPMT_SIGNATURE with nothing behind it.
func isTPMSignature(data []byte) bool {
	if len(data) < 6 || len(data) > MaxTPMStructure {
		return false
	}
	values := 1
	switch binary.BigEndian.Uint16(data) {
	case tpmAlgRSASSA, tpmAlgRSAPSS:
	case tpmAlgECDSA:
		values = 2
	default:
		return false
	}
	rest := data[4:]
	for range values {
		if len(rest) < 2 || int(binary.BigEndian.Uint16(rest)) > len(rest)-2 {
			return false
		}
		rest = rest[2+int(binary.BigEndian.Uint16(rest)):]
	}
	return len(rest) == 0
}

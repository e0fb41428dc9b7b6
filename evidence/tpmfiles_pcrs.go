package evidence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// The binary file of PCR values is the C structures of the TPM software stack,
// each number little-endian:
//
//	TPML_PCR_SELECTION  count (4), 16 × { hash (2), sizeofSelect (1), pcrSelect (4), padding (1) }
//	count of TPML_DIGEST (4)
//	TPML_DIGEST         count (4), 8 × { size (2), buffer (64) }   as often
//
// The digests follow the selection's banks, and in each its PCRs ascending.
const (
	blobSelections    = 16
	blobSelectionSize = 8
	blobHeader        = 4 + blobSelections*blobSelectionSize
	blobListDigests   = 8
	blobDigestSize    = 2 + 64
	blobList          = 4 + blobListDigests*blobDigestSize
)

func parsePCRBlob(data []byte) (PCRs, error) {
	if len(data) < blobHeader+4 {
		return nil, blobError("%d bytes are too few", len(data))
	}
	lists := binary.LittleEndian.Uint32(data[blobHeader:])
	body := data[blobHeader+4:]
	if uint64(len(body)) != uint64(lists)*blobList {
		return nil, blobError("%d bytes do not hold %d lists of digests", len(body), lists)
	}
	digests, err := readDigestLists(body)
	if err != nil {
		return nil, err
	}
	return assignDigests(data[:blobHeader], digests)
}

// blobError says besides what is wrong which form can be read, since a binary
// file without structure is what tpm2_pcrread writes by default.
func blobError(format string, args ...any) error {
	return tpmFileError("not a binary file of PCR values as tpm2_quote --pcrs writes it ("+format+"); tpm2_pcrread does with --pcrs_format=serialized", args...)
}

// readDigestLists returns the digests of all lists in their order.
func readDigestLists(body []byte) ([][]byte, error) {
	var digests [][]byte
	for ; len(body) > 0; body = body[blobList:] {
		count := binary.LittleEndian.Uint32(body)
		if count > blobListDigests {
			return nil, blobError("a list of %d digests", count)
		}
		for n := range blobListDigests {
			entry := body[4+n*blobDigestSize:][:blobDigestSize]
			size := int(binary.LittleEndian.Uint16(entry))
			if size > len(entry)-2 || n >= int(count) && size != 0 || !isZero(entry[2+size:]) {
				return nil, blobError("a malformed digest")
			}
			if n < int(count) {
				digests = append(digests, entry[2:2+size])
			}
		}
	}
	return digests, nil
}

// assignDigests gives each selected PCR its digest.
func assignDigests(header []byte, digests [][]byte) (PCRs, error) {
	count := binary.LittleEndian.Uint32(header)
	if count > blobSelections || !isZero(header[4+min(count, blobSelections)*blobSelectionSize:]) {
		return nil, blobError("%d selections", count)
	}
	pcrs := PCRs{}
	for n := range int(count) {
		entry := header[4+n*blobSelectionSize:][:blobSelectionSize]
		bank := bankName(binary.LittleEndian.Uint16(entry))
		if bank == "" || entry[2] > 4 || !isZero(entry[3+entry[2]:]) {
			return nil, blobError("a malformed selection")
		}
		for index := range 8 * int(entry[2]) {
			if entry[3+index/8]>>(index%8)&1 == 0 {
				continue
			}
			if len(digests) == 0 {
				return nil, blobError("fewer digests than PCRs")
			}
			if err := pcrs.set(bank, index, digests[0]); err != nil {
				return nil, err
			}
			digests = digests[1:]
		}
	}
	if len(digests) > 0 || len(pcrs) == 0 {
		return nil, blobError("more digests than PCRs, or none")
	}
	return pcrs, nil
}

func bankName(id uint16) string {
	for _, bank := range pcrBanks {
		if bank.id == id {
			return bank.name
		}
	}
	return ""
}

func isZero(b []byte) bool { return bytes.Count(b, []byte{0}) == len(b) }

// otherLines are the names that tpm2_quote and tpm2_checkquote print beside PCRs.
var otherLines = []string{"quoted", "signature", "alg", "sig", "calcDigest"}

// parsePCRText reads lines of "BANK:" and "INDEX : 0xHEX", and passes over the
// other lines that the tools print.
func parsePCRText(text string) (PCRs, error) {
	pcrs, bank := PCRs{}, ""
	seen := map[string]bool{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.TrimSpace(line) == "":
		case !ok:
			return nil, tpmFileError("the line %q", truncate(name))
		case isDigits(name):
			if err := setText(pcrs, bank, name, value); err != nil {
				return nil, err
			}
		case seen[name]:
			return nil, tpmFileError("%q twice", truncate(name))
		case bankSize(name) > 0 && value == "":
			bank = name
		case name == "pcrs" && value == "":
		case !contains(otherLines, name):
			return nil, tpmFileError("the line %q", truncate(name))
		}
		seen[name] = !isDigits(name)
	}
	if len(pcrs) == 0 {
		return nil, tpmFileError("no PCR values")
	}
	return pcrs, nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// setText adds a value from its text: a decimal index, and hex with or without 0x.
func setText(pcrs PCRs, bank, index, value string) error {
	if bank == "" {
		return Errorf(CodeTPMFileBank, "pcrs", "PCR %s has a value before any bank was named; say which bank the file is of", truncate(index))
	}
	n, err := strconv.Atoi(index)
	if err != nil || strconv.Itoa(n) != index {
		return tpmFileError("%q is no index of a PCR", truncate(index))
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(value, "0x"))
	if err != nil {
		return tpmFileError("PCR %d of bank %s is not hex", n, bank)
	}
	return pcrs.set(bank, n, raw)
}

// parsePCRJSON reads {"BANK": {"INDEX": "HEX"}}, or {"INDEX": "HEX"} of the given bank.
func parsePCRJSON(data []byte, bank string) (PCRs, error) {
	r := &pcrJSON{json.NewDecoder(bytes.NewReader(data)), PCRs{}}
	if err := r.object(bank, true); err != nil {
		return nil, err
	}
	if _, err := r.Token(); err != io.EOF {
		return nil, tpmFileError("something behind the JSON object")
	}
	if len(r.pcrs) == 0 {
		return nil, tpmFileError("no PCR values")
	}
	return r.pcrs, nil
}

// pcrJSON reads token by token, since encoding/json lets the last of two equal keys win.
type pcrJSON struct {
	*json.Decoder
	pcrs PCRs
}

// object reads an object of index to hex of bank; the outer one may have banks instead.
func (r *pcrJSON) object(bank string, outer bool) error {
	if err := r.delim('{'); err != nil {
		return err
	}
	for r.More() {
		name, err := r.text()
		if err != nil {
			return err
		}
		if outer && bankSize(name) > 0 {
			if r.pcrs[name] != nil {
				return tpmFileError("bank %s twice", name)
			}
			if err = r.object(name, false); err == nil && r.pcrs[name] == nil {
				err = tpmFileError("bank %s is empty", name)
			}
		} else {
			err = r.value(bank, name)
		}
		if err != nil {
			return err
		}
	}
	return r.delim('}')
}

func (r *pcrJSON) value(bank, index string) error {
	value, err := r.text()
	if err != nil {
		return err
	}
	return setText(r.pcrs, bank, index, value)
}

func (r *pcrJSON) delim(want json.Delim) error {
	if token, err := r.Token(); err != nil || token != want {
		return tpmFileError("not JSON of banks, PCR indices and hex")
	}
	return nil
}

func (r *pcrJSON) text() (string, error) {
	token, err := r.Token()
	text, ok := token.(string)
	if err != nil || !ok {
		return "", tpmFileError("not JSON of banks, PCR indices and hex")
	}
	return text, nil
}

package evidence

import (
	"bytes"
	"encoding/binary"

	"github.com/quotary/quotary/internal/strictjson"
)

// foreignForm is a form that is recognised only to be refused with its name and a way on.
type foreignForm struct {
	prefixes []string
	code     Code
	says     string
}

// packHint is what to do with the files of a TPM quote.
const packHint = "; `quotary evidence pack` makes evidence of a quote's message, signature, PCR values and key"

// foreignForms are told apart by their first bytes.
var foreignForms = []foreignForm{
	{[]string{"\xff\x54\x43\x47\x80"}, CodeEvidenceIncomplete, "a TPM's attestation structure (TPMS_ATTEST) alone" + packHint},
	{[]string{"\x00\x14\x00\x0b", "\x00\x14\x00\x04", "\x00\x16\x00\x0b", "\x00\x18\x00\x0b", "\x00\x18\x00\x0c"}, CodeEvidenceIncomplete, "a TPM's signature (TPMT_SIGNATURE) alone" + packHint},
	{[]string{"\x00\x01\x00\x0b", "\x00\x01\x00\x0c", "\x00\x23\x00\x0b", "\x00\x23\x00\x0c"}, CodeEvidenceIncomplete, "a TPM key's public area (TPMT_PUBLIC) alone" + packHint},
	{[]string{"\x01\x00\x00\x00\x04\x00\x03", "\x01\x00\x00\x00\x0b\x00\x03", "\x01\x00\x00\x00\x0c\x00\x03", "\x01\x00\x00\x00\x0d\x00\x03"},
		CodeEvidenceIncomplete, "a PCR file of tpm2-tools alone" + packHint},
	{[]string{"\x84\x44\xa1\x01\x38", "\x84\x43\xa1\x01", "\xd2\x84"}, CodeKindUnsupported,
		"a COSE_Sign1 message, as AWS Nitro documents are; this build verifies SEV-SNP, TDX and TPM evidence"},
	{[]string{"\x11\xe0\x01\xff"}, CodeKindUnsupported, "an SPDM measurement report, as NVIDIA GPUs make; this build verifies SEV-SNP, TDX and TPM evidence"},
	{[]string{"HCLA"}, CodeKindUnsupported, "an Azure HCL report; the SEV-SNP report or TD report inside it needs the vTPM's quote to count"},
	{[]string{"-----BEGIN ", "\x30\x82"}, CodeKindUnknown, "a certificate, CRL or key; endorsements are given beside the evidence, not as evidence"},
}

// foreignJSON names the JSON documents of other systems by a key that only they have.
var foreignJSON = []struct{ key, says string }{
	{"hcl_report", "evidence from an Azure vTPM"},
	{"outblob", "a report of the kernel's TSM interface; send its outblob, which is a bare report or quote"},
	{"arch", "evidence from an NVIDIA GPU; this build verifies SEV-SNP, TDX and TPM evidence"},
}

// foreign refuses what is recognised by its first bytes as something else than
// our evidence.
func foreign(data []byte) error {
	if teeType(data) == teeTypeSGX {
		return Errorf(CodeKindUnsupported, "evidence", "an Intel SGX quote; this build verifies SEV-SNP, TDX and TPM evidence")
	}
	start := data
	if len(data) > 2 && int(binary.BigEndian.Uint16(data)) == len(data)-2 {
		start = data[2:] // a TPM2B: its size goes before the structure
	}
	for _, form := range foreignForms {
		for _, prefix := range form.prefixes {
			if bytes.HasPrefix(start, []byte(prefix)) {
				return Errorf(form.code, "evidence", "this is %s", form.says)
			}
		}
	}
	return nil
}

// foreignObject recognises JSON objects of other systems by the names at their
// top level.
func foreignObject(text []byte) error {
	members, err := strictjson.Members(text, maxForeignMembers)
	if err != nil {
		return nil
	}
	for _, f := range foreignJSON {
		if value := strictjson.Get(members, f.key); value != nil && value[0] == '"' {
			return Errorf(CodeKindUnsupported, "evidence", "this is %s", f.says)
		}
	}
	return nil
}

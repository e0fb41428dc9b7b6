package evidence

import (
	"bytes"
	"fmt"
)

// Payloads of our own media types: CBOR maps with text keys, in deterministic
// encoding. A payload in any other encoding is refused, so that one item has
// one form.
type (
	snpPayload struct {
		Report       []byte   `cbor:"report"`
		Certificates [][]byte `cbor:"certificates,omitempty"`
		RuntimeData  []byte   `cbor:"runtime_data,omitempty"`
	}
	tdxPayload struct {
		Quote       []byte `cbor:"quote"`
		EventLog    []byte `cbor:"event_log,omitempty"`
		RuntimeData []byte `cbor:"runtime_data,omitempty"`
	}
	tpmPayload struct {
		Attest         []byte                `cbor:"attest"`
		Signature      []byte                `cbor:"signature"`
		PCRs           PCRs                  `cbor:"pcrs"`
		AKPublic       []byte                `cbor:"ak_public,omitempty"`
		AKCertificates [][]byte              `cbor:"ak_certificates,omitempty"`
		EventLog       []byte                `cbor:"event_log,omitempty"`
		IMALog         []byte                `cbor:"ima_log,omitempty"`
		IMAOffset      uint64                `cbor:"ima_offset,omitempty"`
		Certification  *certificationPayload `cbor:"certification,omitempty"`
	}
	certificationPayload struct {
		Attest    []byte `cbor:"attest"`
		Signature []byte `cbor:"signature"`
		Public    []byte `cbor:"public"`
	}
)

func newTPMPayload(t *TPM) tpmPayload {
	return tpmPayload{
		t.Attest, t.Signature, t.PCRs, t.AKPublic, t.AKCertificates, t.EventLog, t.IMALog, t.IMAOffset,
		(*certificationPayload)(t.Certification),
	}
}

func (p tpmPayload) item() *TPM {
	return &TPM{
		p.Attest, p.Signature, p.PCRs, p.AKPublic, p.AKCertificates, p.EventLog, p.IMALog, p.IMAOffset,
		(*TPMCertification)(p.Certification),
	}
}

// encodePayload returns item as a record of our own media type.
func encodePayload(item Item) (record, error) {
	out := record{field: string(item.Kind())}
	if err := checkItem(out.field, item); err != nil {
		return record{}, err
	}
	var payload any
	switch i := item.(type) {
	case *SNP:
		out.mediaType, payload = MediaTypeSEVSNP, snpPayload(*i)
	case *TDX:
		out.mediaType, payload = MediaTypeTDX, tdxPayload(*i)
	case *TPM:
		out.mediaType, payload = MediaTypeTPM, newTPMPayload(i)
	}
	var err error
	out.value, err = deterministic.Marshal(payload)
	return out, err
}

// decodePayload returns the item that a record holds.
func decodePayload(r record) (Item, error) {
	item, err := decodeItem(r)
	if err != nil {
		return nil, err
	}
	return item, checkItem(r.field, item)
}

func decodeItem(r record) (Item, error) {
	switch r.mediaType {
	case MediaTypeSEVSNPReport:
		return &SNP{Report: r.value}, nil
	case MediaTypeTDXQuote:
		return &TDX{Quote: r.value}, nil
	case MediaTypeSEVSNP:
		var p snpPayload
		err := decodeExact(r, &p)
		return (*SNP)(&p), err
	case MediaTypeTDX:
		var p tdxPayload
		err := decodeExact(r, &p)
		return (*TDX)(&p), err
	case MediaTypeTPM:
		var p tpmPayload
		err := decodeExact(r, &p)
		return p.item(), err
	}
	return nil, Errorf(CodeMediaTypeUnknown, r.field, "%q is no media type of evidence that this build reads; %q, %q and %q are",
		truncate(r.mediaType), MediaTypeSEVSNP, MediaTypeTDX, MediaTypeTPM)
}

// decodeExact decodes r's value into payload, a pointer, and refuses it if it
// is not exactly what the payload encodes to.
func decodeExact(r record, payload any) error {
	if len(r.value) == 0 {
		return Errorf(CodeEvidenceEmpty, r.field, "the record's value is empty")
	}
	if err := strictCBOR.Unmarshal(r.value, payload); err != nil {
		return errCBOR(r.field, err)
	}
	again, err := deterministic.Marshal(payload)
	if err != nil || !bytes.Equal(again, r.value) {
		return Errorf(CodeEvidenceMalformed, r.field, "the payload is not in deterministic CBOR with exactly the keys of %s", r.mediaType)
	}
	return nil
}

// checkItem holds an item to the bounds and presence of its parts. What is in
// them is for the technology's verifier.
func checkItem(field string, item Item) error {
	switch i := item.(type) {
	case *SNP:
		if err := checkPart(field+".report", i.Report, MaxReport); err != nil {
			return err
		}
		if err := checkBound(field+".runtime_data", i.RuntimeData, MaxRuntimeData); err != nil {
			return err
		}
		return checkCertificates(field+".certificates", i.Certificates)
	case *TDX:
		if err := checkPart(field+".quote", i.Quote, MaxReport); err != nil {
			return err
		}
		if err := checkBound(field+".runtime_data", i.RuntimeData, MaxRuntimeData); err != nil {
			return err
		}
		return checkBound(field+".event_log", i.EventLog, MaxEventLog)
	case *TPM:
		return checkTPM(field, i)
	}
	return Errorf(CodeKindUnknown, field, "there is no encoding for items of type %T", item)
}

func checkTPM(field string, t *TPM) error {
	if err := checkPart(field+".attest", t.Attest, MaxTPMStructure); err != nil {
		return err
	}
	if err := checkPart(field+".signature", t.Signature, MaxTPMStructure); err != nil {
		return err
	}
	if err := checkBound(field+".ak_public", t.AKPublic, MaxTPMStructure); err != nil {
		return err
	}
	if err := checkBound(field+".event_log", t.EventLog, MaxEventLog); err != nil {
		return err
	}
	if err := checkBound(field+".ima_log", t.IMALog, MaxIMALog); err != nil {
		return err
	}
	if t.Certification != nil {
		if err := t.Certification.check(field + ".certification"); err != nil {
			return err
		}
	}
	if err := checkCertificates(field+".ak_certificates", t.AKCertificates); err != nil {
		return err
	}
	return checkPCRs(field+".pcrs", t.PCRs)
}

func checkPCRs(field string, pcrs PCRs) error {
	if pcrs == nil {
		return Errorf(CodeEvidenceIncomplete, field, "the quote comes without the PCR values that its digest covers")
	}
	if len(pcrs) > MaxPCRBanks {
		return errTooLarge(field, MaxPCRBanks, "banks")
	}
	for bank, values := range pcrs {
		if bank == "" || len(bank) > MaxPCRBankName || values == nil {
			return Errorf(CodeEvidenceMalformed, field, "a bank's name takes 1 to %d bytes and it holds a map of values", MaxPCRBankName)
		}
		for index, value := range values {
			if index < 0 || index > MaxPCR || len(value) == 0 || len(value) > MaxPCRValue {
				return Errorf(CodeEvidenceMalformed, under(field, bank), "an index is 0 to %d and a value takes 1 to %d bytes", MaxPCR, MaxPCRValue)
			}
		}
	}
	return nil
}

func checkCertificates(field string, certs [][]byte) error {
	if len(certs) > MaxCertificates {
		return errTooLarge(field, MaxCertificates, "certificates")
	}
	for n, cert := range certs {
		if err := checkPart(fmt.Sprintf("%s[%d]", field, n), cert, MaxCertificate); err != nil {
			return err
		}
	}
	return nil
}

// checkPart holds a part to 1 to most bytes.
func checkPart(field string, part []byte, most int) error {
	if len(part) == 0 {
		return Errorf(CodeEvidenceEmpty, field, "there is nothing in it")
	}
	if len(part) > most {
		return errTooLarge(field, most, "bytes")
	}
	return nil
}

// checkBound is checkPart for a part that may be missing.
func checkBound(field string, part []byte, most int) error {
	if len(part) == 0 {
		return nil
	}
	return checkPart(field, part, most)
}

func (c *TPMCertification) check(field string) error {
	if err := checkPart(field+".attest", c.Attest, MaxTPMStructure); err != nil {
		return err
	}
	if err := checkPart(field+".signature", c.Signature, MaxTPMStructure); err != nil {
		return err
	}
	return checkPart(field+".public", c.Public, MaxTPMStructure)
}

// errTooLarge does not say how much there is: a caller may have stopped reading.
func errTooLarge(field string, most int, unit string) error {
	return Errorf(CodeEvidenceTooLarge, field, "this is more than the bound of %d %s", most, unit)
}

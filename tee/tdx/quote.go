package tdx

import (
	"bytes"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

// Constants of the quote format (Intel TDX DCAP Quoting Library API, revision
// 0.9, appendix A: "Quote Format").
const (
	headerSize  = 48
	body10Size  = 584 // TD report body, TDX 1.0
	body15Size  = 648 // TD report body, TDX 1.5: TEE_TCB_SVN_2 and MRSERVICETD at the end
	keySize     = 64  // P-256 public key, x ‖ y
	sigSize     = 64  // ECDSA P-256, r ‖ s
	reportSize  = 384 // SGX enclave report
	teeTDX      = 0x81
	keyECDSA256 = 2
	bodyTD10    = 2 // body types of version 5
	bodyTD15    = 3
	certPEM     = 5 // certification data: PEM chain of the PCK certificate
	certQE      = 6 // certification data: QE report, with further certification data
)

// intelVendor is Intel's QE vendor id.
var intelVendor = []byte{
	0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
}

// quote is a parsed quote. Its slices lie in the bytes it was parsed from.
type quote struct {
	version   uint16
	vendor    []byte // QE vendor id, 16 bytes
	body      body
	signed    []byte // what the attestation key signs: header, descriptor (version 5) and body
	signature []byte // by the attestation key, r ‖ s
	certified []byte // from the attestation key to the end of the PCK chain: all that vouches for the key
	key       []byte // attestation key, x ‖ y
	qe        qeReport
	qeSig     []byte // by the PCK certificate's key, r ‖ s
	auth      []byte // QE authentication data
	chain     []byte // PEM
	padding   int    // zero bytes behind the quote
}

// body is a TD report body, 584 or 648 bytes.
type body []byte

func (b body) is15() bool             { return len(b) == body15Size }
func (b body) teeTCBSVN() []byte      { return b[0:16] }
func (b body) mrSEAM() []byte         { return b[16:64] }
func (b body) mrSignerSEAM() []byte   { return b[64:112] }
func (b body) seamAttributes() []byte { return b[112:120] }
func (b body) attributes() []byte     { return b[120:128] }
func (b body) xfam() []byte           { return b[128:136] }
func (b body) mrTD() []byte           { return b[136:184] }
func (b body) mrConfigID() []byte     { return b[184:232] }
func (b body) mrOwner() []byte        { return b[232:280] }
func (b body) mrOwnerConfig() []byte  { return b[280:328] }
func (b body) rtmr(i int) []byte      { return b[328+48*i : 376+48*i] }
func (b body) reportData() []byte     { return b[520:584] }
func (b body) mrServiceTD() []byte    { return b[600:648] } // 1.5 only

// teeTCBSVN2 is the TDX module's TEE_TCB_SVN of now, where teeTCBSVN is that of the
// TD's launch; nil in a TD report 1.0.
func (b body) teeTCBSVN2() []byte {
	if !b.is15() {
		return nil
	}
	return b[584:600]
}

// parseQuote reads a quote. It accepts exactly what it documents: everything
// else is an [*evidence.Error] with the code of the first thing that is wrong.
func parseQuote(raw []byte) (*quote, error) {
	if len(raw) > maxQuote {
		return nil, refuse(evidence.CodeTDXQuoteFormat, "%d bytes; at most %d are read", len(raw), maxQuote)
	}
	q := &quote{}
	c := &cursor.LittleEndian{Rest: raw}
	if err := q.readHeader(c); err != nil {
		return nil, err
	}
	if err := q.readBody(c); err != nil {
		return nil, err
	}
	q.signed = raw[:len(raw)-len(c.Rest)]
	data := c.Sized(uint64(c.U32()))
	if c.Short {
		return nil, refuse(evidence.CodeTDXQuoteFormat, "the signature data ends beyond the quote")
	}
	if err := q.readSignatureData(data); err != nil {
		return nil, err
	}
	q.padding = len(c.Rest)
	for _, b := range c.Rest {
		if b != 0 {
			return nil, refuse(evidence.CodeTDXPadding, "%d bytes behind the quote that are not zero padding", len(c.Rest))
		}
	}
	return q, nil
}

func refuse(code evidence.Code, format string, args ...any) error {
	return evidence.Errorf(code, "quote", format, args...)
}

// readHeader reads the 48-byte header. The two reserved fields that version 3
// used for QE and PCE versions and the user data carry no trust and are not
// looked at: the versions that count are in the QE report and PCK certificate.
func (q *quote) readHeader(c *cursor.LittleEndian) error {
	q.version = c.U16()
	keyType, teeType := c.U16(), c.U32()
	c.Take(4)
	q.vendor = c.Take(16)
	c.Take(20)
	switch {
	case c.Short:
		return refuse(evidence.CodeTDXQuoteFormat, "shorter than a quote header of %d bytes", headerSize)
	case q.version != 4 && q.version != 5:
		return refuse(evidence.CodeTDXQuoteVersion, "version %d", q.version)
	case teeType != teeTDX:
		return refuse(evidence.CodeTDXTEEType, "TEE type %#x", teeType)
	case keyType != keyECDSA256:
		return refuse(evidence.CodeTDXKeyType, "attestation key type %d", keyType)
	}
	return nil
}

// readBody reads the body: bare in version 4, with type and size in version 5.
func (q *quote) readBody(c *cursor.LittleEndian) error {
	size := body10Size
	if q.version == 5 {
		kind, stated := c.U16(), c.U32()
		switch kind {
		case bodyTD10:
		case bodyTD15:
			size = body15Size
		default:
			return refuse(evidence.CodeTDXBodyType, "body type %d", kind)
		}
		if stated != uint32(size) {
			return refuse(evidence.CodeTDXBodyType, "body type %d with %d bytes instead of %d", kind, stated, size)
		}
	}
	q.body = body(c.Take(size))
	if c.Short {
		return refuse(evidence.CodeTDXQuoteFormat, "the body ends beyond the quote")
	}
	return nil
}

// readSignatureData reads signature, attestation key and the nested
// certification data; each length must be used up exactly.
func (q *quote) readSignatureData(data []byte) error {
	c := &cursor.LittleEndian{Rest: data}
	q.signature = c.Take(sigSize)
	q.certified = c.Rest
	q.key = c.Take(keySize)
	kind, certification := c.U16(), c.Sized(uint64(c.U32()))
	switch {
	case !c.Done():
		return refuse(evidence.CodeTDXQuoteFormat, "the signature data's lengths do not agree")
	case kind != certQE:
		return refuse(evidence.CodeTDXCertificationData, "certification data type %d instead of %d", kind, certQE)
	}
	c = &cursor.LittleEndian{Rest: certification}
	q.qe = qeReport(c.Take(reportSize))
	q.qeSig = c.Take(sigSize)
	q.auth = c.Take(int(c.U16()))
	kind, q.chain = c.U16(), c.Sized(uint64(c.U32()))
	switch {
	case !c.Done():
		return refuse(evidence.CodeTDXQuoteFormat, "the QE certification data's lengths do not agree")
	case kind != certPEM:
		return refuse(evidence.CodeTDXCertificationData, "nested certification data type %d instead of %d", kind, certPEM)
	}
	return nil
}

// qeReport is an SGX enclave report, 384 bytes (Intel SDM volume 3D, table 38-21).
type qeReport []byte

func (r qeReport) miscSelect() []byte { return r[16:20] }
func (r qeReport) attributes() []byte { return r[48:64] }
func (r qeReport) mrSigner() []byte   { return r[128:160] }
func (r qeReport) prodID() uint16     { return uint16(r[256]) | uint16(r[257])<<8 }
func (r qeReport) svn() uint16        { return uint16(r[258]) | uint16(r[259])<<8 }
func (r qeReport) reportData() []byte { return r[320:384] }

// reservedZero reports whether the reserved fields are zero.
func (r qeReport) reservedZero() bool {
	for _, field := range [][]byte{r[20:32], r[96:128], r[160:192], r[262:304]} {
		if len(bytes.Trim(field, "\x00")) > 0 {
			return false
		}
	}
	return true
}

package tdx

// Tags of ASN.1 (X.690): universal types, primitive but for SEQUENCE.
const (
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagOID        = 0x06
	tagEnumerated = 0x0a
	tagSequence   = 0x30
)

// tlv is a DER value: its tag byte and its contents.
type tlv struct {
	tag   byte
	value []byte
}

// nextTLV takes a value off the front of der. It reads what DER allows: tags from 1
// to 30, and definite lengths in their shortest form, of at most two bytes.
func nextTLV(der []byte) (first tlv, rest []byte, ok bool) {
	if len(der) < 2 || der[0] == 0 || der[0]&0x1f == 0x1f {
		return tlv{}, nil, false
	}
	size, head := int(der[1]), 2
	switch {
	case size < 0x80:
	case size == 0x81 && len(der) > 2 && der[2] >= 0x80:
		size, head = int(der[2]), 3
	case size == 0x82 && len(der) > 3 && der[2] > 0: // more than 255
		size, head = int(der[2])<<8|int(der[3]), 4
	default:
		return tlv{}, nil, false
	}
	if size > len(der)-head {
		return tlv{}, nil, false
	}
	return tlv{der[0], der[head : head+size]}, der[head+size:], true
}

// only takes the one value that der is.
func only(der []byte, tag byte) ([]byte, bool) {
	v, rest, ok := nextTLV(der)
	return v.value, ok && len(rest) == 0 && v.tag == tag
}

// number reads the contents of an INTEGER that is not negative, in its shortest
// form, and at most most.
func (v tlv) number(most uint16) (uint16, bool) {
	b := v.value
	if v.tag != tagInteger || len(b) == 0 || b[0] >= 0x80 {
		return 0, false
	}
	if len(b) > 1 && b[0] == 0 {
		if b = b[1:]; b[0] < 0x80 {
			return 0, false // not the shortest
		}
	}
	if len(b) > 2 {
		return 0, false
	}
	n := uint16(0)
	for _, c := range b {
		n = n<<8 | uint16(c)
	}
	return n, n <= most
}

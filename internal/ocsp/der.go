package ocsp

// Tags of DER (X.690 §8) that requests have.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagNull        = 0x05
	tagBoolean     = 0x01
	tagOID         = 0x06
	tagSequence    = 0x30
	tagVersion     = 0xa0 // [0], [1] and [2] of TBSRequest, [0] of Request
	tagRequestor   = 0xa1
	tagExtensions  = 0xa2
	tagSingle      = 0xa0
)

// reader reads elements front to back. After the first that is not there or not DER every
// read returns nothing, and failed stays true.
type reader struct {
	rest   []byte
	failed bool
}

// next reports whether an element with this tag comes next.
func (r *reader) next(tag byte) bool { return !r.failed && len(r.rest) > 0 && r.rest[0] == tag }

// take returns the content of the next element, which must have this tag, and all of it.
func (r *reader) take(tag byte) (content, whole []byte) {
	header, size, ok := length(r.rest)
	if r.failed || !ok || r.rest[0] != tag || size > len(r.rest)-header {
		r.failed = true
		return nil, nil
	}
	whole = r.rest[: header+size : header+size]
	r.rest = r.rest[header+size:]
	return whole[header:], whole
}

// open returns a reader of the content of the next element.
func (r *reader) open(tag byte) *reader {
	content, _ := r.take(tag)
	return &reader{rest: content, failed: r.failed}
}

// done reports whether everything was there and nothing is left.
func (r *reader) done() bool { return !r.failed && len(r.rest) == 0 }

// length reads how long an element's header and content are. Lengths have their shortest form
// (X.690 §10.1), and two octets are enough for any that is within [MaxRequest].
func length(b []byte) (header, size int, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f { // no tag here takes more than an octet
		return 0, 0, false
	}
	switch first := b[1]; {
	case first < 0x80:
		return 2, int(first), true
	case first == 0x81 && len(b) >= 3:
		return 3, int(b[2]), b[2] >= 0x80
	case first == 0x82 && len(b) >= 4:
		return 4, int(b[2])<<8 | int(b[3]), b[2] != 0
	}
	return 0, 0, false
}

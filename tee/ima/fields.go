package ima

import (
	"bytes"
	"crypto"

	"github.com/quotary/quotary/internal/cursor"
)

// originalTemplate is the first template there was: a SHA-1 digest and a name, of
// which only the name has a length before it, and neither may be larger.
const originalTemplate = "ima"

const originalDigest = 20

// takeOriginal takes the data of an entry of the template "ima".
func takeOriginal(c *cursor.LittleEndian) []byte {
	ahead := *c
	ahead.Take(originalDigest)
	name := ahead.Sized(uint64(ahead.U32()))
	if ahead.Short || len(name) > maxShortName || bytes.IndexByte(name, 0) >= 0 {
		c.Short = true
		return nil
	}
	return c.Take(len(c.Rest) - len(ahead.Rest))
}

// measured is what an entry says of a file, or of a buffer. It says nothing if the
// algorithm is empty.
type measured struct {
	path      []byte
	algorithm string
	digest    []byte
	signature []byte
	buffer    bool
}

// isFile reports whether the entry names a file and its digest.
func (m *measured) isFile() bool { return m.algorithm != "" && !m.buffer }

// read reads an entry's data by their own form. What they are said to be counts for nothing, because
// no PCR covers a template's name: whoever presents the list could have a file pass
// for something unknown. A violation remains unread, whose data nothing covers either.
func (e *Entry) read() {
	switch {
	case e.Violation():
	case e.Template == originalTemplate:
		e.file = readOriginal(e.Data)
	default:
		e.file = readFields(e.Data)
	}
}

// readOriginal reads data of the template "ima". They are measured in a way of their
// own, so that no other data can pass for them.
func readOriginal(data []byte) measured {
	name := data[originalDigest+4:]
	if len(name) == 0 {
		return measured{}
	}
	return measured{path: name, algorithm: "sha1", digest: data[:originalDigest:originalDigest]}
}

// readFields reads fields, each behind its length: a digest with its algorithm
// (d-ng, d-ngv2), a name (n-ng), and what else there may be. All templates of Linux
// since ima-ng begin so. The third field is a signature (sig), or a buffer (buf).
func readFields(data []byte) measured {
	c := cursor.LittleEndian{Rest: data}
	digest, name := field(&c), field(&c)
	var third []byte
	fields := 2
	for ; len(c.Rest) > 0 && !c.Short; fields++ {
		if value := field(&c); fields == 2 {
			third = value
		}
	}
	m := measured{}
	if c.Short || !m.readName(name) || !m.readDigest(digest) {
		return measured{}
	}
	switch {
	case len(third) == 0 || third[0] == evmSignature:
	case third[0] == imaSignature || third[0] == veritySignature:
		m.signature = third
	default:
		m.buffer = fields == 3 && m.isDigestOf(third)
	}
	return m
}

func field(c *cursor.LittleEndian) []byte { return c.Sized(uint64(c.U32())) }

// The first bytes of what a kernel takes for a signature in the field sig (enum evm_ima_xattr_type).
// EVM's, which it puts there in the absence of others, is over more than the digest. A
// buffer that begins with one of them looks like a file: it then shows, rather than a file not.
const (
	imaSignature    = 0x03 // EVM_IMA_XATTR_DIGSIG
	evmSignature    = 0x05 // EVM_XATTR_PORTABLE_DIGSIG
	veritySignature = 0x06 // IMA_VERITY_DIGSIG
)

// readName reads a name with the null behind it.
func (m *measured) readName(value []byte) bool {
	end := bytes.IndexByte(value, 0)
	if end <= 0 || end != len(value)-1 || end > maxPath {
		return false
	}
	m.path = value[:end:end]
	return true
}

// Prefixes of the field d-ngv2. The digest of fs-verity is not that of the file's content.
const (
	imaPrefix    = "ima:"
	verityPrefix = "verity:"
)

// readDigest reads "sha256:", "ima:sha256:" or "verity:sha256:", a null and a digest.
func (m *measured) readDigest(value []byte) bool {
	named, digest, ok := bytes.Cut(value, []byte(":\x00"))
	if !ok {
		return false
	}
	plain, verity := bytes.CutPrefix(named, []byte(verityPrefix))
	if !verity {
		plain = bytes.TrimPrefix(named, []byte(imaPrefix))
	}
	algorithm := string(plain)
	if size, known := digestSizes[algorithm]; !known || len(digest) != size {
		return false
	}
	if verity {
		algorithm = verityPrefix + algorithm
	}
	m.algorithm, m.digest = algorithm, digest
	return true
}

// isDigestOf reports whether the digest is that of a buffer, as it is where the
// kernel measured one (process_buffer_measurement).
func (m *measured) isDigestOf(buffer []byte) bool {
	hash, known := banks[m.algorithm]
	if !known || !hash.Available() {
		return false
	}
	h := hash.New()
	h.Write(buffer)
	return bytes.Equal(h.Sum(nil), m.digest)
}

// banks are the algorithms that can be computed here, which TPMs have banks of.
var banks = map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// digestSizes are the sizes of digests in bytes by the kernel's name of the
// algorithm (hash_algo_name, hash_digest_size).
var digestSizes = map[string]int{
	"md4": 16, "md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64,
	"rmd128": 16, "rmd160": 20, "rmd256": 32, "rmd320": 40, "wp256": 32, "wp384": 48, "wp512": 64,
	"tgr128": 16, "tgr160": 20, "tgr192": 24, "sm3": 32, "sm3-256": 32, "streebog256": 32, "streebog512": 64,
	"sha3-256": 32, "sha3-384": 48, "sha3-512": 64,
}

package ima

import (
	"bytes"
	"strings"

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
	ahead.Sized(uint64(ahead.U32()))
	if ahead.Short {
		c.Short = true
		return nil
	}
	return c.Take(len(c.Rest) - len(ahead.Rest))
}

// templates are the fields of the templates that have a name (builtin_templates).
var templates = map[string]string{
	"ima-ng":     "d-ng|n-ng",
	"ima-sig":    "d-ng|n-ng|sig",
	"ima-ngv2":   "d-ngv2|n-ng",
	"ima-sigv2":  "d-ngv2|n-ng|sig",
	"ima-buf":    "d-ng|n-ng|buf",
	"ima-modsig": "d-ng|n-ng|sig|d-modsig|modsig",
	"evm-sig":    "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode",
}

// fields are the fields that a template may have (supported_fields), and what
// they say of a file; nil where they say nothing that is used.
var fields = map[string]func(*measured, []byte) bool{
	"d":      (*measured).plainDigest,
	"d-ng":   (*measured).namedDigest,
	"d-ngv2": (*measured).typedDigest,
	"n":      (*measured).name,
	"n-ng":   (*measured).name,
	"sig":    (*measured).sig,
	"buf":    (*measured).buf,
	// The digest without an appended signature; the signature; what EVM covers.
	"d-modsig": nil, "modsig": nil, "evmsig": nil,
	"xattrnames": nil, "xattrlengths": nil, "xattrvalues": nil, "iuid": nil, "igid": nil, "imode": nil,
}

// measured is what an entry says of a file. It is one only if isFile.
type measured struct {
	path      []byte
	algorithm string // empty if it is not known
	digest    []byte
	signature []byte

	digests, names uint8 // fields of these meanings
	buffer         bool
}

// isFile reports whether exactly one digest is there of exactly one file. A
// buffer is none, whose name can be anybody's choice (that of a keyring).
func (m *measured) isFile() bool {
	return m.digests == 1 && m.names == 1 && !m.buffer && m.algorithm != "" && len(m.path) > 0
}

// read reads the fields of an entry. One of an unknown template remains unread, and so does
// a violation, whose data nothing covers. Data that do not have the form which
// their template says are refused.
func (e *Entry) read() error {
	if e.Violation() {
		return nil
	}
	var ok bool
	if e.Template == originalTemplate {
		ok = e.file.original(e.Data)
	} else {
		format, named := templates[e.Template]
		if !named {
			format = e.Template
		}
		if !known(format) {
			return nil
		}
		ok = e.file.read(format, e.Data)
	}
	if !ok {
		return refuse("the entry at byte %d does not have the form of its template %q", e.Offset, e.Template)
	}
	return nil
}

// known reports whether all fields of a format are known.
func known(format string) bool {
	for id := range strings.SplitSeq(format, "|") {
		if _, ok := fields[id]; !ok {
			return false
		}
	}
	return true
}

// read reads fields, each behind its length, and nothing else.
func (m *measured) read(format string, data []byte) bool {
	c := cursor.LittleEndian{Rest: data}
	for id := range strings.SplitSeq(format, "|") {
		value := c.Sized(uint64(c.U32()))
		if c.Short {
			return false
		}
		if take := fields[id]; take != nil && !take(m, value) {
			return false
		}
	}
	return c.Done()
}

// original reads the data of the template "ima".
func (m *measured) original(data []byte) bool {
	m.plainDigest(data[:originalDigest])
	m.path, m.names = data[originalDigest+4:], 1
	return len(m.path) <= maxShortName && bytes.IndexByte(m.path, 0) < 0
}

// name reads a path, or another name, with the null behind it.
func (m *measured) name(value []byte) bool {
	m.names++
	end := bytes.IndexByte(value, 0)
	if end < 0 || end != len(value)-1 || end > maxPath {
		return false
	}
	m.path = value[:end:end]
	return true
}

// plainDigest reads a digest of SHA-1 or MD5, as its size says.
func (m *measured) plainDigest(value []byte) bool {
	m.digests++
	m.digest = value
	switch len(value) {
	case 20:
		m.algorithm = "sha1"
	case 16:
		m.algorithm = "md5"
	default:
		return false
	}
	return true
}

// namedDigest reads "sha256:", a null and a digest.
func (m *measured) namedDigest(value []byte) bool { return m.namesDigest(value, "") }

// typedDigest reads "ima:sha256:", a null and a digest. Type "verity" is for the digest of
// fs-verity, which is not the digest of the file's content.
func (m *measured) typedDigest(value []byte) bool {
	for _, typ := range []string{"ima:", verityPrefix} {
		if rest, ok := bytes.CutPrefix(value, []byte(typ)); ok {
			return m.namesDigest(rest, typ)
		}
	}
	m.digests++
	return bytes.Contains(value, separator)
}

const verityPrefix = "verity:"

// separator stands between an algorithm's name and the digest.
var separator = []byte(":\x00")

func (m *measured) namesDigest(value []byte, typ string) bool {
	m.digests++
	name, digest, ok := bytes.Cut(value, separator)
	if !ok {
		return false
	}
	size, known := digestSizes[string(name)]
	if !known {
		return true // and without an algorithm no file
	}
	m.algorithm, m.digest = string(name), digest
	if typ == verityPrefix {
		m.algorithm = verityPrefix + m.algorithm
	}
	return len(digest) == size
}

// The first bytes of signatures in security.ima (enum evm_ima_xattr_type). In
// their absence the kernel puts EVM's signature in their place, which is over other things.
const (
	xattrSignature       = 0x03 // EVM_IMA_XATTR_DIGSIG
	xattrVeritySignature = 0x06 // IMA_VERITY_DIGSIG
)

func (m *measured) sig(value []byte) bool {
	if len(value) > 0 && (value[0] == xattrSignature || value[0] == xattrVeritySignature) {
		m.signature = value
	}
	return true
}

func (m *measured) buf([]byte) bool {
	m.buffer = true
	return true
}

// digestSizes are the sizes of digests in bytes by the kernel's name of the
// algorithm (hash_algo_name, hash_digest_size).
var digestSizes = map[string]int{
	"md4": 16, "md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64,
	"rmd128": 16, "rmd160": 20, "rmd256": 32, "rmd320": 40, "wp256": 32, "wp384": 48, "wp512": 64,
	"tgr128": 16, "tgr160": 20, "tgr192": 24, "sm3": 32, "sm3-256": 32, "streebog256": 32, "streebog512": 64,
	"sha3-256": 32, "sha3-384": 48, "sha3-512": 64,
}

package corim

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fxamacker/cbor/v2"

	"github.com/quotary/quotary/evidence"
)

// strict decodes CBOR that can be read in one way only.
var strict = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		MaxNestedLevels:  maxDepth,
		MaxArrayElements: maxElements,
		MaxMapPairs:      maxElements,
	}.DecMode()
	if err != nil {
		panic("corim: " + err.Error())
	}
	return mode
}()

// The major types that are told apart (RFC 8949, 3.1).
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
)

// item is a CBOR item and the place where it stands, for messages.
type item struct {
	at  string
	raw cbor.RawMessage
}

// root checks the whole of data once: well-formed, within bounds, nothing behind it.
func root(at string, data []byte) (item, error) {
	i := item{at, data}
	if err := strict.Wellformed(data); err != nil {
		return i, i.malformed("no strict CBOR: %w", err)
	}
	return i, nil
}

func (i item) malformed(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeCoRIMMalformed, i.at, format, args...)
}

func (i item) unsupported(format string, args ...any) error {
	return evidence.Errorf(evidence.CodeCoRIMUnsupported, i.at, format, args...)
}

func (i item) is(major byte) bool { return len(i.raw) > 0 && i.raw[0]>>5 == major }

// fields returns the values of a map with integer keys, by the names that the
// specification has for them. A key without a name is not understood.
func (i item) fields(names map[int64]string) (map[string]item, error) {
	if !i.is(majorMap) {
		return nil, i.malformed("expected a map")
	}
	var raw map[int64]cbor.RawMessage
	if err := strict.Unmarshal(i.raw, &raw); err != nil {
		return nil, i.unsupported("the map has keys that are not understood: %w", err)
	}
	out := make(map[string]item, len(raw))
	var unknown []int64
	for key, value := range raw {
		if names[key] == "" {
			unknown = append(unknown, key)
			continue
		}
		out[names[key]] = item{i.at + "." + names[key], value}
	}
	if len(unknown) > 0 {
		return nil, i.unsupported("key %d is not understood", slices.Min(unknown))
	}
	return out, nil
}

// need is fields for a map that must have all of the required keys.
func (i item) need(names map[int64]string, required ...string) (map[string]item, error) {
	f, err := i.fields(names)
	if err != nil {
		return nil, err
	}
	for _, name := range required {
		if _, ok := f[name]; !ok {
			return nil, i.malformed("there is no %s", name)
		}
	}
	return f, nil
}

// list returns the entries of an array, which must not be empty.
func (i item) list() ([]item, error) {
	var raw []cbor.RawMessage
	if !i.is(majorArray) || strict.Unmarshal(i.raw, &raw) != nil || len(raw) == 0 {
		return nil, i.malformed("expected an array with entries")
	}
	out := make([]item, len(raw))
	for n := range raw {
		out[n] = item{i.at + "[" + strconv.Itoa(n) + "]", raw[n]}
	}
	return out, nil
}

// tuple returns the entries of an array of a fixed size.
func (i item) tuple(size int) ([]item, error) {
	entries, err := i.list()
	if err == nil && len(entries) != size {
		err = i.malformed("expected an array of %d entries, not of %d", size, len(entries))
	}
	return entries, err
}

// tagged returns an item's tag and what it is around.
func (i item) tagged() (number uint64, content item, err error) {
	var tag cbor.RawTag
	if !i.is(majorTag) || strict.Unmarshal(i.raw, &tag) != nil {
		return 0, i, i.malformed("expected a tagged item")
	}
	return tag.Number, item{i.at, tag.Content}, nil
}

// under returns what a tag is around, and refuses other tags.
func (i item) under(tag uint64) (item, error) {
	number, content, err := i.tagged()
	if err == nil && number != tag {
		err = i.unsupported("expected tag %d, not %d", tag, number)
	}
	return content, err
}

// bytes returns a byte string, of a size unless that is 0.
func (i item) bytes(size int) ([]byte, error) {
	var b []byte
	if !i.is(majorBytes) || strict.Unmarshal(i.raw, &b) != nil {
		return nil, i.malformed("expected a byte string")
	}
	if size > 0 && len(b) != size {
		return nil, i.malformed("expected %d bytes, not %d", size, len(b))
	}
	return b, nil
}

// text returns a text that may stand in provenance.
func (i item) text() (string, error) {
	var s string
	if !i.is(majorText) || strict.Unmarshal(i.raw, &s) != nil {
		return "", i.malformed("expected a text")
	}
	if s == "" || len(s) > maxText || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", i.unsupported("a text here has 1 to %d bytes and prints", maxText)
	}
	return s, nil
}

func (i item) uint() (uint64, error) {
	var n uint64
	if !i.is(majorUint) || strict.Unmarshal(i.raw, &n) != nil {
		return 0, i.malformed("expected an unsigned integer")
	}
	return n, nil
}

func (i item) boolean() (bool, error) {
	const no, yes = 0xf4, 0xf5 // RFC 8949, 3.3
	if len(i.raw) != 1 || i.raw[0] != no && i.raw[0] != yes {
		return false, i.malformed("expected true or false")
	}
	return i.raw[0] == yes, nil
}

// latest is the last time that is taken: the end of the year 9999.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// time returns a time in whole seconds (tag 1).
func (i item) time() (time.Time, error) {
	content, err := i.under(tagTime)
	if err != nil {
		return time.Time{}, err
	}
	return content.seconds()
}

func (i item) seconds() (time.Time, error) {
	n, err := i.uint()
	if err != nil || n > uint64(latest.Unix()) {
		return time.Time{}, i.unsupported("expected a time in whole seconds since 1970")
	}
	return time.Unix(int64(n), 0).UTC(), nil //nolint:gosec // bounded above
}

// name returns an ID as text: a text, or a UUID, tagged or not.
func (i item) name() (string, error) {
	content := i
	if i.is(majorTag) {
		var err error
		if content, err = i.under(tagUUID); err != nil {
			return "", err
		}
	}
	if content.is(majorText) {
		return content.text()
	}
	b, err := content.bytes(16)
	if err != nil {
		return "", err
	}
	s := hex.EncodeToString(b)
	return fmt.Sprintf("%s-%s-%s-%s-%s", s[:8], s[8:12], s[12:16], s[16:20], s[20:]), nil
}

// uri returns a URI, with its tag or without.
func (i item) uri() (string, error) {
	if i.is(majorTag) {
		content, err := i.under(tagURI)
		if err != nil {
			return "", err
		}
		return content.text()
	}
	return i.text()
}

// oid returns an object identifier's contents in BER. With the tag and length
// of BER before them, as one profile writes it, it is the same.
func (i item) oid() (string, error) {
	content, err := i.under(tagOID)
	if err != nil {
		return "", err
	}
	b, err := content.bytes(0)
	if err == nil && len(b) > 2 && b[0] == 0x06 && int(b[1]) == len(b)-2 {
		b = b[2:]
	}
	return string(b), err
}

// digests returns the SHA-384 digests of a list of [algorithm, value].
func (i item) digests() ([]evidence.Hex, error) {
	entries, err := i.list()
	if err != nil {
		return nil, err
	}
	out := make([]evidence.Hex, len(entries))
	for n, entry := range entries {
		if out[n], err = entry.digest(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (i item) digest() (evidence.Hex, error) {
	pair, err := i.tuple(2)
	if err != nil {
		return nil, err
	}
	if algorithm, err := pair[0].uint(); err != nil || algorithm != algorithmSHA384 {
		return nil, i.unsupported("the digest is not of SHA-384 (algorithm %d)", algorithmSHA384)
	}
	return pair[1].bytes(registerSize)
}

// oneDigest is digests for what must be one.
func (i item) oneDigest() (evidence.Hex, error) {
	values, err := i.digests()
	if err == nil && len(values) != 1 {
		return nil, i.unsupported("%d digests at once; give each value a triple of its own", len(values))
	}
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

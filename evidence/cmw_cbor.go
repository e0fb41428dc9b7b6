package evidence

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/fxamacker/cbor/v2"
)

// strictCBOR decodes within our bounds and refuses everything that could be
// read in two ways: duplicate and unknown keys, tags, indefinite lengths.
var strictCBOR = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		MaxNestedLevels:   maxNestedCBOR,
		MaxArrayElements:  maxElementsCBOR,
		MaxMapPairs:       maxElementsCBOR,
	}.DecMode()
	if err != nil {
		panic("evidence: " + err.Error())
	}
	return mode
}()

// CBOR major types (RFC 8949 §3.1), the upper three bits of an item's first byte.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
)

func major(raw cbor.RawMessage) byte { return raw[0] >> 5 }

// cborWalker reads a CMW in CBOR.
type cborWalker struct{ found records }

// decodeCBOR returns the records of a CMW record or collection in CBOR.
func decodeCBOR(data []byte) (records, error) {
	// One pass over the whole text: well-formed, within bounds, nothing behind it.
	if err := strictCBOR.Wellformed(data); err != nil {
		return nil, errCBOR("evidence", err)
	}
	var w cborWalker
	err := w.message("evidence", data, 1)
	return w.found, err
}

// message reads a record or a collection.
func (w *cborWalker) message(field string, raw cbor.RawMessage, depth int) error {
	switch major(raw) {
	case majorArray:
		return w.record(field, raw)
	case majorMap:
		return w.collection(field, raw, depth)
	}
	return Errorf(CodeEvidenceMalformed, field, "neither a CMW record (an array) nor a collection (a map)")
}

func (w *cborWalker) collection(field string, raw cbor.RawMessage, depth int) error {
	if err := checkDepth(field, depth); err != nil {
		return err
	}
	entries, err := decodeEntries(field, raw)
	if err != nil {
		return err
	}
	count := 0
	for _, e := range entries {
		if e.label == collectionTypeLabel && !e.numeric {
			var typ string
			if err := strictCBOR.Unmarshal(e.value, &typ); err != nil {
				return errCBOR(under(field, e.label), err)
			}
			if err := checkCollectionType(field, typ); err != nil {
				return err
			}
			continue
		}
		count++
		if err := w.message(under(field, e.label), e.value, depth+1); err != nil {
			return err
		}
	}
	return checkEntries(field, count)
}

// cborEntry is one entry of a collection; its label may be a number or a text.
type cborEntry struct {
	label   string
	numeric bool
	value   cbor.RawMessage
}

// decodeEntries returns a map's entries in the order of their labels, so that
// the same input always gives the same error.
func decodeEntries(field string, raw cbor.RawMessage) ([]cborEntry, error) {
	var entries map[any]cbor.RawMessage
	if err := strictCBOR.Unmarshal(raw, &entries); err != nil {
		return nil, errCBOR(field, err)
	}
	out := make([]cborEntry, 0, len(entries))
	for label, value := range entries {
		switch l := label.(type) {
		case string:
			out = append(out, cborEntry{l, false, value})
		case uint64:
			out = append(out, cborEntry{strconv.FormatUint(l, 10), true, value})
		case int64:
			out = append(out, cborEntry{strconv.FormatInt(l, 10), true, value})
		default:
			return nil, Errorf(CodeEvidenceMalformed, field, "a collection's labels are texts or whole numbers")
		}
	}
	sortEntries(out)
	return out, nil
}

// record reads [media type, bstr, indicator?].
func (w *cborWalker) record(field string, raw cbor.RawMessage) error {
	var elements []cbor.RawMessage
	if err := strictCBOR.Unmarshal(raw, &elements); err != nil {
		return errCBOR(field, err)
	}
	if len(elements) < 2 || len(elements) > 3 || major(elements[1]) != majorBytes {
		return errRecord(field)
	}
	if major(elements[0]) == majorUint {
		return errContentFormat(field)
	}
	if major(elements[0]) != majorText {
		return errRecord(field)
	}
	found := record{field: field}
	if err := strictCBOR.Unmarshal(elements[0], &found.mediaType); err != nil {
		return errCBOR(field, err)
	}
	if err := strictCBOR.Unmarshal(elements[1], &found.value); err != nil {
		return errCBOR(field, err)
	}
	indicators, err := cborIndicators(field, elements[2:])
	if err != nil {
		return err
	}
	return w.found.add(found, indicators)
}

// cborIndicators reads the last element of a record, if it is there.
func cborIndicators(field string, rest []cbor.RawMessage) (*uint64, error) {
	if len(rest) == 0 {
		return nil, nil
	}
	if major(rest[0]) != majorUint {
		return nil, errRecord(field)
	}
	var n uint64
	if err := strictCBOR.Unmarshal(rest[0], &n); err != nil {
		return nil, errCBOR(field, err)
	}
	return &n, nil
}

func sortEntries(entries []cborEntry) {
	slices.SortFunc(entries, func(a, b cborEntry) int {
		if order := cmp.Compare(a.label, b.label); order != 0 {
			return order
		}
		if a.numeric {
			return -1
		}
		return 1
	})
}

// errCBOR says what is wrong without repeating foreign text.
func errCBOR(field string, err error) error {
	switch e := err.(type) {
	case *cbor.DupMapKeyError:
		return Errorf(CodeEvidenceDuplicate, field, "a key of a CBOR map occurs twice")
	case *cbor.TagsMdError:
		return Errorf(CodeMediaTypeUnknown, field, "the CBOR is tagged (a content format, or a signature); send an untagged record or collection")
	case *cbor.UnknownFieldError:
		return Errorf(CodeEvidenceMalformed, field, "a CBOR map has a key that this media type does not define")
	case *cbor.ExtraneousDataError:
		return Errorf(CodeEvidenceMalformed, field, "there are bytes behind the CBOR")
	case *cbor.MaxNestedLevelError, *cbor.MaxArrayElementsError, *cbor.MaxMapPairsError, *cbor.IndefiniteLengthError:
		return Errorf(CodeEvidenceMalformed, field, "%w", e)
	}
	return Errorf(CodeEvidenceMalformed, field, "this is not the CBOR that belongs here, or it is cut short")
}

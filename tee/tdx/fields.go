package tdx

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/internal/strictjson"
)

// fields reads typed values out of objects and keeps the first error, so that a
// document is decoded in one run and judged once. After an error its results
// are zero values of the right size.
type fields struct{ err error }

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// value returns a member that must be there.
func (f *fields) value(o object, key string) *strictjson.Value {
	if v := member(o, key); v != nil {
		return v
	}
	f.fail("%q is missing", key)
	return &strictjson.Value{}
}

// member returns a member, or nil.
func member(o object, key string) *strictjson.Value {
	if o == nil {
		return nil
	}
	return o.Get(key)
}

func (f *fields) text(o object, key string) string {
	v := f.value(o, key)
	if v.Kind != strictjson.Text {
		f.fail("%q is no text", key)
		return ""
	}
	return v.Text
}

// optional returns a text, which is empty where there is none.
func (f *fields) optional(o object, key string) string {
	if member(o, key) == nil {
		return ""
	}
	return f.text(o, key)
}

// is demands one text.
func (f *fields) is(o object, key, want string) {
	if got := f.text(o, key); got != want {
		f.fail("%q is %q instead of %q", key, brief(got), want)
	}
}

// hex returns exactly size bytes.
func (f *fields) hex(o object, key string, size int) []byte {
	b, err := hex.DecodeString(f.text(o, key))
	if err != nil || len(b) != size {
		f.fail("%q is not %d bytes in hex", key, size)
		return make([]byte, size)
	}
	return b
}

// uint returns a plain decimal number of at most most.
func (f *fields) uint(o object, key string, most uint64) uint64 {
	v := f.value(o, key)
	n, err := strconv.ParseUint(v.Text, 10, 64)
	if v.Kind != strictjson.Number || err != nil || n > most {
		f.fail("%q is no number from 0 to %d", key, most)
		return 0
	}
	return n
}

// time returns a UTC time as Intel writes it.
func (f *fields) time(o object, key string) time.Time {
	s := f.text(o, key)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !strings.HasSuffix(s, "Z") {
		f.fail("%q is no UTC time", key)
		return time.Time{}
	}
	return t
}

func (f *fields) object(o object, key string) object {
	v := f.value(o, key)
	if v.Kind != strictjson.Object {
		f.fail("%q is no object", key)
		return nil
	}
	return v
}

// list returns at most most values of one kind.
func (f *fields) list(o object, key string, most int, kind strictjson.Kind) []strictjson.Item {
	v := f.value(o, key)
	if v.Kind != strictjson.Array || len(v.Items) > most {
		f.fail("%q is no list of at most %d", key, most)
		return nil
	}
	for i := range v.Items {
		if v.Items[i].Kind != kind {
			f.fail("%q holds something that does not belong there", key)
			return nil
		}
	}
	return v.Items
}

// objects returns a list of at most most objects. An absent list is empty if
// optional.
func (f *fields) objects(o object, key string, most int, optional bool) []object {
	if optional && member(o, key) == nil {
		return nil
	}
	list := f.list(o, key, most, strictjson.Object)
	out := make([]object, len(list))
	for i := range list {
		out[i] = &list[i].Value
	}
	return out
}

// texts returns an optional list of texts.
func (f *fields) texts(o object, key string, most int) []string {
	if member(o, key) == nil {
		return nil
	}
	list := f.list(o, key, most, strictjson.Text)
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].Text
	}
	return out
}

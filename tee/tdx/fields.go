package tdx

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
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
func (f *fields) value(o object, key string) any {
	v, ok := o[key]
	if !ok {
		f.fail("%q is missing", key)
	}
	return v
}

func (f *fields) text(o object, key string) string {
	s, ok := f.value(o, key).(string)
	if !ok {
		f.fail("%q is no text", key)
	}
	return s
}

// optional returns a text, which is empty where there is none.
func (f *fields) optional(o object, key string) string {
	if _, ok := o[key]; !ok {
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
	number, _ := f.value(o, key).(json.Number)
	n, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil || n > most {
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
	inner, ok := f.value(o, key).(object)
	if !ok {
		f.fail("%q is no object", key)
	}
	return inner
}

// objects returns a list of at most most objects. An absent list is empty if
// optional.
func (f *fields) objects(o object, key string, most int, optional bool) []object {
	if _, ok := o[key]; !ok && optional {
		return nil
	}
	list, ok := f.value(o, key).([]any)
	if !ok || len(list) > most {
		f.fail("%q is no list of at most %d objects", key, most)
		return nil
	}
	out := make([]object, len(list))
	for i, v := range list {
		if out[i], ok = v.(object); !ok {
			f.fail("%q holds something other than objects", key)
		}
	}
	return out
}

// texts returns an optional list of texts.
func (f *fields) texts(o object, key string, most int) []string {
	if _, ok := o[key]; !ok {
		return nil
	}
	list, ok := o[key].([]any)
	if !ok || len(list) > most {
		f.fail("%q is no list of at most %d texts", key, most)
		return nil
	}
	out := make([]string, len(list))
	for i, v := range list {
		if out[i], ok = v.(string); !ok {
			f.fail("%q holds something other than texts", key)
		}
	}
	return out
}

package draft_test

import (
	"reflect"
	"time"

	"github.com/quotary/quotary/evidence"
)

// absentable lists everything below claims that may be absent, or zero.
func absentable(claims []evidence.Claims) []reflect.Value {
	var found []reflect.Value
	for i := range claims {
		collect(reflect.ValueOf(&claims[i]), &found)
	}
	return found
}

func collect(v reflect.Value, found *[]reflect.Value) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	for i := range v.NumField() {
		field := v.Field(i)
		if !field.IsZero() {
			*found = append(*found, field)
		}
		collect(field, found)
	}
}

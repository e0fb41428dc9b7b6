package evidence

import (
	"reflect"
	"testing"
)

// TestCloneSharesNothing fills every field that claims have and looks for memory
// that a clone has in common with its original: a field that is added later and
// forgotten in Clone fails here.
func TestCloneSharesNothing(t *testing.T) {
	var c Claims
	fill(t, reflect.ValueOf(&c).Elem())
	clone := c.Clone()
	if !reflect.DeepEqual(clone, c) {
		t.Fatalf("got %+v, want %+v", clone, c)
	}
	theirs := map[uintptr]string{}
	walk(reflect.ValueOf(c), "claims", func(at uintptr, path string) { theirs[at] = path })
	if len(theirs) < 45 {
		t.Fatalf("found only %d places", len(theirs))
	}
	walk(reflect.ValueOf(clone), "claims", func(at uintptr, path string) {
		if _, shared := theirs[at]; shared {
			t.Errorf("%s is shared", path)
		}
	})
	if empty := (Claims{}).Clone(); !reflect.DeepEqual(empty, Claims{}) {
		t.Errorf("absent became %+v", empty)
	}
}

// fill sets everything below v to something.
func fill(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(t, v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	default:
		t.Fatalf("cannot fill a %s", v.Kind())
	}
}

// walk visits every piece of memory that v refers to.
func walk(v reflect.Value, path string, visit func(at uintptr, path string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Pointer(), path)
			walk(v.Elem(), path, visit)
		}
	case reflect.Slice:
		visit(v.Pointer(), path)
		for i := range v.Len() {
			walk(v.Index(i), path, visit)
		}
	case reflect.Map:
		visit(v.Pointer(), path)
		for _, key := range v.MapKeys() {
			walk(v.MapIndex(key), path, visit)
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" {
			return // a time's location is never altered
		}
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	}
}

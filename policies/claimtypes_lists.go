package policies

import (
	"maps"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/quotary/quotary/evidence"
)

// claimsLists are the structs whose lists are claims of their own, which are
// absent where they are empty: of a list that a log leaves open everything could be
// said. The lists of other structs are complete.
var claimsLists = map[reflect.Type]bool{
	reflect.TypeFor[evidence.BootClaims](): true, reflect.TypeFor[evidence.SecureBootClaims](): true,
	reflect.TypeFor[evidence.IMAClaims](): true, // none: nothing was sent this time
}

func unlessEmpty(read reader) reader {
	return func(v reflect.Value) any {
		if v.Len() == 0 {
			return nil
		}
		return read(v)
	}
}

// readList gives a list, empty where there is nothing in it.
func (t *claimTypeTable) readList(v reflect.Value) any {
	return types.NewDynamicList(members{t}, v.Interface())
}

// withoutResettable leaves PCRs out that prove nothing of a boot: for a rule, they are absent.
func withoutResettable(read reader) reader {
	return func(v reflect.Value) any {
		pcrs, ok := v.Interface().(map[int]evidence.Hex)
		if !ok {
			return nil
		}
		pcrs = maps.Clone(pcrs)
		for _, index := range resettablePCRs {
			delete(pcrs, index)
		}
		return read(reflect.ValueOf(pcrs))
	}
}

// readMap gives a map of the entries that have a value. One without entries is
// absent: of each of none everything could be said.
func (t *claimTypeTable) readMap(v reflect.Value) any {
	present := reflect.MakeMapWithSize(v.Type(), v.Len())
	for entries := v.MapRange(); entries.Next(); {
		if value := entries.Value(); value.Kind() != reflect.Slice || value.Len() > 0 {
			present.SetMapIndex(entries.Key(), value)
		}
	}
	if present.Len() == 0 {
		return nil
	}
	return types.NewDynamicMap(members{t}, present.Interface())
}

// members turns a member of a list or map into a CEL value when a rule reads it.
// A log can have thousands, and a rule can name its lists in a loop.
type members struct{ table *claimTypeTable }

func (m members) NativeToValue(value any) ref.Val {
	v := reflect.New(reflect.TypeOf(value)).Elem()
	v.Set(reflect.ValueOf(value))
	if claim := m.table.byType[v.Type()]; claim != nil {
		return claimValue{v.Addr().Interface(), claim}
	}
	_, read := m.table.reader(v.Type())
	if value := read(v); value != nil {
		return types.DefaultTypeAdapter.NativeToValue(value)
	}
	return types.NewErr("a member is absent")
}

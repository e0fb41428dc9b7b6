package policies

import "reflect"

// claimView is the claims of one kind as the rules of one decision see them. A claim
// becomes a CEL value once, however many rules read it.
type claimView struct {
	claim  *claimType
	claims any // a pointer to them
	fields reflect.Value
	read   []any // by field; nil: not yet, or absent
}

func newClaimView(claims any) *claimView {
	fields := reflect.ValueOf(claims).Elem()
	return &claimView{claimTypes.byType[fields.Type()], claims, fields, make([]any, fields.NumField())}
}

func (v *claimView) get(index int, read reader) any {
	if v.read[index] == nil {
		v.read[index] = read(v.fields.Field(index))
	}
	return v.read[index]
}

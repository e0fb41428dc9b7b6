package policies

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/quotary/quotary/evidence"
)

// Rules see claims under their JSON names and as CEL types: numbers as int, byte
// strings as text in lower-case hex, times as timestamp. A claim that is absent
// is an error to read, and has() tells it from one that is there.

// claimType is a struct of package evidence as rules see it.
type claimType struct {
	goType  reflect.Type
	celType *types.Type
	fields  map[string]*types.FieldType
	names   []string
}

// claimTypeTable holds the types of all claims, by CEL name and by Go type.
type claimTypeTable struct {
	byName map[string]*claimType
	byType map[reflect.Type]*claimType
}

// claimTypes is computed once from the claims' declaration, and only read.
var claimTypes = func() *claimTypeTable {
	t := &claimTypeTable{map[string]*claimType{}, map[reflect.Type]*claimType{}}
	for _, root := range []any{evidence.SNPClaims{}, evidence.TDXClaims{}, evidence.TPMClaims{}, evidence.ParavisorClaims{}} {
		t.add(reflect.TypeOf(root))
	}
	return t
}()

// variable returns the type of sev_snp, tdx or tpm.
func (t *claimTypeTable) variable(name string) *types.Type {
	field, ok := reflect.TypeFor[evidence.Claims]().FieldByNameFunc(func(field string) bool {
		f, _ := reflect.TypeFor[evidence.Claims]().FieldByName(field)
		return jsonName(f) == name
	})
	if !ok {
		panic("policies: there are no claims named " + name)
	}
	return t.byType[field.Type.Elem()].celType
}

func (t *claimTypeTable) add(goType reflect.Type) *types.Type {
	if known := t.byType[goType]; known != nil {
		return known.celType
	}
	name := "quotary." + goType.Name()
	c := &claimType{goType: goType, celType: types.NewObjectType(name), fields: map[string]*types.FieldType{}}
	t.byType[goType], t.byName[name] = c, c
	for i := range goType.NumField() {
		field := goType.Field(i)
		name := jsonName(field)
		celType, read := t.reader(field.Type)
		if field.Type.Kind() == reflect.Slice && claimsLists[goType] {
			read = unlessEmpty(read)
		}
		if goType == reflect.TypeFor[evidence.TPMClaims]() && field.Type.Kind() == reflect.Map {
			read = withoutResettable(read)
		}
		c.names = append(c.names, name)
		c.fields[name] = newField(goType, i, name, celType, read)
	}
	return c.celType
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// claimGoType returns the Go type of the claim that e selects, or nil.
func claimGoType(rule *ast.AST, e ast.Expr) reflect.Type {
	if e.Kind() != ast.SelectKind {
		return nil
	}
	s := e.AsSelect()
	c := claimTypes.byName[rule.GetType(s.Operand().ID()).TypeName()]
	if c == nil {
		return nil
	}
	field, ok := c.goType.FieldByNameFunc(func(name string) bool {
		f, _ := c.goType.FieldByName(name)
		return jsonName(f) == s.FieldName()
	})
	if !ok {
		return nil
	}
	return field.Type
}

// reader gets a value that is present, or nil if it is absent.
type reader func(reflect.Value) any

func newField(goType reflect.Type, index int, name string, celType *types.Type, read reader) *types.FieldType {
	get := func(target any) any {
		if view, ok := target.(*claimView); ok && view.claim.goType == goType {
			return view.get(index, read)
		}
		v := reflect.ValueOf(target)
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Type().Elem() != goType {
			return nil
		}
		return read(v.Elem().Field(index))
	}
	errAbsent := fmt.Errorf("the evidence does not say %s", name)
	return &types.FieldType{
		Type:  celType,
		IsSet: func(target any) bool { return get(target) != nil },
		GetFrom: func(target any) (any, error) {
			if value := get(target); value != nil {
				return value, nil
			}
			return nil, errAbsent
		},
	}
}

var (
	hexType  = reflect.TypeFor[evidence.Hex]()
	timeType = reflect.TypeFor[time.Time]()
)

// reader returns how rules see a field of this type. A type that it does not
// know is a mistake in this package: a new claim needs a place here.
func (t *claimTypeTable) reader(goType reflect.Type) (*types.Type, reader) {
	switch goType {
	case hexType:
		return types.StringType, readHex
	case timeType:
		return types.TimestampType, readTime
	}
	switch goType.Kind() {
	case reflect.Bool:
		return types.BoolType, func(v reflect.Value) any { return types.Bool(v.Bool()) }
	case reflect.String:
		return types.StringType, readText
	case reflect.Int:
		return types.IntType, func(v reflect.Value) any { return types.Int(v.Int()) }
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return types.IntType, readNumber
	case reflect.Struct:
		return t.add(goType), readStruct
	case reflect.Slice:
		element, _ := t.reader(goType.Elem())
		return types.NewListType(element), t.readList
	case reflect.Map:
		key, _ := t.reader(goType.Key())
		element, _ := t.reader(goType.Elem())
		return types.NewMapType(key, element), t.readMap
	case reflect.Pointer:
		celType, read := t.reader(goType.Elem())
		return celType, func(v reflect.Value) any {
			if v.IsNil() {
				return nil
			}
			return read(v.Elem())
		}
	}
	panic("policies: claims of type " + goType.String() + " have no CEL type")
}

func readHex(v reflect.Value) any {
	if v.Len() == 0 {
		return nil
	}
	return types.String(evidence.Hex(v.Bytes()).String())
}

func readText(v reflect.Value) any {
	if v.Len() == 0 {
		return nil
	}
	return types.String(v.String())
}

func readNumber(v reflect.Value) any {
	if v.Uint() > math.MaxInt64 {
		return types.NewErr("the number %d is too large for a rule", v.Uint())
	}
	return types.Int(int64(v.Uint()))
}

func readTime(v reflect.Value) any {
	t, ok := v.Interface().(time.Time)
	if !ok || t.IsZero() {
		return nil
	}
	return types.Timestamp{Time: t}
}

// readStruct gives a pointer to the struct. One whose raw value is missing was
// never decoded.
func readStruct(v reflect.Value) any {
	if raw := v.FieldByName("Raw"); raw.IsValid() && raw.Len() == 0 {
		return nil
	}
	return v.Addr().Interface()
}

// withClaimTypes teaches an environment the claims.
func withClaimTypes(e *cel.Env) (*cel.Env, error) {
	p := &claimProvider{Provider: e.CELTypeProvider(), Adapter: e.CELTypeAdapter()}
	e, err := cel.CustomTypeAdapter(p)(e)
	if err != nil {
		return nil, err
	}
	return cel.CustomTypeProvider(p)(e)
}

// claimProvider adds the claims to CEL's own types.
type claimProvider struct {
	types.Provider
	types.Adapter
}

func (p *claimProvider) FindStructType(name string) (*types.Type, bool) {
	if c := claimTypes.byName[name]; c != nil {
		return types.NewTypeTypeWithParam(c.celType), true
	}
	return p.Provider.FindStructType(name)
}

func (p *claimProvider) FindStructFieldNames(name string) ([]string, bool) {
	if c := claimTypes.byName[name]; c != nil {
		return c.names, true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p *claimProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if c := claimTypes.byName[name]; c != nil {
		f, ok := c.fields[field]
		return f, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}

// NewValue refuses to make claims: rules read them.
func (p *claimProvider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if claimTypes.byName[name] != nil {
		return types.NewErr("a rule cannot make a %s", name)
	}
	return p.Provider.NewValue(name, fields)
}

func (p *claimProvider) NativeToValue(value any) ref.Val {
	switch value := value.(type) {
	case ref.Val:
		return value
	case *claimView:
		return claimValue{value.claims, value.claim}
	}
	if t := reflect.TypeOf(value); t != nil && t.Kind() == reflect.Pointer {
		if c := claimTypes.byType[t.Elem()]; c != nil {
			return claimValue{value, c}
		}
	}
	return p.Adapter.NativeToValue(value)
}

// claimValue is a struct of claims as a CEL value.
type claimValue struct {
	pointer any
	claim   *claimType
}

func (v claimValue) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s does not convert to %s", v.claim.celType, t)
}

func (v claimValue) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return v.claim.celType
	}
	return types.NewErr("%s does not convert to %s", v.claim.celType, t.TypeName())
}

// Equal compares claims as a whole.
func (v claimValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(claimValue)
	return types.Bool(ok && reflect.DeepEqual(v.pointer, o.pointer))
}

func (v claimValue) Type() ref.Type { return v.claim.celType }
func (v claimValue) Value() any     { return v.pointer }

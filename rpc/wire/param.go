package wire

import "reflect"

// TypedParam is a named value. Value is an int32, uint32, int64, uint64,
// float64, bool or string.
type TypedParam struct {
	Field string
	Value any
}

// The types of a TypedParam, as on the wire.
const (
	ParamInt uint32 = iota + 1
	ParamUint
	ParamInt64
	ParamUint64
	ParamDouble
	ParamBool
	ParamString
)

// paramType is the wire's number for v's type; 0 if it has none.
func paramType(v any) uint32 {
	switch v.(type) {
	case int32:
		return ParamInt
	case uint32:
		return ParamUint
	case int64:
		return ParamInt64
	case uint64:
		return ParamUint64
	case float64:
		return ParamDouble
	case bool:
		return ParamBool
	case string:
		return ParamString
	}
	return 0
}

// paramGoType is the Go type of every kind but ParamBool, whose form on the
// wire is not that of a Go type.
func paramGoType(kind uint32) (reflect.Type, bool) {
	switch kind {
	case ParamInt:
		return reflect.TypeFor[int32](), true
	case ParamUint:
		return reflect.TypeFor[uint32](), true
	case ParamInt64:
		return reflect.TypeFor[int64](), true
	case ParamUint64:
		return reflect.TypeFor[uint64](), true
	case ParamDouble:
		return reflect.TypeFor[float64](), true
	case ParamString:
		return reflect.TypeFor[string](), true
	}
	return nil, false
}

// Kind is the wire's number of the parameter's type, 0 for none.
func (p TypedParam) Kind() uint32 { return paramType(p.Value) }

// ParamName is libvirt's name of a typed parameter's type.
func ParamName(kind uint32) string {
	names := [...]string{"", "int", "uint", "llong", "ullong", "double", "boolean", "string"}
	if kind == 0 || kind >= uint32(len(names)) {
		return "unknown"
	}
	return names[kind]
}

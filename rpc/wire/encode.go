package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
)

// MaxString is the longest string of the protocol in bytes.
const MaxString = 4 << 20

// ErrTooLong refuses a string or an array over its limit.
var ErrTooLong = errors.New("too long")

// Append appends v in XDR (RFC 4506). The Go types are the protocol's: int32,
// uint32, int64, uint64 and float64; string; [n]byte for fixed opaque data;
// slices for arrays, limited by the field tag max; pointers for optional data;
// structs; and any, in TypedParam, for its union. A nil v is nothing.
func Append(b []byte, v any) ([]byte, error) {
	if v == nil {
		return b, nil
	}
	return appendValue(b, reflect.ValueOf(v))
}

func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Int32:
		return binary.BigEndian.AppendUint32(b, uint32(v.Int())), nil
	case reflect.Uint32:
		return binary.BigEndian.AppendUint32(b, uint32(v.Uint())), nil
	case reflect.Int64:
		return binary.BigEndian.AppendUint64(b, uint64(v.Int())), nil
	case reflect.Uint64:
		return binary.BigEndian.AppendUint64(b, v.Uint()), nil
	case reflect.Float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(v.Float())), nil
	case reflect.String:
		return appendString(b, v.String())
	case reflect.Array:
		return appendOpaque(b, v), nil
	case reflect.Slice:
		return appendSlice(b, v)
	case reflect.Pointer:
		return appendOptional(b, v)
	case reflect.Struct:
		return appendStruct(b, v)
	case reflect.Interface:
		return appendUnion(b, v.Interface())
	}
	panic("wire: no XDR form for " + v.Type().String())
}

func appendString(b []byte, s string) ([]byte, error) {
	if len(s) > MaxString {
		return nil, fmt.Errorf("string of %d bytes: %w", len(s), ErrTooLong)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	b = append(b, s...)
	return append(b, make([]byte, padding(len(s)))...), nil
}

// padding is how many bytes follow n bytes to fill a word.
func padding(n int) int { return -n & 3 }

// appendOpaque appends an array of bytes, padded.
func appendOpaque(b []byte, v reflect.Value) []byte {
	start := len(b)
	b = append(b, make([]byte, v.Len()+padding(v.Len()))...)
	reflect.Copy(reflect.ValueOf(b[start:]), v)
	return b
}

func appendSlice(b []byte, v reflect.Value) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(b, uint32(v.Len()))
	var err error
	for i := range v.Len() {
		if b, err = appendValue(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendOptional(b []byte, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return binary.BigEndian.AppendUint32(b, 0), nil
	}
	return appendValue(binary.BigEndian.AppendUint32(b, 1), v.Elem())
}

func appendStruct(b []byte, v reflect.Value) ([]byte, error) {
	var err error
	for i := range v.NumField() {
		field := v.Field(i)
		if field.Kind() == reflect.Slice && field.Len() > maxItems(v.Type().Field(i)) {
			return nil, fmt.Errorf("%s of %d items: %w", v.Type().Field(i).Name, field.Len(), ErrTooLong)
		}
		if b, err = appendValue(b, field); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// maxItems is the limit of a slice field, from its tag.
func maxItems(f reflect.StructField) int {
	tag, ok := f.Tag.Lookup("max")
	if !ok {
		return math.MaxInt32
	}
	n, err := strconv.Atoi(tag)
	if err != nil {
		panic("wire: bad tag of " + f.Name)
	}
	return n
}

// appendUnion appends a typed parameter's value, its type first.
func appendUnion(b []byte, v any) ([]byte, error) {
	kind := paramType(v)
	if kind == 0 {
		return nil, fmt.Errorf("typed parameter of type %T", v)
	}
	b = binary.BigEndian.AppendUint32(b, kind)
	if on, ok := v.(bool); ok {
		var n uint32
		if on {
			n = 1
		}
		return binary.BigEndian.AppendUint32(b, n), nil
	}
	return appendValue(b, reflect.ValueOf(v))
}

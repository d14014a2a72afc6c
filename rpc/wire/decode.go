package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
)

// Errors of Unmarshal.
var (
	ErrShort    = errors.New("payload too short")
	ErrTrailing = errors.New("bytes after the payload")
	ErrUnion    = errors.New("unknown typed parameter type")
)

// Unmarshal reads the whole of b into what p points to, in the types that
// Append knows. Lengths are checked against what is left before anything is
// allocated, and bytes left over are an error. As libvirt it takes any
// non-zero word for "present" and does not look at padding.
func Unmarshal(b []byte, p any) error {
	d := decoder{b}
	if err := d.value(reflect.ValueOf(p).Elem()); err != nil {
		return err
	}
	if len(d.rest) > 0 {
		return fmt.Errorf("%w: %d", ErrTrailing, len(d.rest))
	}
	return nil
}

// decoder holds what is not yet read.
type decoder struct{ rest []byte }

// take returns the next n bytes and skips their padding.
func (d *decoder) take(n int) ([]byte, error) {
	if n > len(d.rest) || n+padding(n) > len(d.rest) {
		return nil, ErrShort
	}
	b := d.rest[:n]
	d.rest = d.rest[n+padding(n):]
	return b, nil
}

func (d *decoder) uint32() (uint32, error) {
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

func (d *decoder) uint64() (uint64, error) {
	b, err := d.take(8)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func (d *decoder) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Int32, reflect.Uint32:
		n, err := d.uint32()
		setWord(v, n)
		return err
	case reflect.Int64, reflect.Uint64, reflect.Float64:
		n, err := d.uint64()
		setHyper(v, n)
		return err
	case reflect.String:
		s, err := d.string()
		v.SetString(s)
		return err
	case reflect.Array:
		b, err := d.take(v.Len())
		reflect.Copy(v, reflect.ValueOf(b))
		return err
	case reflect.Slice:
		return d.slice(v, math.MaxInt32)
	case reflect.Pointer:
		return d.optional(v)
	case reflect.Struct:
		return d.fields(v)
	case reflect.Interface:
		return d.union(v)
	}
	panic("wire: no XDR form for " + v.Type().String())
}

func setWord(v reflect.Value, n uint32) {
	if v.CanInt() {
		v.SetInt(int64(int32(n)))
		return
	}
	v.SetUint(uint64(n))
}

func setHyper(v reflect.Value, n uint64) {
	switch {
	case v.CanInt():
		v.SetInt(int64(n))
	case v.CanUint():
		v.SetUint(n)
	default:
		v.SetFloat(math.Float64frombits(n))
	}
}

func (d *decoder) string() (string, error) {
	n, err := d.uint32()
	if err != nil {
		return "", err
	}
	if n > MaxString {
		return "", fmt.Errorf("string of %d bytes: %w", n, ErrTooLong)
	}
	b, err := d.take(int(n))
	return string(b), err
}

// slice grows by appending, so that memory follows the bytes that are there:
// every item takes at least a word of them.
func (d *decoder) slice(v reflect.Value, limit int) error {
	n, err := d.uint32()
	if err != nil {
		return err
	}
	if uint64(n) > uint64(limit) {
		return fmt.Errorf("array of %d items: %w", n, ErrTooLong)
	}
	if uint64(n) > uint64(len(d.rest)/4) {
		return ErrShort
	}
	v.SetZero()
	item := reflect.New(v.Type().Elem()).Elem()
	for range n {
		item.SetZero()
		if err := d.value(item); err != nil {
			return err
		}
		v.Set(reflect.Append(v, item))
	}
	return nil
}

func (d *decoder) optional(v reflect.Value) error {
	v.SetZero()
	present, err := d.uint32()
	if err != nil || present == 0 {
		return err
	}
	v.Set(reflect.New(v.Type().Elem()))
	return d.value(v.Elem())
}

func (d *decoder) fields(v reflect.Value) error {
	for i := range v.NumField() {
		field := v.Field(i)
		var err error
		if field.Kind() == reflect.Slice {
			err = d.slice(field, maxItems(v.Type().Field(i)))
		} else {
			err = d.value(field)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.Type().Field(i).Name, err)
		}
	}
	return nil
}

// union reads a typed parameter's type and value.
func (d *decoder) union(v reflect.Value) error {
	kind, err := d.uint32()
	if err != nil {
		return err
	}
	if kind == ParamBool {
		n, err := d.uint32()
		v.Set(reflect.ValueOf(n != 0))
		return err
	}
	t, ok := paramGoType(kind)
	if !ok {
		return fmt.Errorf("%w: %d", ErrUnion, kind)
	}
	item := reflect.New(t).Elem()
	if err := d.value(item); err != nil {
		return err
	}
	v.Set(item)
	return nil
}

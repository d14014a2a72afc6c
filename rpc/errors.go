package rpc

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/vnetmgr/vnetmgr/network"
	"github.com/vnetmgr/vnetmgr/rpc/wire"
	"github.com/vnetmgr/vnetmgr/xmlnet"
)

// prefixes are what libvirt puts before the text of an error
// (virErrorMsgStrings in src/util/virerror.c).
var prefixes = map[wire.Code]string{
	wire.CodeInternal:             "internal error: ",
	wire.CodeNoSupport:            "this function is not supported by the connection driver: ",
	wire.CodeNoConnect:            "no connection driver available for ",
	wire.CodeInvalidArg:           "invalid argument: ",
	wire.CodeOperationFailed:      "operation failed: ",
	wire.CodeNoName:               "missing name information in ",
	wire.CodeXMLError:             "XML error: ",
	wire.CodeOperationDenied:      "operation forbidden: ",
	wire.CodeNoNetwork:            "Network not found: ",
	wire.CodeInvalidMAC:           "invalid MAC address: ",
	wire.CodeAuthFailed:           "authentication failed: ",
	wire.CodeAuthCancelled:        "authentication cancelled: ",
	wire.CodeAuthUnavailable:      "authentication unavailable: ",
	wire.CodeOperationInvalid:     "Requested operation is not valid: ",
	wire.CodeConfigUnsupported:    "unsupported configuration: ",
	wire.CodeHookFailed:           "Hook script execution failed: ",
	wire.CodeArgumentUnsupported:  "argument unsupported: ",
	wire.CodeOverflow:             "numerical overflow: ",
	wire.CodeOperationUnsupported: "Operation not supported: ",
	wire.CodeNoMetadata:           "metadata not found: ",
	wire.CodePortExists:           "network port ",
	wire.CodeNoPort:               "network port not found: ",
	wire.CodeService:              "error from service: ",
	wire.CodeXMLInvalidSchema:     "XML document failed to validate against schema: ",
}

// networkCodes are the codes of network's sentinels.
var networkCodes = []struct {
	kind error
	code wire.Code
}{
	{network.ErrNotFound, wire.CodeNoNetwork},
	{network.ErrOperationInvalid, wire.CodeOperationInvalid},
	{network.ErrOperationFailed, wire.CodeOperationFailed},
	{network.ErrInternal, wire.CodeInternal},
	{network.ErrUnsupported, wire.CodeConfigUnsupported},
	{network.ErrInvalidArg, wire.CodeInvalidArg},
	{network.ErrSystem, wire.CodeSystemError},
	{network.ErrHook, wire.CodeHookFailed},
	{network.ErrService, wire.CodeService},
	{network.ErrInvalidMAC, wire.CodeInvalidMAC},
	{network.ErrNoMetadata, wire.CodeNoMetadata},
	{network.ErrPortExists, wire.CodePortExists},
	{network.ErrNoPort, wire.CodeNoPort},
}

// xmlCodes are the codes of xmlnet's kinds.
var xmlCodes = map[xmlnet.Kind]wire.Code{
	xmlnet.XMLError:             wire.CodeXMLError,
	xmlnet.XMLDetail:            wire.CodeXMLDetail,
	xmlnet.InternalError:        wire.CodeInternal,
	xmlnet.InvalidArgument:      wire.CodeInvalidArg,
	xmlnet.NoName:               wire.CodeNoName,
	xmlnet.ConfigUnsupported:    wire.CodeConfigUnsupported,
	xmlnet.SystemError:          wire.CodeSystemError,
	xmlnet.Overflow:             wire.CodeOverflow,
	xmlnet.XMLInvalidSchema:     wire.CodeXMLInvalidSchema,
	xmlnet.OperationInvalid:     wire.CodeOperationInvalid,
	xmlnet.OperationUnsupported: wire.CodeOperationUnsupported,
}

// failure is an error as libvirt reports it: str1 is the message's form, str2
// its detail, the numbers are -1 (virReportErrorHelper).
func failure(from wire.Domain, code wire.Code, text string) *wire.Error {
	form := prefixes[code] + "%1$s"
	if code == wire.CodePortExists { // the only one with more behind the detail
		form += " exists already"
	}
	message := strings.Replace(form, "%1$s", text, 1)
	e := &wire.Error{
		Code:    code,
		Domain:  from,
		Message: &message,
		Level:   wire.LevelError,
		Str1:    &form,
		Str2:    &text,
		Int1:    -1,
		Int2:    -1,
	}
	if code == wire.CodeNoName && text == "" { // the only one without detail
		message = "missing name information"
		e.Str1, e.Str2 = &message, nil
	}
	return e
}

func failuref(from wire.Domain, code wire.Code, format string, args ...any) *wire.Error {
	return failure(from, code, fmt.Sprintf(format, args...))
}

// checkFlags refuses flag bits beyond known, as virCheckFlags does: the text
// has no prefix, and str1 and str2 name the function and its argument.
func checkFlags(flags, known uint32, from wire.Domain, function string) error {
	unknown := flags &^ known
	if unknown == 0 {
		return nil
	}
	message, argument := fmt.Sprintf("unsupported flags (%#x) in function %s", unknown, function), "flags"
	return &wire.Error{
		Code:    wire.CodeInvalidArg,
		Domain:  from,
		Message: &message,
		Level:   wire.LevelError,
		Str1:    &function,
		Str2:    &argument,
	}
}

// asFailure gives any error its libvirt form.
func asFailure(err error) *wire.Error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*xmlnet.Error](err); ok {
		return xmlFailure(e)
	}
	text, errno := err.Error(), 0
	if e, ok := errors.AsType[*network.Error](err); ok {
		text, errno = e.Text, e.Errno
	}
	for _, row := range networkCodes {
		if errors.Is(err, row.kind) {
			return withErrno(failure(wire.FromNetwork, row.code, text), errno)
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return withErrno(failure(wire.FromNetwork, wire.CodeSystemError, text), int(errno))
	}
	return failure(wire.FromNetwork, wire.CodeInternal, text)
}

func xmlFailure(e *xmlnet.Error) *wire.Error {
	code, ok := xmlCodes[e.Kind]
	if !ok {
		code = wire.CodeXMLError
	}
	if code == wire.CodeNoName { // libvirt gives it no detail
		return failure(wire.FromNetwork, code, "")
	}
	return failure(wire.FromNetwork, code, e.Text)
}

// withErrno notes a system error's number where libvirt does.
func withErrno(e *wire.Error, errno int) *wire.Error {
	if e.Code == wire.CodeSystemError && errno != 0 {
		e.Int1 = int32(errno)
	}
	return e
}

// encodeError is the failed reply to a call.
func encodeError(h wire.Header, err error) []byte {
	h.Status = wire.Failed
	b, encErr := wire.Encode(h, *asFailure(err))
	if encErr == nil {
		return b
	}
	// Only a text of megabytes gets here.
	b, encErr = wire.Encode(h, *failure(wire.FromRPC, wire.CodeRPC, "Unable to encode message payload"))
	if encErr != nil {
		panic(encErr)
	}
	return b
}

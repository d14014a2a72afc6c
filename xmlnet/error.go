package xmlnet

import "fmt"

// Kind classes a refusal; the RPC server turns it into libvirt's code.
type Kind uint8

// The kinds, named after libvirt's VIR_ERR_ codes.
const (
	XMLError             Kind = iota // 27
	XMLDetail                        // 35
	InternalError                    // 1
	NoName                           // 21
	ConfigUnsupported                // 67
	SystemError                      // 38
	Overflow                         // 82
	XMLInvalidSchema                 // 92
	OperationInvalid                 // 55
	OperationUnsupported             // 84
	InvalidArgument                  // 8
)

// Error is a refused document. Text names the input and its place and has no
// code prefix ("XML error: "), which the RPC server adds.
type Error struct {
	Kind Kind
	Text string
}

func (e *Error) Error() string { return e.Text }

func errf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

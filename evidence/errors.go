package evidence

import (
	"errors"
	"fmt"
)

// Error is a refusal that the sender can act on: a stable code, the field at
// fault and a sentence. It is the one typed error of the project: the server
// maps it to a problem document, the command line to a message and an exit
// code. Any other error is internal and says nothing to the outside.
type Error struct {
	Code   Code
	Field  string // the field or file at fault, or empty
	Detail string // one sentence, without secrets or raw evidence
	cause  error
}

// Errorf returns an [*Error]. A %w verb in format keeps its operand as the cause.
func Errorf(code Code, field, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	return &Error{Code: code, Field: field, Detail: wrapped.Error(), cause: errors.Unwrap(wrapped)}
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Code.String() + ": " + e.Detail
	}
	return e.Code.String() + ": " + e.Field + ": " + e.Detail
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// CodeOf returns the code of the first [*Error] in err's chain, or the zero
// code if there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Code{}
}

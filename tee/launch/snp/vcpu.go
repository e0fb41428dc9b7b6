package snp

import (
	"strconv"
	"strings"
)

// Signature names a processor model as CPUID leaf 1 does in EAX (AMD publication
// 25481). A guest sees the one of its virtual processors' type.
type Signature uint32

// NewSignature returns the signature of a family (15 to 270), a model (up to
// 255) and a stepping (up to 15).
func NewSignature(family, model, stepping uint32) (Signature, error) {
	if family < 15 || family > 15+255 || model > 255 || stepping > 15 {
		return 0, wrong("vcpu-type", "no processor has family %d, model %d, stepping %d", family, model, stepping)
	}
	extended, base := family-15, uint32(15)
	return Signature(extended<<20 | model>>4<<16 | base<<8 | model&15<<4 | stepping), nil
}

// types are the processor types of QEMU (target/i386/cpu.c, builtin_x86_defs)
// that a SEV-SNP guest may have. Their versions differ in features only.
var types = map[string][3]uint32{
	"EPYC": {23, 1, 2}, "EPYC-IBPB": {23, 1, 2}, "EPYC-Rome": {23, 49, 0},
	"EPYC-Milan": {25, 1, 1}, "EPYC-Genoa": {25, 17, 0}, "EPYC-Turin": {26, 0, 0},
}

// ParseSignature reads a type of QEMU's, such as EPYC-Milan or EPYC-Milan-v2, or
// FAMILY:MODEL:STEPPING in decimal.
func ParseSignature(s string) (Signature, error) {
	numbers, ok := types[withoutVersion(s)]
	if !ok {
		parts := strings.Split(s, ":")
		if len(parts) != len(numbers) {
			return 0, wrong("vcpu-type", "%.64q is no processor type; use EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa, EPYC-Turin, with a version such as -v4 if you like, or FAMILY:MODEL:STEPPING", s)
		}
		for i, part := range parts {
			n, err := strconv.ParseUint(part, 10, 16)
			if err != nil {
				return 0, wrong("vcpu-type", "%.64q is not FAMILY:MODEL:STEPPING in decimal", s)
			}
			numbers[i] = uint32(n)
		}
	}
	return NewSignature(numbers[0], numbers[1], numbers[2])
}

// withoutVersion cuts off -v1 to -v99.
func withoutVersion(s string) string {
	at := strings.LastIndex(s, "-v")
	if at < 0 {
		return s
	}
	if n, err := strconv.ParseUint(s[at+2:], 10, 8); err != nil || n == 0 || n > 99 {
		return s
	}
	return s[:at]
}

package eventlog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/cursor"
)

const nameBootOrder = "BootOrder"

// loadOptionActive is LOAD_OPTION_ACTIVE.
const loadOptionActive = 1

// bootOptions claims the boot order and the boot options. One that was measured
// twice, with other contents, is claimed neither way.
func (e *extraction) bootOptions() {
	seen := map[string][]byte{}
	var order []uint16
	var options []evidence.BootOption
	for _, f := range e.byRegister[e.at(1)] {
		v := f.variable
		if f.kind != variableWhole && f.kind != variableValue || v.vendor != guidGlobal || !isBootName(v.name) {
			continue
		}
		if before, again := seen[v.name]; again && bytes.Equal(before, v.value) {
			continue
		} else if again || !isBootVariable(v) {
			e.doubt(evidence.CodeEventLogBoot, "well-formed, and once", fmt.Sprintf("%q is not", v.name))
			return
		}
		seen[v.name] = v.value
		if v.name == nameBootOrder {
			order, _ = parseBootOrder(v.value)
			continue
		}
		option, _ := parseBootOption(v)
		option.NumberCovered = f.kind == variableWhole
		options = append(options, option)
	}
	e.claims.BootOrder, e.claims.BootOptions = order, options
}

// isBootName reports whether a variable is the boot order or a boot option.
func isBootName(name string) bool {
	_, ok := bootNumber(name)
	return ok || name == nameBootOrder
}

// bootNumber returns the number in the name of a boot option: four upper-case digits.
func bootNumber(name string) (uint16, bool) {
	if len(name) != 8 || name[:4] != "Boot" {
		return 0, false
	}
	n, err := strconv.ParseUint(name[4:], 16, 16)
	return uint16(n), err == nil && fmt.Sprintf("%04X", n) == name[4:]
}

// isBootVariable reports whether the value is of the form that the name promises.
// Firmware measures these values without their names: this keeps other things
// from passing for them.
func isBootVariable(v variable) bool {
	if v.vendor != guidGlobal {
		return false
	}
	if v.name == nameBootOrder {
		_, ok := parseBootOrder(v.value)
		return ok
	}
	_, ok := parseBootOption(v)
	return ok
}

// parseBootOrder reads numbers of boot options, no two the same.
func parseBootOrder(value []byte) ([]uint16, bool) {
	if len(value)%2 != 0 || len(value) > 2*maxBootOptions {
		return nil, false
	}
	var order []uint16
	for ; len(value) > 0; value = value[2:] {
		n := binary.LittleEndian.Uint16(value)
		if slices.Contains(order, n) {
			return nil, false
		}
		order = append(order, n)
	}
	return order, true
}

// parseBootOption reads EFI_LOAD_OPTION: attributes, size of the device path,
// description, device path, and data for the option's image.
func parseBootOption(v variable) (evidence.BootOption, bool) {
	number, named := bootNumber(v.name)
	c := cursor.LittleEndian{Rest: v.value}
	attributes, size := c.U32(), int(c.U16())
	end := 0
	for end+1 < len(c.Rest) && (c.Rest[end] != 0 || c.Rest[end+1] != 0) {
		end += 2
	}
	description, ok := decodeUTF16(c.Take(end))
	c.Take(2)
	path := c.Take(size)
	if !named || !ok || c.Short || description != "" && !isLine(description) {
		return evidence.BootOption{}, false
	}
	return evidence.BootOption{Number: number, Active: attributes&loadOptionActive != 0, Description: description, Path: bytes.Clone(path)}, true
}

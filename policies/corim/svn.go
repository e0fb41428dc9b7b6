package corim

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Security versions. A least one has its place in a key of a workload. An exact one
// (draft-ietf-rats-corim, svn-type-choice) refuses updates as well, for which documents
// have no key but rules: those deny where the evidence does not say the version.

// keyRules is the key of an alternative's rules.
const keyRules = "require"

// svn is a security version that is asked for.
type svn struct {
	number uint64
	exact  bool
}

// svn reads a number, under the tag of exact or of least versions, or under none,
// which is exact.
func (i item) svn() (svn, error) {
	if i.is(majorUint) {
		number, err := i.uint()
		return svn{number, true}, err
	}
	tag, content, err := i.tagged()
	switch {
	case err != nil:
		return svn{}, i.malformed("expected a security version")
	case tag != tagSVN && tag != tagMinSVN:
		return svn{}, i.unsupported("expected a security version, exact (tag %d or none) or least (tag %d)", tagSVN, tagMinSVN)
	}
	number, err := content.uint()
	return svn{number, tag == tagSVN}, err
}

// exactly writes a rule. The name says what is compared.
func exactly(what, rule string) (key, value string) {
	return keyRules, fmt.Sprintf("{name: exact-%s, rule: %q, message: %q}", what, rule, "the supplier names this version and no other")
}

// guestSVN returns the key and value that ask for a guest's security version.
func (i item) guestSVN() (key, value string, err error) {
	version, err := i.svn()
	switch {
	case err != nil:
		return "", "", err
	case version.number > math.MaxUint32:
		return "", "", i.unsupported("no report has the security version %d", version.number)
	case version.exact:
		key, value = exactly("guest-svn", "sev_snp.guest_svn == "+strconv.FormatUint(version.number, 10))
		return key, value, nil
	}
	return "minimum_guest_svn", strconv.FormatUint(version.number, 10), nil
}

// component is a part of a TCB.
type component struct {
	name  string
	level byte
}

// components takes a TCB apart, since its parts are compared one by one. Which bytes
// they are in depends on the product line: Turin fills the lower four, the others leave bytes
// 2 to 5 empty (AMD 56860, 2.2). A number that may be either is refused.
func (i item) components(number uint64) ([]component, error) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], number)
	switch {
	case b[2]|b[3]|b[4]|b[5] == 0 && b[6] != 0:
		return []component{{"bootloader", b[0]}, {"tee", b[1]}, {"snp", b[6]}, {"microcode", b[7]}}, nil
	case b[4]|b[5]|b[6] == 0 && b[3] != 0:
		return []component{{"fmc", b[0]}, {"bootloader", b[1]}, {"tee", b[2]}, {"snp", b[3]}, {"microcode", b[7]}}, nil
	}
	return nil, i.unsupported("the TCB %#016x is of no product line that could be told by it", number)
}

// tcb returns the key and value that ask for one of a report's TCBs.
func (i item) tcb(claim string) (key, value string, err error) {
	version, err := i.svn()
	if err != nil {
		return "", "", err
	}
	parts, err := i.components(version.number)
	if err != nil {
		return "", "", err
	}
	if version.exact {
		key, value = exactly(strings.ReplaceAll(claim, "_", "-"), exactTCB("sev_snp."+claim, parts))
		return key, value, nil
	}
	texts := make([]string, len(parts))
	for n, part := range parts {
		texts[n] = fmt.Sprintf("%s: %d", part.name, part.level)
	}
	key = "minimum_tcb"
	if claim == snpTCBs[snpLaunchTCB] {
		key = "minimum_launch_tcb"
	}
	return key, "{" + strings.Join(texts, ", ") + "}", nil
}

// exactTCB writes a rule that holds of a TCB with these components and no other.
func exactTCB(claim string, parts []component) string {
	var terms []string
	if parts[0].name != "fmc" {
		terms = append(terms, "!has("+claim+".fmc)")
	}
	for _, part := range parts {
		terms = append(terms, fmt.Sprintf("%s.%s == %d", claim, part.name, part.level))
	}
	return strings.Join(terms, " && ")
}

// evaluation returns the key and value that ask for the number of Intel's TCB
// evaluation: exact as a number, least as an expression.
func (i item) evaluation() (key, value string, err error) {
	if !i.is(majorUint) {
		least, err := i.atLeast()
		return "minimum_evaluation_data_number", strconv.FormatUint(least, 10), err
	}
	number, err := i.uint()
	if err == nil && number > math.MaxUint32 {
		err = i.unsupported("no collateral is of the evaluation %d", number)
	}
	key, value = exactly("tcb-evaluation", "tdx.tcb.evaluation_data_number == "+strconv.FormatUint(number, 10))
	return key, value, err
}

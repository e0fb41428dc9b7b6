package tpm

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/quotary/quotary/evidence"
)

// judgePCRs maps the values that came along to the signed selection and holds
// them to the signed digest. Only what that digest covers becomes a claim.
func (x *examination) judgePCRs() {
	if x.attest == nil {
		x.checks().NotPerformed(evidence.CodeTPMPCRDigest, "", "there is no decoded quote")
		return
	}
	sel, err := x.attest.quote.selected()
	if err != nil {
		x.failed(err, "at least one PCR of exactly one bank")
		x.checks().NotPerformed(evidence.CodeTPMPCRDigest, "", "the selection is not accepted")
		return
	}
	x.checks().Pass(evidence.CodeTPMPCRSelection, sel.String())
	x.checks().Pass(evidence.CodeTPMPCRCovered, describeDropped(x.item.PCRs, sel))
	values, err := sel.values(x.item.PCRs)
	if err != nil {
		x.failed(err, fmt.Sprintf("%d bytes for each of %s", sel.bank.hash().Size(), sel))
		x.checks().NotPerformed(evidence.CodeTPMPCRDigest, "", "not every selected PCR has a value")
		return
	}
	x.checks().Pass(evidence.CodeTPMPCRValues, fmt.Sprintf("%d values of %d bytes", len(values), sel.bank.hash().Size()))
	x.judgeDigest(sel, values)
}

// judgeDigest compares the signed digest with that of the values. It is made
// with the hash of the signature's scheme, not of the bank (TPM 2.0 part 3, 18.4).
func (x *examination) judgeDigest(sel selection, values map[int]evidence.Hex) {
	if x.signature == nil || x.signature.hash.hash() == 0 {
		x.checks().NotPerformed(evidence.CodeTPMPCRDigest, "", "the signature does not say by which hash")
		return
	}
	parts := make([][]byte, 0, len(values))
	for _, index := range sel.indices {
		parts = append(parts, values[index])
	}
	computed := x.signature.hash.sum(parts...)
	if x.checks().Judge(bytes.Equal(computed, x.attest.quote.digest), evidence.CodeTPMPCRDigest,
		fmt.Sprintf("%x", x.attest.quote.digest), fmt.Sprintf("%x", computed)) {
		x.claims.PCRs = values
	}
}

// selected returns the quote's one selection, with at least one PCR of a known bank.
func (q *quoteInfo) selected() (selection, error) {
	if len(q.selections) != 1 {
		return selection{}, evidence.Errorf(evidence.CodeTPMPCRSelection, "attest", "%d banks", len(q.selections))
	}
	sel := q.selections[0]
	if sel.bank.hash() == 0 {
		return selection{}, evidence.Errorf(evidence.CodeTPMPCRSelection, "attest", "a bank of %s", sel.bank)
	}
	if len(sel.indices) == 0 {
		return selection{}, evidence.Errorf(evidence.CodeTPMPCRSelection, "attest", "no PCR of bank %s", sel.bank)
	}
	return sel, nil
}

// values returns exactly the selected values. Each must have its bank's size:
// the digest is over their concatenation, so that bytes could otherwise move
// from one PCR to the next.
func (s selection) values(given evidence.PCRs) (map[int]evidence.Hex, error) {
	size := s.bank.hash().Size()
	values := make(map[int]evidence.Hex, len(s.indices))
	all := make([]byte, 0, len(s.indices)*size) // one allocation for all copies
	for _, index := range s.indices {
		value, ok := given[s.bank.String()][index]
		if !ok {
			return nil, evidence.Errorf(evidence.CodeTPMPCRValues, "pcrs", "no value for PCR %d of bank %s", index, s.bank)
		}
		if len(value) != size {
			return nil, evidence.Errorf(evidence.CodeTPMPCRValues, "pcrs", "%d bytes for PCR %d of bank %s", len(value), index, s.bank)
		}
		all = append(all, value...)
		values[index] = evidence.Hex(all[len(all)-size:][:size:size])
	}
	return values, nil
}

func (s selection) String() string {
	text := append([]byte(s.bank.String()), ':')
	for n, index := range s.indices {
		if n > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(index), 10)
	}
	return string(text)
}

// describeDropped counts the values that the selection does not cover.
func describeDropped(given evidence.PCRs, s selection) string {
	dropped := 0
	for bank, values := range given {
		for index := range values {
			if bank != s.bank.String() || !slices.Contains(s.indices, index) {
				dropped++
			}
		}
	}
	if dropped == 0 {
		return "nothing else came along"
	}
	return fmt.Sprintf("%d values outside the selection were dropped", dropped)
}

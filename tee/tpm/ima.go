package tpm

import (
	"bytes"
	"crypto"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/ima"
)

// judgeIMA holds the kernel's measurement list to the quoted PCR 10 and draws claims
// from the entries that lead to it, if nothing is wrong with the quote.
func (x *examination) judgeIMA() {
	if len(x.item.IMALog) == 0 && x.item.IMAOffset == 0 {
		x.noIMA((*evidence.Checks).NotApplicable, "the evidence has no IMA log")
		return
	}
	notPerformed := func(c *evidence.Checks, code evidence.Code, why string) { c.NotPerformed(code, "", why) }
	if !x.sound() {
		x.noIMA(notPerformed, unsound)
		return
	}
	const wantLog = "a measurement list beside a quote of PCR 10, not of SHA-1"
	list, err := x.readIMA()
	if err != nil {
		x.checks().Fail(evidence.CodeTPMIMALog, wantLog, err.Error())
		x.checks().NotPerformed(evidence.CodeTPMIMAOffset, "", "the list is not read")
		x.checks().NotPerformed(evidence.CodeTPMIMAReplay, "", "the list is not read")
		return
	}
	x.checks().Pass(evidence.CodeTPMIMALog, fmt.Sprintf("%d entries", len(list.Entries)))
	before, err := x.startIMA()
	if err != nil {
		x.checks().Fail(evidence.CodeTPMIMAOffset, "the first entry, or the one behind those that were judged", err.Error())
		x.checks().NotPerformed(evidence.CodeTPMIMAReplay, "", "where the list begins is not known")
		return
	}
	x.checks().Pass(evidence.CodeTPMIMAOffset, fmt.Sprintf("behind %d entries", before.Entries))
	x.replayIMA(list, before)
}

func (x *examination) noIMA(record func(*evidence.Checks, evidence.Code, string), why string) {
	for _, code := range []evidence.Code{evidence.CodeTPMIMALog, evidence.CodeTPMIMAOffset, evidence.CodeTPMIMAReplay} {
		record(x.checks(), code, why)
	}
}

// readIMA takes the list apart. A list from its first entry on begins with the
// digest over the PCRs at the kernel's start.
func (x *examination) readIMA() (*ima.List, error) {
	bank := x.attest.quote.selections[0].bank
	if _, quoted := x.claims.PCRs[ima.PCR]; !quoted || !bank.strong() {
		return nil, evidence.Errorf(evidence.CodeTPMIMALog, "ima_log", "the quote covers %s", x.attest.quote.selections[0])
	}
	list, err := ima.Parse(x.item.IMALog)
	if err != nil {
		return nil, err
	}
	if _, _, ok := list.FirstAggregate(); !ok && x.item.IMAOffset == 0 {
		return nil, evidence.Errorf(evidence.CodeTPMIMALog, "ima_log", "the first entry is not %s", ima.AggregateName)
	}
	return list, nil
}

// startIMA returns how far the list was judged before: not at all, or as far as an
// earlier appraisal left it.
func (x *examination) startIMA() (tee.IMAState, error) {
	if x.item.IMAOffset == 0 {
		return tee.IMAState{Bank: x.claims.Bank}, nil
	}
	last := x.earlier.quoted()
	switch {
	case last == nil || last.IMA == nil:
		return tee.IMAState{}, evidence.Errorf(evidence.CodeTPMIMAOffset, "ima_offset", "%d, but no entries were judged", x.item.IMAOffset)
	case last.IMA.Entries != x.item.IMAOffset:
		return tee.IMAState{}, evidence.Errorf(evidence.CodeTPMIMAOffset, "ima_offset", "%d, but %d entries were judged", x.item.IMAOffset, last.IMA.Entries)
	case last.IMA.Bank != x.claims.Bank:
		return tee.IMAState{}, evidence.Errorf(evidence.CodeTPMIMAOffset, "ima_offset", "bank %s, but the entries before were judged by bank %s", x.claims.Bank, last.IMA.Bank)
	}
	return *last.IMA, nil
}

// replayIMA finds the entries that lead from what PCR 10 held before them to its
// quoted value. Those behind were added after the quote, or never.
func (x *examination) replayIMA(list *ima.List, before tee.IMAState) {
	quoted := x.claims.PCRs[ima.PCR]
	hash := x.attest.quote.selections[0].bank.hash()
	covered, ok := list.Replay(before.Aggregate, hash).Find(quoted)
	if !ok || before.Entries == 0 && covered == 0 {
		x.checks().Fail(evidence.CodeTPMIMAReplay, "PCR 10 "+quoted.String(), "no entry leads to it")
		return
	}
	x.checks().Pass(evidence.CodeTPMIMAReplay, fmt.Sprintf("%d entries; %d behind them were dropped", covered, len(list.Entries)-covered))
	files, unread, violations := list.Claims(covered)
	claims := &evidence.IMAClaims{
		Bank: x.claims.Bank, Offset: before.Entries, Entries: before.Entries + uint64(covered),
		Violations: before.Violations + violations, Unread: before.Unread + unread, Others: list.Others(covered), Files: files,
	}
	if before.Entries == 0 {
		claims.BootAggregate = bootAggregate(list, hash, x.claims.PCRs)
		claims.Files = files[1:] // the aggregate is none
	}
	x.claims.IMA = claims
	x.ima = &tee.IMAState{
		Bank: claims.Bank, Entries: claims.Entries, Aggregate: bytes.Clone(quoted), Violations: claims.Violations, Unread: claims.Unread,
	}
}

// bootAggregate reports whether the list's first entry is the digest over the quoted PCRs,
// or nil if it is over those of another bank or not all are quoted.
func bootAggregate(list *ima.List, bank crypto.Hash, pcrs map[int]evidence.Hex) *bool {
	of, first, _ := list.FirstAggregate()
	want, known := ima.BootAggregate(bank, pcrs)
	if of != bank || !known {
		return nil
	}
	same := bytes.Equal(first, want)
	return &same
}

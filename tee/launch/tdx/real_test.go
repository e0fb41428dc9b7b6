package tdx_test

import (
	"bytes"
	"crypto"
	"encoding/json"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/launch/pcr"
	"github.com/quotary/quotary/tee/launch/tdx"
)

// entry is an event of a trust domain's log.
type entry struct {
	Register int                `json:"imr"`
	Type     eventlog.EventType `json:"event_type"`
	Digest   evidence.Hex       `json:"digest"`
	data     []byte
}

func measured(e entry) pcr.Measured { return func(crypto.Hash) []byte { return e.Digest } }

// of returns the events of a register and a type.
func of(log []entry, register int, kind eventlog.EventType) (found []pcr.Measured) {
	for _, e := range log {
		if e.Register == register && e.Type == kind {
			found = append(found, measured(e))
		}
	}
	return found
}

// quoted returns RTMR1 and RTMR2 of a TDX quote of version 4: its body is behind a
// header of 48 bytes.
func quoted(quote []byte) (rtmr1, rtmr2 evidence.Hex) {
	return quote[48+376:][:48], quote[48+424:][:48]
}

const (
	tagType         eventlog.EventType = 0x6
	applicationType eventlog.EventType = 0x80000003
	partitionsType  eventlog.EventType = 0x80000006
)

// A kernel that QEMU hands over leads to the registers in a signed quote.
func TestQuotedDirectBoot(t *testing.T) {
	item := evidencetest.Find(t, "v4-90c06f-dstack-quote-report")
	var log []entry
	if err := json.Unmarshal(item.Read(t, "event_log.json"), &log); err != nil {
		t.Fatal(err)
	}
	tags := of(log, 2, tagType)
	boot := &pcr.Boot{Loaded: pcr.Directly, Images: of(log, 1, applicationType), Kernel: pcr.Kernel{LoadOptions: tags[0], Initrd: tags[1]}}
	events, err := boot.Log(crypto.SHA384)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, events, item.Read(t, "quote.bin"), 1, 2)
}

// A boot from a disk, by shim and GRUB, leads to RTMR1 of a signed quote; shim and
// GRUB measure more into RTMR2 than the chain tells.
func TestQuotedDiskBoot(t *testing.T) {
	item := evidencetest.Find(t, "v4-00806f-cos113-gcp-with-ccel")
	parsed, err := eventlog.Parse(item.Read(t, "ccel_data.bin"), eventlog.RTMRs)
	if err != nil {
		t.Fatal(err)
	}
	var log []entry
	for i := range parsed.Events {
		e := &parsed.Events[i]
		log = append(log, entry{e.Register, e.Type, parsed.Digest(e, eventlog.SHA384), e.Data})
	}
	boot := &pcr.Boot{Images: of(log, 1, applicationType), Disk: partitions(t, log), Commands: []string{"set default=2"}}
	events, err := boot.Log(crypto.SHA384)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, events, item.Read(t, "quote.bin"), 1)
}

// partitions puts the partition table in the log onto a disk again, and has it
// measured from there.
func partitions(t *testing.T, log []entry) pcr.Measured {
	t.Helper()
	for _, e := range log {
		if e.Type != partitionsType {
			continue
		}
		disk := make([]byte, 1<<20)
		copy(disk[512:], e.data[:92])
		copy(disk[1024:], e.data[100:])
		table, err := pcr.PartitionTable(disk)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(table(crypto.SHA384), e.Digest) {
			t.Error("the partition table is measured otherwise")
		}
		return table
	}
	t.Fatal("there is no partition table in the log")
	return nil
}

func compare(t *testing.T, boot *pcr.Log, quote []byte, known ...int) {
	t.Helper()
	values, unknown, err := tdx.Runtime(boot)
	if err != nil || len(values) != len(known) || len(unknown) != 3-len(known) {
		t.Fatalf("%v, unknown: %v, %v", values, unknown, err)
	}
	rtmr1, rtmr2 := quoted(quote)
	for n, want := range map[int]evidence.Hex{1: rtmr1, 2: rtmr2} {
		if values[n] != nil && !bytes.Equal(values[n], want) {
			t.Errorf("RTMR%d: %v, the quote has %v", n, values[n], want)
		}
	}
}

// A real domain's log has the digest that the volume of variables of Debian's and
// many others' firmware has.
func TestRealConfigurationVolume(t *testing.T) {
	item := evidencetest.Find(t, "v4-90c06f-dstack-quote-report")
	var log []entry
	if err := json.Unmarshal(item.Read(t, "event_log.json"), &log); err != nil {
		t.Fatal(err)
	}
	volume := of(log, 0, 0x8000000a)[0](crypto.SHA384)
	if got := evidence.Hex(volume).String(); got != variables4M {
		t.Error(got)
	}
}

// variables4M is SHA-384 of OVMF_VARS_4M.fd, which a build of EDK II without keys
// begins with.
const variables4M = "344bc51c980ba621aaa00da3ed7436f7d6e549197dfe699515dfa2c6583d95e6412af21c097d473155875ffd561d6790"

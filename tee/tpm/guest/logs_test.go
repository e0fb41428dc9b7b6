package guest_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/tpm/guest"
	"github.com/quotary/quotary/tee/tpm/tpmtest"
)

const (
	eventLogFile = "tpm0/binary_bios_measurements"
	imaFile      = "ima/binary_runtime_measurements"
)

// eventLog is a log of SHA-256 with one event for each PCR (TCG_PCR_EVENT2).
func eventLog(pcrs ...uint32) []byte {
	u32 := binary.LittleEndian.AppendUint32
	spec := append([]byte("Spec ID Event03\x00"), 0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0)
	log := append(u32(u32(nil, 0), 3), make([]byte, 20)...)
	log = append(u32(log, uint32(len(spec))), spec...)
	for _, pcr := range pcrs {
		digest := eventDigest(pcr)
		log = append(u32(u32(u32(log, pcr), 0x0d), 1), 0x0b, 0)
		log = append(log, digest[:]...)
		log = append(u32(log, 5), "event"...)
	}
	return log
}

func eventDigest(pcr uint32) [32]byte { return sha256.Sum256([]byte{byte(pcr)}) }

// imaEntry is an entry of the template ima-ng, and what the kernel extends PCR 10 with.
func imaEntry(name string) (entry []byte, digest [32]byte) {
	u32 := binary.LittleEndian.AppendUint32
	content := sha256.Sum256([]byte(name))
	field := append([]byte("sha256:\x00"), content[:]...)
	data := append(u32(nil, uint32(len(field))), field...)
	data = append(u32(data, uint32(len(name)+1)), name+"\x00"...)
	template := sha1.Sum(data)
	entry = append(u32(nil, 10), template[:]...)
	entry = append(u32(entry, 6), "ima-ng"...)
	entry = append(u32(entry, uint32(len(data))), data...)
	return entry, sha256.Sum256(data)
}

// booted is a machine that measured three files, with the list of these.
func booted(t testing.TB) (machine *tpmtest.TPM, list []byte, size int) {
	t.Helper()
	machine = tpmtest.StartBlank(t)
	for _, pcr := range []uint32{0, 4, 9} {
		machine.Extend(t, pcr, eventDigest(pcr))
	}
	for _, name := range []string{"boot_aggregate", "/bin/a", "/bin/b"} {
		entry, digest := imaEntry(name)
		list, size = append(list, entry...), len(entry)
		machine.Extend(t, 10, digest)
	}
	return machine, list, size
}

// Logs go along where they lead to the quoted PCRs; otherwise they stay at home, with
// a word why, since a service would refuse the quote with them.
func TestLogs(t *testing.T) {
	machine, list, last := booted(t)
	later, _ := imaEntry("/bin/later")
	opened := open(t, machine, guest.Options{})
	log := eventLog(0, 4, 9)
	for name, c := range map[string]struct {
		quoting  guest.Quoting
		files    map[string][]byte
		log, ima []byte
		offset   uint64
		omitted  string // words of the only note; none if empty
	}{
		"both":                {quoting: guest.Quoting{IMA: true}, files: map[string][]byte{eventLogFile: log, imaFile: list}, log: log, ima: list},
		"none there":          {},
		"an empty one":        {files: map[string][]byte{eventLogFile: {}}},
		"not wanted":          {quoting: guest.Quoting{WithoutEventLog: true}, files: map[string][]byte{eventLogFile: log, imaFile: list}},
		"of another machine":  {files: map[string][]byte{eventLogFile: eventLog(0, 4, 4, 9)}, omitted: "PCRs [4]"},
		"incomplete above 7":  {files: map[string][]byte{eventLogFile: eventLog(0, 4, 9, 9)}, log: eventLog(0, 4, 9, 9)},
		"damaged":             {files: map[string][]byte{eventLogFile: log[:len(log)-1]}, omitted: "event"},
		"of another bank":     {quoting: guest.Quoting{Bank: "sha384"}, files: map[string][]byte{eventLogFile: log}, omitted: "sha384"},
		"too long":            {files: map[string][]byte{eventLogFile: bytes.Repeat([]byte{0}, evidence.MaxEventLog+1)}, omitted: "at most"},
		"far too long":        {files: map[string][]byte{eventLogFile: bytes.Repeat([]byte{0}, 4<<20+1)}, omitted: "more than"},
		"IMA, grown":          {quoting: guest.Quoting{IMA: true}, files: map[string][]byte{imaFile: append(bytes.Clone(list), later...)}, ima: list},
		"IMA, new ones":       {quoting: guest.Quoting{IMA: true, IMAOffset: 2}, files: map[string][]byte{imaFile: list}, ima: list[len(list)-last:], offset: 2},
		"IMA, nothing new":    {quoting: guest.Quoting{IMA: true, IMAOffset: 3}, files: map[string][]byte{imaFile: list}, ima: []byte{}, offset: 3},
		"IMA, rebooted":       {quoting: guest.Quoting{IMA: true, IMAOffset: 4}, files: map[string][]byte{imaFile: list}, omitted: "3 entries"},
		"IMA, cut off":        {quoting: guest.Quoting{IMA: true}, files: map[string][]byte{imaFile: list[:len(list)-last]}, omitted: "no entry"},
		"IMA, damaged":        {quoting: guest.Quoting{IMA: true}, files: map[string][]byte{imaFile: list[1:]}, omitted: "IMA log"},
		"IMA, none there":     {quoting: guest.Quoting{IMA: true}, omitted: "not exist"},
		"IMA, PCR not quoted": {quoting: guest.Quoting{IMA: true, PCRs: []int{0, 4}}, files: map[string][]byte{imaFile: list}, omitted: "PCR 10"},
		"IMA, too many":       {quoting: guest.Quoting{IMA: true}, files: map[string][]byte{imaFile: bytes.Repeat(later, 5000)}, omitted: "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			for path, data := range c.files {
				files[path] = &fstest.MapFile{Data: data}
			}
			c.quoting.Logs = files
			got := collect(t, attester(t, opened, c.quoting), []byte("data"))
			if !bytes.Equal(got.Item.EventLog, c.log) || !bytes.Equal(got.Item.IMALog, c.ima) || got.Item.IMAOffset != c.offset {
				t.Errorf("an event log of %d bytes, an IMA log of %d behind %d entries", len(got.Item.EventLog), len(got.Item.IMALog), got.Item.IMAOffset)
			}
			switch {
			case c.omitted == "" && len(got.Omitted) > 0:
				t.Errorf("omitted: %v", got.Omitted)
			case c.omitted != "" && (len(got.Omitted) != 1 || !strings.Contains(got.Omitted[0].Error(), c.omitted)):
				t.Errorf("omitted: %v, want a note that says %q", got.Omitted, c.omitted)
			}
			if c.offset == 0 {
				genuine(t, given(t, opened), got.Item)
			}
		})
	}
}

// denied are files that may not be read.
type denied struct{}

func (denied) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// Logs that may not be read are worth a note: the service may want them.
func TestDeniedLogs(t *testing.T) {
	opened := open(t, tpmtest.StartBlank(t), guest.Options{})
	got := collect(t, attester(t, opened, guest.Quoting{IMA: true, Logs: denied{}}), []byte("data"))
	if len(got.Omitted) != 2 || !strings.Contains(got.Omitted[0].Error(), "logs are for root") || !strings.Contains(got.Omitted[1].Error(), "IMA log") {
		t.Errorf("omitted: %v", got.Omitted)
	}
	if got.Item.EventLog != nil || got.Item.IMALog != nil {
		t.Error("logs from nowhere")
	}
}

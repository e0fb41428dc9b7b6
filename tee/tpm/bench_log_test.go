package tpm

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/lru"
	logs "github.com/quotary/quotary/simulators/eventlog"
	simulator "github.com/quotary/quotary/simulators/tpm"
	"github.com/quotary/quotary/tee/eventlog"
	"github.com/quotary/quotary/tee/teetest"
)

// realisticLog is the size in bytes of a real event log of a server with secure
// boot, most of which is the list of revoked images.
const realisticLog = 24_000

// realisticBoot is a boot whose log has about that size.
func realisticBoot() *logs.Boot {
	boot := testBoot()
	var hashes [][]byte
	for n := 0; len(boot.Log(eventlog.PCRs, eventlog.SHA256, eventlog.SHA384).Encode()) < realisticLog; n++ {
		hashes = append(hashes, sha256Of(fmt.Sprint("revoked image ", n)))
		boot.DBX = logs.SignatureList(logs.GUIDSHA256, hashes...)
	}
	return boot
}

// BenchmarkLogs measures the verification of a quote with logs beside what cannot be
// left out: one signature by an RSA-2048 key, hashing the event log, and extending a PCR with
// each of the kernel's entries. "new" is a log that no earlier quote came with.
func BenchmarkLogs(b *testing.B) {
	w := simulated(b)
	m := w.newMachine(b, simulator.MachineOptions{Name: "bench logs", Key: simulator.KeyRSA, Boot: realisticBoot(), IMA: true})
	booted := quoteOf(b, m, w.nonce)
	booted.IMALog = nil
	const files = 800
	measure(b, m, files)
	measured := quoteOf(b, m, w.nonce)
	v := newVerifier(b, w.roots())
	for _, c := range []struct {
		name    string
		item    *evidence.TPM
		entries int
		forget  func()
	}{
		{"warm", booted, 0, func() {}},
		{"new", booted, 0, func() { v.logs = lru.New[digest, explained](maxLogs) }},
		{"warm-and-800-files", measured, files, func() {}},
	} {
		sig, err := parseSignature(c.item.Signature)
		if err != nil {
			b.Fatal(err)
		}
		unavoidable := func() {
			sha256.Sum256(c.item.EventLog)
			for range c.entries {
				sha256.Sum256(c.item.IMALog[:len(c.item.IMALog)/c.entries])
				sha256.Sum256(c.item.IMALog[:2*sha256.Size])
			}
			if !sig.verify(m.Key.Public(), c.item.Attest) {
				b.Fatal("does not verify")
			}
		}
		b.Run(c.name, func(b *testing.B) {
			teetest.Ratio(b, "of-RSA-2048-and-hashing", unavoidable, c.forget, func() {
				if out := v.Verify(c.item, nil, paramsNow); !out.Genuine() {
					b.Fatal(out.Checks)
				}
			})
		})
	}
}

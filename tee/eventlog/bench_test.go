package eventlog_test

import (
	"testing"

	simulated "github.com/quotary/quotary/simulators/eventlog"
	"github.com/quotary/quotary/tee/eventlog"
)

// benchmarkLog is a log of about 24 KB: a boot, with signature lists of the usual
// size and what GRUB measures. Its data and its events are as many as real logs have.
func benchmarkLog(registers eventlog.Registers, banks ...eventlog.Algorithm) *simulated.Builder {
	boot := testBoot()
	boot.DBX = simulated.SignatureList(simulated.GUIDSHA256, make32(230)...)
	b := boot.Log(registers, banks...)
	for range 60 {
		text := "search --no-floppy --fs-uuid --set=root 0123-4567 with a tail as long as most"
		b.Add(register(b, 8), eventlog.IPL, []byte(text), []byte("grub_cmd: "+text+"\x00"))
	}
	return b
}

// make32 returns n different digests.
func make32(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, 32)
		all[i][0], all[i][1] = byte(i), byte(i>>8)
	}
	return all
}

func BenchmarkReplay(b *testing.B) {
	for name, log := range map[string]*simulated.Builder{
		"pcrs":  benchmarkLog(eventlog.PCRs, eventlog.SHA1, eventlog.SHA256),
		"rtmrs": benchmarkLog(eventlog.RTMRs),
	} {
		raw, bank := log.Encode(), bankOf(log.Registers)
		quoted := log.Values(bank)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				parsed, err := eventlog.Parse(raw, log.Registers)
				if err != nil {
					b.Fatal(err)
				}
				replay, err := parsed.Replay(bank)
				if err != nil || len(replay.Compare(quoted).Mismatched) > 0 {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/claims", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				parsed, err := eventlog.Parse(raw, log.Registers)
				if err != nil {
					b.Fatal(err)
				}
				replay, err := parsed.Replay(bank)
				if err != nil {
					b.Fatal(err)
				}
				if claims, _ := replay.Compare(quoted).Claims(); claims.SecureBoot == nil {
					b.Fatal("no claims")
				}
			}
		})
	}
}

// BenchmarkReplayReal does the same with the largest logs of real machines.
func BenchmarkReplayReal(b *testing.B) {
	for _, real := range realLogs(b) {
		if len(real.raw) < 22_000 || len(real.raw) > 27_000 {
			continue
		}
		for bank, quoted := range real.replayed {
			if algorithm, _ := eventlog.ParseAlgorithm(bank); algorithm == bankOf(real.kind) {
				b.Run(real.name, func(b *testing.B) {
					b.SetBytes(int64(len(real.raw)))
					for b.Loop() {
						replay, err := real.parse(b).Replay(algorithm)
						if err != nil || len(replay.Compare(quoted).Mismatched) > 0 {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

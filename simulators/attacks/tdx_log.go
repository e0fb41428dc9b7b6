package attacks

import (
	"bytes"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/eventlog"
)

// tdxLogRows tell another boot than the one that was measured. Logs are not signed:
// whoever sends one writes what they like.
func tdxLogRows() []Row {
	return []Row{
		{"T31", "no event log, or an empty one", []Case{
			{
				Name: "none", Subject: tdxBooted, Want: codes(evidence.CodePolicyBootLog),
				Try: logged(func(domain, []byte) []byte { return nil }),
			},
		}},
		{"T32", "events for the register beside theirs", []Case{
			{
				Name: "all one register off", Subject: tdxBooted, Want: codes(evidence.CodeTDXEventLogReplay), Behind: codes(evidence.CodePolicyBootSecureBoot),
				Try: logged(func(d domain, _ []byte) []byte {
					log := d.Log()
					for i := range log.Entries {
						log.Entries[i].Register = (log.Entries[i].Register + 1) % 3
					}
					return log.Encode()
				}),
			},
			{
				Name: "a register that is none", Subject: tdxBooted, Want: codes(evidence.CodeTDXEventLog), Proof: ByParser, Why: "there are no claims without a log",
				Try: logged(func(d domain, _ []byte) []byte {
					log := d.Log()
					log.Measure(5, eventlog.IPL, []byte("stray"))
					return log.Encode()
				}),
			},
		}},
		{"T34", "event whose digest covers another payload", []Case{{
			Name: "secure boot said to be on", Subject: tdxBooted, Want: codes(evidence.CodePolicyBootSecureBoot),
			Try: logged(func(d domain, _ []byte) []byte {
				log := d.Log()
				for i := range log.Entries {
					log.Entries[i].Data = bytes.ReplaceAll(log.Entries[i].Data, []byte("S\x00e\x00c\x00u\x00r\x00e\x00B"), []byte("X\x00e\x00c\x00u\x00r\x00e\x00B"))
				}
				return log.Encode()
			}),
		}}},
	}
}

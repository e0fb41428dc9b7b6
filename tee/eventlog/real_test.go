package eventlog_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/evidencetest"
	"github.com/quotary/quotary/tee/eventlog"
)

// realLog is a log of a machine that really booted, with what is known of its registers.
type realLog struct {
	name string
	raw  []byte
	kind eventlog.Registers
	// replayed are values by bank that an independent replayer computed, or that the
	// machine's TPM or quote has.
	replayed map[string]eventlog.Values
	// quoted says that they come from the machine itself: they may cover registers that the log does not.
	quoted bool
}

// parse parses the log and fails the test if it does not.
func (r realLog) parse(t testing.TB) *eventlog.Log {
	t.Helper()
	log, err := eventlog.Parse(r.raw, r.kind)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// realLogs returns all logs of the collection.
func realLogs(t testing.TB) []realLog {
	t.Helper()
	var logs []realLog
	for _, item := range evidencetest.Items(t, "eventlog") {
		banks := map[string]eventlog.Values{}
		decode(t, item.Read(t, "replayed_pcrs.json"), &banks)
		logs = append(logs, realLog{name: item.Name, raw: item.Read(t, "event_log.bin"), replayed: banks})
	}
	// The independent replayer takes the first event of this SHA-1 log for a header,
	// and overlooks the locality in it. Without that event its value comes out.
	for i := range logs {
		if logs[i].name == "trustauthority-client-for-go-binary-bios-measurements12" {
			logs[i].raw = logs[i].raw[32+17:]
		}
	}
	for _, item := range evidencetest.Items(t, "ccel") {
		named := map[string]evidence.Hex{}
		decode(t, item.Read(t, "replayed_rtmrs.json"), &named)
		logs = append(logs, realLog{
			name: item.Name, raw: item.Read(t, "ccel.bin"), kind: eventlog.RTMRs, replayed: map[string]eventlog.Values{"sha384": rtmrs(named)},
		})
	}
	for _, item := range evidencetest.Items(t, "tdx") {
		if !item.Has("ccel_data.bin") {
			continue
		}
		var fields map[string]any
		decode(t, item.Fields, &fields)
		named := map[string]evidence.Hex{}
		for n := range 4 {
			name := "rtmr" + strconv.Itoa(n)
			text, _ := fields[name].(string)
			var value evidence.Hex
			if err := value.UnmarshalText([]byte(text)); err != nil {
				t.Fatal(err)
			}
			named[name] = value
		}
		logs = append(logs, realLog{
			name: item.Name, raw: item.Read(t, "ccel_data.bin"), kind: eventlog.RTMRs, quoted: true,
			replayed: map[string]eventlog.Values{"sha384": rtmrs(named)},
		})
	}
	for _, item := range evidencetest.Items(t, "tpm") {
		if !item.Has("event_log.bin") {
			continue
		}
		banks := map[string]eventlog.Values{}
		for _, bank := range []string{"sha1", "sha256", "sha384"} {
			if name := "pcrs_" + bank + ".json"; item.Has(name) {
				var values eventlog.Values
				decode(t, item.Read(t, name), &values)
				banks[bank] = values
			}
		}
		logs = append(logs, realLog{name: item.Name, raw: item.Read(t, "event_log.bin"), quoted: true, replayed: banks})
	}
	return append(logs, boots(t)...)
}

// boots returns the logs of the boots that were made for the collection.
func boots(t testing.TB) []realLog {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(evidencetest.Dir(t), "boot", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var logs []realLog
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var boot struct {
			PCRs     map[int]evidence.Hex
			EventLog []byte
		}
		decode(t, data, &boot)
		logs = append(logs, realLog{
			name: "boot-" + filepath.Base(file), raw: boot.EventLog, quoted: true, replayed: map[string]eventlog.Values{"sha256": boot.PCRs},
		})
	}
	return logs
}

// rtmrs turns values by the name of their register into values by its index.
func rtmrs(named map[string]evidence.Hex) eventlog.Values {
	values := eventlog.Values{}
	for n := range 4 {
		if value, ok := named["rtmr"+strconv.Itoa(n)]; ok {
			values[n] = value
		}
	}
	return values
}

func decode(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// TestRealLogs replays every real log to the values that its registers have.
func TestRealLogs(t *testing.T) {
	logs := realLogs(t)
	if len(logs) < 29 {
		t.Errorf("only %d logs", len(logs))
	}
	for _, real := range logs {
		t.Run(real.name, func(t *testing.T) {
			log := real.parse(t)
			for bank, want := range real.replayed {
				algorithm, ok := eventlog.ParseAlgorithm(bank)
				if !ok {
					t.Fatalf("unknown bank %q", bank)
				}
				got, err := log.Replay(algorithm)
				if err != nil {
					t.Fatal(err)
				}
				if !real.quoted {
					if diff := cmp.Diff(want, got.Values); diff != "" {
						t.Errorf("%s: %s", bank, diff)
					}
				}
				if c := got.Compare(want); len(c.Mismatched) > 0 || len(c.Reproduced) < 2 {
					t.Errorf("%s: %+v", bank, c)
				}
			}
		})
	}
}

package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
)

// An operator sees a vendor's outage begin and end, and what is wrong with the
// directory, without fields that say nothing; a single name's trouble is no news.
func TestLogOfEndorsements(t *testing.T) {
	crl := tee.EndorsementName{Type: "crl", ID: "root"}
	down := evidence.Errorf(evidence.CodeEndorsementUnreachable, "crl root", "test-kds: answered 503")
	full := evidence.Errorf(evidence.CodeEndorsementStore, "/data/collateral", "no space left on device")
	for name, test := range map[string]struct {
		event collateral.Event
		want  []string // none: no line
		not   []string
	}{
		"an outage begins": {collateral.Event{Vendor: "test-kds", Err: down}, []string{"level=WARN", "vendor=test-kds", "503"}, []string{"endorsement="}},
		"an outage ends":   {collateral.Event{Vendor: "test-kds"}, []string{"level=INFO", "vendor=test-kds", "again"}, []string{"endorsement=", "cause="}},
		"one name":         {collateral.Event{Vendor: "test-kds", Name: crl, Err: down}, nil, nil},
		"in force":         {collateral.Event{Vendor: "test-kds", Name: crl}, []string{"level=INFO", "vendor=test-kds", `endorsement="` + crl.String() + `"`}, []string{"cause="}},
		"disk full":        {collateral.Event{Err: full}, []string{"level=WARN", "no space"}, []string{"vendor=", "endorsement="}},
	} {
		var log bytes.Buffer
		logEvent(slog.New(slog.NewTextHandler(&log, nil)), test.event)
		if (log.Len() > 0) != (len(test.want) > 0) || strings.Count(log.String(), "\n") > 1 {
			t.Errorf("%s: %q", name, log.String())
		}
		for _, want := range test.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: no %s in %q", name, want, log.String())
			}
		}
		for _, not := range test.not {
			if strings.Contains(log.String(), not) {
				t.Errorf("%s: %s in %q", name, not, log.String())
			}
		}
	}
}

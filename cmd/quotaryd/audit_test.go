package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/internal/store"
)

// ledgerOf writes a ledger of so many events by one actor.
func ledgerOf(t *testing.T, data, actor string, events int) (last store.Head) {
	t.Helper()
	ledger, err := store.Open(t.Context(), daemon.LedgerPath(data))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	for range events {
		event := store.Event{Time: time.Now(), Actor: actor, Action: "attestation", Outcome: store.Refused}
		if err := ledger.Record(context.Background(), store.Entry{Event: event}); err != nil {
			t.Fatal(err)
		}
	}
	if last, err = ledger.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	return last
}

func TestAttack_H02_ChainThatWasCutOffOrWrittenAnew(t *testing.T) {
	data, shorter, other := t.TempDir(), t.TempDir(), t.TempDir()
	first := ledgerOf(t, data, "peer:192.0.2.1", 3)
	last := ledgerOf(t, data, "peer:192.0.2.1", 2)
	ledgerOf(t, shorter, "peer:192.0.2.1", 2)
	ledgerOf(t, other, "peer:192.0.2.2", 5)
	kept := fmt.Sprintf("%d:%s", last.Seq, last.Hash)
	begin := fmt.Sprintf("%d:%s", first.Seq, first.Hash)
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"nothing kept":     {[]string{"--data", data}, exitDone, "head " + kept},
		"its own heads":    {[]string{"--data", data, "--contains", begin, "--contains", kept}, exitDone, "5 events"},
		"cut off":          {[]string{"--data", shorter, "--contains", kept}, exitTampered, "the chain ends at event 2, before event 5"},
		"written anew":     {[]string{"--data", other, "--contains", begin}, exitTampered, "event 3 is not the one"},
		"no head":          {[]string{"--data", data, "--contains", "3"}, exitFailed, "a head is"},
		"no such ledger":   {[]string{"--data", filepath.Join(data, "x")}, exitFailed, "no such file"},
		"head of no event": {[]string{"--data", data, "--contains", "0:" + strings.Repeat("0", 64)}, exitFailed, "a head is"},
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"audit"}, tc.args...), &out, &errs)
		if said := out.String() + errs.String(); code != tc.code || !strings.Contains(said, tc.says) {
			t.Errorf("%s: exit %d, %s", name, code, said)
		}
	}
}

package store_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

// offline is a store without a network over a world.
func offline(t *testing.T, w *world) *harness {
	t.Helper()
	return open(t, newService(w), func(c *store.Config) { c.Offline = true })
}

func TestImport(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := offline(t, s.world)
		issuer, key := s.issuer("A", epoch), s.keyOf("A/01", epoch)
		issuer2 := s.issuer("A", epoch.AddDate(-1, 0, 0)) // of the key
		stranger := newStranger(t)
		report, err := h.Import(heap(key, s.list5(), issuer2, s.root, stranger.keyOf("A/02", epoch), stranger.list(6, epoch, epoch)))
		if err != nil || len(report.Added) != 3 || report.Held != 0 || len(report.Refused) != 0 || report.Unknown != 5-2 {
			t.Errorf("%+v, %v", report, err)
		}
		h.serves(issuer2.Raw, key.Raw, s.list5().Raw)
		report, err = h.Import(heap(key, s.list5(), issuer2, issuer))
		if err != nil || len(report.Added) != 1 || report.Held != 3 {
			t.Errorf("%+v, %v", report, err)
		}
		h.serves(issuer.Raw, key.Raw, s.list5().Raw)
		if report, err := h.Import(nil); err != nil || report.Held+report.Unknown+len(report.Added) != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}

// The issuers of what is imported may be held already, and in an archive of many
// files one may be the issue of another: what counts is the newest.
func TestImportInAnyOrder(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := offline(t, s.world)
		var lists []any
		for n := range int64(8) {
			lists = append(lists, s.list((n*3)%8, epoch.Add(-day), epoch.AddDate(1, 0, 0), 1))
		}
		report, err := h.Import(heap(lists...))
		if err != nil || len(report.Added) != 1 || len(report.Refused) != 7 {
			t.Errorf("%+v, %v", report, err)
		}
		if e := h.Endorsements().RevocationLists(); len(e) != 1 || e[0].Number.Int64() != 7 {
			t.Errorf("%v", e)
		}
	})
}

// TestAttack_D08_HostileHeap: of a heap of anything only what is authentic gets
// in, at the cost of looking at each.
func TestAttack_D08_HostileHeap(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := offline(t, s.world)
		h.Import(heap(s.issuer("A", epoch.AddDate(-1, 0, 0))))
		stranger := newStranger(t)
		hostile := heap(s.keyOf("A/01", epoch))
		for n := range 200 {
			hostile.AddCertificate(stranger.keyOf(fmt.Sprintf("A/%02d", n), epoch))
			hostile.AddDocument(tee.Document{Type: "nonsense", Key: fmt.Sprint(n), Raw: []byte{byte(n)}})
		}
		report, err := h.Import(hostile)
		if err != nil || len(report.Added) != 1 || report.Unknown != 400 {
			t.Errorf("%+v, %v", report, err)
		}
		huge := &tee.Endorsements{}
		for n := range 1<<17 + 1 {
			huge.AddDocument(tee.Document{Type: "nonsense", Key: fmt.Sprint(n)})
		}
		if _, err := h.Import(huge); evidence.CodeOf(err) != evidence.CodeEndorsementTooLarge {
			t.Error(err)
		}
	})
}

// What one store exports another takes in, with all that matters in it; the same
// store makes the same archive.
func TestExport(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h, contents := filled(t, s, t.TempDir())
		older := s.list(2, epoch.Add(-9*day), epoch.Add(-8*day), 1000, 77)
		h.Import(heap(older))
		contents = append(contents, older.Raw)
		var archive, again bytes.Buffer
		if err := h.Export(&archive); err != nil {
			t.Fatal(err)
		}
		if err := h.Export(&again); err != nil || !bytes.Equal(archive.Bytes(), again.Bytes()) {
			t.Error("two exports differ", err)
		}
		path := filepath.Join(t.TempDir(), "bundle.tar.gz")
		if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		bundle, report, err := endorsements.Load(path)
		if err != nil || len(report.Unrecognised) != 0 {
			t.Fatalf("%+v, %v", report, err)
		}
		to := offline(t, s.world)
		if report, err := to.Import(bundle); err != nil || len(report.Added) != 4 || len(report.Kept) != 1 || report.Unknown != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		to.serves(contents...)
		to.fetched(issuerA, keyName("A/01"), crl, docName("00806f050000"))
		to.refused(evidence.CodeEndorsementOffline, keyName("A/02"))
	})
}

// Certificates of keys are packed: Load takes an archive of a full store.
func TestExportOfManyKeys(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := offline(t, s.world)
		all := heap(s.issuer("A", epoch.AddDate(-1, 0, 0)))
		for n := range 2500 {
			all.AddCertificate(s.keyOf(fmt.Sprintf("A/%05d", n), epoch))
		}
		if report, err := h.Import(all); err != nil || len(report.Added) != 2501 {
			t.Fatalf("%v added, %v", len(report.Added), err)
		}
		var archive bytes.Buffer
		if err := h.Export(&archive); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "bundle.tar.gz")
		if err := os.WriteFile(path, archive.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		bundle, report, err := endorsements.Load(path)
		if err != nil || bundle.Len() != 2501 || len(report.Recognised) != 1+3 {
			t.Errorf("%d entries, %+v, %v", bundle.Len(), report, err)
		}
	})
}

// An export that Load would not take is an error.
func TestExportBounds(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := open(t, s, func(c *store.Config) { c.MaxEntries, c.Offline = 10_000, true })
		var found tee.Endorsements
		for n := range endorsements.MaxFiles + 1 {
			d := s.document(fmt.Sprintf("%012x", n), 1, epoch.Add(-day), epoch.Add(day))
			if err := endorsements.Parse("", d, &found); err != nil {
				t.Fatal(err)
			}
		}
		h.Import(&found)
		if err := h.Export(&bytes.Buffer{}); evidence.CodeOf(err) != evidence.CodeEndorsementTooLarge {
			t.Error(err)
		}
	})
}

// Writers that fail are reported.
func TestExportToNowhere(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		h := offline(t, s.world)
		h.Import(heap(s.list5()))
		if err := h.Export(failing{}); err == nil {
			t.Error("exported to nowhere")
		}
	})
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, gzip.ErrHeader }

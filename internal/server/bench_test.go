package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/quotary/quotary/internal/server"
	"github.com/quotary/quotary/internal/server/servertest"
)

// BenchmarkAttestation is one challenge and one attestation through the handler,
// without network and without the verification of a real technology: what the
// service itself costs, its certificate, its token and its fsync included.
func BenchmarkAttestation(b *testing.B) {
	a := start(b, servertest.Options{})
	m := newMachine(b)
	handler := a.Server.Handler()
	post := func(path string, v any) []byte {
		body, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			b.Errorf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.Bytes()
	}
	b.SetParallelism(8) // most of the time is spent waiting for the disk
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var c server.ChallengeResponse
			if err := json.Unmarshal(post("/v1/challenges", map[string]any{"purpose": "certificate"}), &c); err != nil {
				b.Error(err)
				return
			}
			body := m.body(b, c)
			body["token"] = []string{"jwt"}
			post("/v1/attestations", body)
		}
	})
}

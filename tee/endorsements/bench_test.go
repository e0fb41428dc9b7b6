package endorsements

import (
	"testing"

	"github.com/quotary/quotary/internal/evidencetest"
)

// BenchmarkLoad reads one set of Intel's collateral, as verify does before it judges.
func BenchmarkLoad(b *testing.B) {
	dir := evidencetest.Find(b, "v4-00806f-automata").Path("collateral-2025-07-07")
	for b.Loop() {
		if _, _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}

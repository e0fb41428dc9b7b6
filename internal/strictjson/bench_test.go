package strictjson_test

import (
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/strictjson"
)

// BenchmarkReading reads a document of the size and shape of collateral.
func BenchmarkReading(b *testing.B) {
	component := `{"svn":7,"category":"BIOS","type":"Early Microcode Update"},` + strings.Repeat(`{"svn":0},`, 14) + `{"svn":3}`
	level := `{"tcb":{"sgxtcbcomponents":[` + component + `],"pcesvn":11,"tdxtcbcomponents":[` + component + `]},"tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"UpToDate"}`
	data := []byte(`{"id":"TDX","version":3,"tcbLevels":[` + strings.Repeat(level+",", 4) + level + `]}`)
	b.Run("Parse", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := strictjson.Parse(data, strictjson.Rules{Depth: 12, Elements: 256, Text: 256}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Members", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := strictjson.Members(data, 3); err != nil {
				b.Fatal(err)
			}
		}
	})
}

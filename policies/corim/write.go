package corim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/quotary/quotary/evidence"
)

// document is a document of reference values.
type document struct {
	name                string
	technology          evidence.Kind
	source, createdBy   string
	createdAt, notAfter time.Time
	lists               map[string][]evidence.Hex
	seen                map[string]bool
}

// put adds a value, once.
func (d *document) put(key string, value evidence.Hex) {
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	if id := key + " " + string(value); !d.seen[id] {
		d.seen[id] = true
		d.lists[key] = append(d.lists[key], value)
	}
}

// write renders documents in YAML, a value a line.
func write(documents []document) []byte {
	var b bytes.Buffer
	for n, d := range documents {
		if n > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "apiVersion: quotary.dev/v1\nkind: ReferenceValues\nname: %s\ntechnology: %s\nprovenance:\n  source: %s\n  created_by: %s\n  created_at: %s\nnot_after: %s\nvalues:\n",
			quoted(d.name), d.technology, quoted(d.source), quoted(d.createdBy), d.createdAt.Format(time.RFC3339), d.notAfter.Format(time.RFC3339))
		for _, key := range slices.Sorted(maps.Keys(d.lists)) {
			fmt.Fprintf(&b, "  %s:\n", key)
			for _, value := range d.lists[key] {
				fmt.Fprintf(&b, "    - %q\n", value.String())
			}
		}
	}
	return b.Bytes()
}

// quoted writes a printable text as a double-quoted scalar; its escapes are
// those of YAML.
func quoted(s string) string { return strconv.Quote(s) }

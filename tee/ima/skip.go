package ima

import "github.com/quotary/quotary/internal/cursor"

// Skip returns what lies behind the first n entries of a list, which may be longer
// than [Parse] reads: its first entries were sent before. A list with fewer is refused.
func Skip(raw []byte, n uint64) ([]byte, error) {
	c := cursor.LittleEndian{Rest: raw}
	for i := range n {
		if len(c.Rest) == 0 {
			return nil, refuse("the list has %d entries, not %d", i, n)
		}
		if _, err := parseEntry(&c, len(raw)-len(c.Rest)); err != nil {
			return nil, err
		}
	}
	return c.Rest, nil
}

package admin

import (
	"iter"

	"github.com/quotary/quotary/client/internal/exchange"
)

// page asks for a part of a list.
type page struct {
	Cursor string `json:"cursor,omitempty"` // where the last answer ended
	Limit  int    `json:"limit,omitempty"`
}

// pages asks for one page after the other, for as long as there is more and fewer
// than most rows were seen. A service that leads in circles is left.
func pages[T any](most int, ask func(cursor string, limit int) (rows []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		seen := map[string]bool{"": true}
		for cursor := ""; most > 0; {
			rows, next, err := ask(cursor, min(most, MaxPage))
			if err != nil {
				yield(none, err)
				return
			}
			for _, row := range rows {
				if most--; !yield(row, nil) || most == 0 {
					return
				}
			}
			if next == "" {
				return
			}
			if seen[next] || len(rows) == 0 {
				yield(none, exchange.Unusable("cursor", "the list does not come to an end"))
				return
			}
			cursor, seen[next] = next, true
		}
	}
}

package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/quotary/quotary/evidence"
)

// RecentClaims hands to visit what was claimed for the issuances that ended, or
// end, after since: of at most [MaxRecent] issuances, those first that end last.
// What a build no longer understands is left out.
func (s *Store) RecentClaims(ctx context.Context, since time.Time, visit func(evidence.Claims)) error {
	rows, err := s.db.QueryContext(ctx, "SELECT claims FROM issuances WHERE not_after > ? ORDER BY not_after DESC LIMIT ?", since.UnixMicro(), MaxRecent)
	if err != nil {
		return unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return unavailable(err)
		}
		var claims []evidence.Claims
		if json.Unmarshal(text, &claims) != nil {
			continue
		}
		for _, c := range claims {
			visit(c)
		}
	}
	return unavailable(rows.Err())
}

package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/quotary/quotary/evidence"
)

// RecentClaims returns what was claimed for the issuances that ended, or end,
// after since: at most [MaxRecent], those first that end last. What a build no
// longer understands is left out.
func (s *Store) RecentClaims(ctx context.Context, since time.Time) ([]evidence.Claims, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT claims FROM issuances WHERE not_after > ? ORDER BY not_after DESC LIMIT ?", since.UnixMicro(), MaxRecent)
	if err != nil {
		return nil, unavailable(err)
	}
	defer rows.Close()
	var all []evidence.Claims
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return nil, unavailable(err)
		}
		var claims []evidence.Claims
		if json.Unmarshal(text, &claims) == nil {
			all = append(all, claims...)
		}
	}
	return all, unavailable(rows.Err())
}

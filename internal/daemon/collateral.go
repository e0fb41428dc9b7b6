package daemon

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
)

// openCollateral opens the store of what vendors hand out, and takes in what the
// operator gave.
func openCollateral(o Options, c Config, asked []collateral.Vendor, given *tee.Endorsements) (*collateral.Store, error) {
	s, err := collateral.Open(collateral.Config{
		Dir: filepath.Join(o.Data, collateralDir), Vendors: asked, Offline: c.Vendors.Offline,
		Grace:  time.Duration(c.Vendors.GraceDays) * 24 * time.Hour,
		Notify: func(e collateral.Event) { logEvent(o.Logger, e) },
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.Import(given); err != nil {
		return nil, err
	}
	return s, nil
}

// logEvent writes what became of an endorsement. What a vendor does not have, or
// does not say now, is no news: evidence can name any chip, and status and metrics
// tell the rest.
func logEvent(logger *slog.Logger, e collateral.Event) {
	level, attrs := slog.LevelInfo, []any{"vendor", e.Vendor, "endorsement", e.Name.String()}
	if e.Err != nil {
		level, attrs = slog.LevelDebug, append(attrs, "cause", e.Err.Error())
		switch evidence.CodeOf(e.Err) {
		case evidence.CodeEndorsementNotAuthentic, evidence.CodeEndorsementRolledBack, evidence.CodeEndorsementStore, evidence.CodeEndorsementStale:
			level = slog.LevelWarn
		}
	}
	logger.Log(context.Background(), level, "endorsement", attrs...)
}

// prewarm has the store fetch what the machines need that attested lately, before
// they come again.
func (d *Daemon) prewarm(ctx context.Context, asked []collateral.Vendor) error {
	return d.ledger.RecentClaims(ctx, time.Now().Add(-prewarmSpan), func(c evidence.Claims) {
		for _, v := range asked {
			d.collateral.Want(v.Endorser.Needs(c)...)
		}
	})
}

// endorsements returns what the operator gave and what was fetched.
func (d *Daemon) endorsements() *tee.Endorsements {
	return d.current.Load().endorsements.Over(d.collateral.Endorsements())
}

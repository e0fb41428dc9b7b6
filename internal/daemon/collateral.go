package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee"
	collateral "github.com/quotary/quotary/tee/endorsements/store"
)

// openCollateral opens the store of what vendors hand out, and takes in what the
// operator gave.
func (d *Daemon) openCollateral(o Options, asked []collateral.Vendor, given *tee.Endorsements) (*collateral.Store, error) {
	s, err := collateral.Open(collateral.Config{
		Dir: filepath.Join(o.Data, collateralDir), Vendors: asked, Offline: d.Config.Vendors.Offline,
		Grace:  d.Config.Vendors.grace(),
		Notify: d.noteCollateral,
		Now:    o.Now,
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.Import(given); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// takeOver has the store take in what the operator gave and what another process
// put into its directory. That the directory cannot be read is logged and no more:
// it must not keep a new policy out.
func (d *Daemon) takeOver(given *tee.Endorsements) error {
	if err := d.collateral.Reload(); err != nil {
		logEvent(d.logger, collateral.Event{Err: err})
	}
	_, err := d.collateral.Import(given)
	return err
}

// logEvent writes what became of an endorsement, a vendor or the directory. What a
// vendor does not have, or does not say now, is no news of its own: evidence can
// name any chip, and status and metrics tell the rest.
func logEvent(logger *slog.Logger, e collateral.Event) {
	isNamed := e.Name != tee.EndorsementName{}
	message, level := "endorsement", slog.LevelInfo
	switch {
	case isNamed && e.Err != nil:
		level = levelOf(e.Err)
	case isNamed:
	case e.Vendor == "":
		message, level = "the directory of endorsements", slog.LevelWarn
	case e.Err != nil:
		message, level = "a vendor of endorsements is not available", slog.LevelWarn
	default:
		message = "a vendor of endorsements answers again"
	}
	var attrs []slog.Attr
	if e.Vendor != "" {
		attrs = append(attrs, slog.String("vendor", e.Vendor))
	}
	if isNamed {
		attrs = append(attrs, slog.String("endorsement", e.Name.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	logger.LogAttrs(context.Background(), level, message, attrs...)
}

// levelOf says how much an operator cares that an endorsement was refused.
func levelOf(err error) slog.Level {
	switch evidence.CodeOf(err) {
	case evidence.CodeEndorsementNotAuthentic, evidence.CodeEndorsementRolledBack, evidence.CodeEndorsementStore, evidence.CodeEndorsementStale:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// prewarm has the store fetch what the machines need that attested lately, before
// they come again.
func (d *Daemon) prewarm(ctx context.Context, asked []collateral.Vendor) error {
	return d.ledger.RecentClaims(ctx, d.now().Add(-prewarmSpan), func(c evidence.Claims) {
		for _, v := range asked {
			d.collateral.Want(v.Endorser.Needs(c)...)
		}
	})
}

// endorsements returns what the operator gave and what was fetched.
func (d *Daemon) endorsements() *tee.Endorsements {
	return d.current.Load().endorsements.Over(d.collateral.Endorsements())
}

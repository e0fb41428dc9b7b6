package daemon

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/tokens"
	"github.com/quotary/quotary/verifier"
)

// Authority says how the trust domain's authorities succeed each other.
type Authority struct {
	// LifeDays is the life of issuing CAs that are made, in days: 1 to 1825. Defaults to 730.
	LifeDays *int `yaml:"life_days"`
	// SVIDHours bounds the life of certificates, whatever a policy says, in hours: 1 to
	// 24, and a sixth of an issuing CA's life at most. Defaults to 24.
	SVIDHours *int `yaml:"svid_hours"`
	// Rotation says who prepares, activates and retires authorities: "automatic", by
	// their age, or "manual", by quotaryd ca alone. Defaults to automatic.
	Rotation string `yaml:"rotation"`
	// AttestationResults has each certificate carry the attestation result (EAR) that it
	// rests on, for whoever looks at it: measurements and the policy's digest. Defaults to false.
	AttestationResults bool `yaml:"attestation_results"`
	// Keys says where private keys are made.
	Keys Keys `yaml:"keys"`
	// CRLURL has each certificate say where the revocation list of its issuer is: below this URL,
	// which leads to /v1/crl of the service. Defaults to none.
	CRLURL string `yaml:"crl_url"`
	// OCSPURL has each certificate say where questions about it are answered: at this URL, which leads
	// to /v1/ocsp of the service. Defaults to none.
	OCSPURL string `yaml:"ocsp_url"`
}

// What Rotation may be.
const (
	rotationAutomatic = "automatic"
	rotationManual    = "manual"
)

func (c Authority) check() error {
	if days := c.LifeDays; days != nil && (*days < 1 || *days > maxAuthorityDays) {
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.life_days", "%d is not between 1 and %d", *days, maxAuthorityDays)
	}
	if hours := c.SVIDHours; hours != nil && (*hours < 1 || *hours > maxSVIDHours) {
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.svid_hours", "%d is not between 1 and %d", *hours, maxSVIDHours)
	}
	if err := c.Keys.check(); err != nil {
		return err
	}
	if c.Rotation != "" && c.Rotation != rotationAutomatic && c.Rotation != rotationManual {
		return evidence.Errorf(evidence.CodeConfigMalformed, "authority.rotation", "%q is neither %q nor %q", c.Rotation, rotationAutomatic, rotationManual)
	}
	return errors.Join(ca.CheckListURL(c.CRLURL), ca.CheckResponderURL(c.OCSPURL))
}

// config is what package ca makes of it.
func (c Authority) config(data, trustDomain string, now func() time.Time) ca.Config {
	out := ca.Config{Dir: filepath.Join(data, authorityDir), TrustDomain: trustDomain, ListURL: c.CRLURL, ResponderURL: c.OCSPURL, Now: now}
	if c.LifeDays != nil {
		out.Life = time.Duration(*c.LifeDays) * 24 * time.Hour
	}
	if c.SVIDHours != nil {
		out.MaxTTL = time.Duration(*c.SVIDHours) * time.Hour
	}
	return out
}

// OpenSlots returns the authorities of a data directory for an operator's changes.
// The service may run meanwhile, and goes by a change a few seconds later. The trust
// domain is that which the first start has fixed.
func OpenSlots(data string, c Config) (*ca.Slots, error) {
	if err := c.Authority.check(); err != nil {
		return nil, err
	}
	trustDomain, err := admin.TrustDomainOf(filepath.Join(data, authorityDir, "root.crt"))
	if err != nil {
		return nil, err
	}
	config := c.Authority.config(data, trustDomain, nil)
	if config.Keys, err = OpenKeys(c); err != nil {
		return nil, err
	}
	return ca.OpenSlots(config, ca.Operator)
}

// openAuthority opens the authority and records what became of it while no service
// ran. One that came to its end meanwhile is succeeded first.
func (d *Daemon) openAuthority(ctx context.Context, o Options, reserved []crypto.PublicKey) error {
	c := d.Config.Authority.config(o.Data, d.Config.TrustDomain, o.Now)
	c.Reserved, c.Keys = reserved, d.keys
	if d.Config.Authority.AttestationResults {
		c.AttestationResult = d.attestationResult
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "root.crt")); err == nil && d.Config.Authority.Rotation != rotationManual {
		slots, err := ca.OpenSlots(c, ca.Service)
		if err != nil {
			return err
		}
		if _, err := slots.Advance(); err != nil {
			d.authorityFault(err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) && err != nil {
		return err
	}
	var err error
	if d.authority, err = ca.Open(c); err != nil {
		return err
	}
	d.FirstStart = d.authority.Created()
	d.noteKeys()
	head, err := d.ledger.Head(ctx)
	if err != nil {
		return err
	}
	if head.Seq == 0 && !d.FirstStart {
		d.logger.Warn("the ledger is empty, but the authority is not new: what it issued before is not on record here", "ledger", LedgerPath(o.Data))
	}
	unrecorded, err := d.unrecorded(ctx, d.authority.Changes())
	if err != nil {
		return err
	}
	return d.noteChanges(ctx, unrecorded)
}

// attestationResult is what a certificate on result carries.
func (d *Daemon) attestationResult(result verifier.Result) ([]byte, error) {
	token, err := d.issuer.Issue(result, tokens.Options{Audience: d.Config.TrustDomain, Formats: []tokens.Format{tokens.FormatCWT}})
	if err != nil {
		return nil, err
	}
	return token.CMW()
}

// actionAuthority is the action of an event about the authorities.
const actionAuthority = "authority"

// unrecorded are the changes that the ledger does not have.
func (d *Daemon) unrecorded(ctx context.Context, changes []ca.Change) ([]ca.Change, error) {
	last, err := d.ledger.Events(ctx, store.EventFilter{Action: actionAuthority, Limit: 1})
	if err != nil || len(last) == 0 {
		return changes, err
	}
	var recorded ca.Change
	if err := json.Unmarshal(last[0].Detail, &recorded); err != nil {
		return nil, err
	}
	if n := recorded.Number; n >= 1 && n <= len(changes) && changes[n-1] == recorded {
		return changes[n:], nil
	}
	return changes, nil // they are another authority's
}

// noteChanges records changes of the authorities, before they are in force.
func (d *Daemon) noteChanges(ctx context.Context, changes []ca.Change) error {
	for _, c := range changes {
		detail, err := json.Marshal(c)
		if err != nil {
			return err
		}
		event := store.Event{Time: d.now(), Actor: string(c.By), Action: actionAuthority, Outcome: store.Done, Detail: detail}
		if err := d.ledger.Record(ctx, store.Entry{Event: event}); err != nil {
			return err
		}
		d.logger.Info(actionAuthority, "step", c.Step, "authority", c.Authority, "root_sha256", c.Root, "sequence", c.Sequence, "by", c.By)
	}
	return nil
}

// watchAuthority keeps the authorities until ctx ends.
func (d *Daemon) watchAuthority(ctx context.Context) {
	ticker := time.NewTicker(authorityInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			d.keepAuthority(ctx)
		}
	}
}

// keepAuthority makes the changes that are due, and puts in force those that were
// made, by the service or an operator. Revocation lists follow.
func (d *Daemon) keepAuthority(ctx context.Context) {
	var err error
	if d.Config.Authority.Rotation != rotationManual {
		_, err = d.authority.Slots().Advance()
	}
	refreshed := d.authority.Refresh(func(changes []ca.Change) error { return d.noteChanges(ctx, changes) })
	d.authorityFault(errors.Join(err, refreshed, d.revocations.Keep(ctx)))
	d.noticeRootLists()
}

// authorityFault logs a fault when it begins and when it ends, not each time.
func (d *Daemon) authorityFault(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if last := d.fault.Swap(&text); last != nil && *last == text || last == nil && err == nil {
		return
	}
	if err != nil {
		d.logger.Error("the authorities cannot be kept; docs/operations.md (Authorities) says what to do", "cause", text, "code", evidence.CodeOf(err).String())
	} else {
		d.logger.Info("the authorities are in order again")
	}
}

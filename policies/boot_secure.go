package policies

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// secureBoot is what is asked of UEFI secure boot: that it was enabled, and of
// its keys what is listed. Nil lists ask nothing more.
type secureBoot struct {
	pk, kek, db *values // nothing but these certificates
	dbx         *revoked
}

// revoked is what dbx must hold at least.
type revoked struct {
	hashes, certificates *values // all of them
	entries              uint64  // how many
}

// secureBoot reads required, or {pk, kek, db, dbx}, which requires it too.
func (b bootReader) secureBoot(n *yaml.Node) *secureBoot {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		b.word(n, "boot.secure_boot", []string{bitRequired})
		return &secureBoot{}
	}
	f := b.mapping(n, "boot.secure_boot")
	list := func(f *fields, key, path string) *values {
		return b.readValues(b.source, f.take(key), b.layout.spec(listSecureBoot+path))
	}
	q := &secureBoot{pk: list(f, "pk", "pk"), kek: list(f, "kek", "kek"), db: list(f, "db", "db")}
	if dbx := b.mapping(f.take("dbx"), "boot.secure_boot.dbx"); dbx != nil {
		q.dbx = &revoked{hashes: list(dbx, "hashes", "dbx.hashes"), certificates: list(dbx, "certificates", "dbx.certificates")}
		if n := dbx.take("minimum_entries"); n != nil {
			q.dbx.entries = b.positive(n, "boot.secure_boot.dbx.minimum_entries")
		}
		if len(dbx.values) == 0 {
			b.problem(dbx.at, evidence.CodePolicyMissingKey, "boot.secure_boot.dbx needs hashes, certificates or minimum_entries")
		}
		dbx.done()
	}
	if len(f.values) == 0 {
		b.problem(n, evidence.CodePolicyMissingKey, "boot.secure_boot is empty; write required, or list certificates")
	}
	f.done()
	return q
}

// judge holds the state of secure boot against the requirement.
func (q *secureBoot) judge(v *bootView) {
	if q == nil {
		return
	}
	registers := v.layout.secureBoot
	v.ask(evidence.CodePolicyBootSecureBoot, "secure boot enabled, with keys", registers, func() finding { return v.secureState() })
	for _, list := range []struct {
		code   evidence.Code
		wanted *values
		db     func(*evidence.SecureBootClaims) *evidence.SignatureDatabase
	}{
		{evidence.CodePolicyBootPK, q.pk, func(c *evidence.SecureBootClaims) *evidence.SignatureDatabase { return &c.PK }},
		{evidence.CodePolicyBootKEK, q.kek, func(c *evidence.SecureBootClaims) *evidence.SignatureDatabase { return &c.KEK }},
		{evidence.CodePolicyBootDB, q.db, func(c *evidence.SecureBootClaims) *evidence.SignatureDatabase { return &c.DB }},
	} {
		if list.wanted == nil {
			continue
		}
		v.ask(list.code, "nothing but "+list.wanted.want, registers, func() finding {
			if v.claims.SecureBoot == nil {
				return unsettled
			}
			return v.certificates(list.db(v.claims.SecureBoot), list.wanted)
		})
	}
	if q.dbx != nil {
		v.ask(evidence.CodePolicyBootDBX, q.dbx.want(), registers, func() finding { return q.dbx.find(v) })
	}
}

// secureState says whether secure boot keeps out what its keys do not vouch for.
func (v *bootView) secureState() finding {
	c := v.claims.SecureBoot
	isTrue := func(b *bool) bool { return b != nil && *b }
	has := func(db *evidence.SignatureDatabase) bool {
		return len(db.Certificates)+len(db.Hashes) > 0 || db.Others > 0
	}
	switch {
	case c == nil:
		return unsettled
	case c.Enabled == nil:
		return wrong("the firmware has no secure boot")
	case !*c.Enabled:
		return wrong("not enabled")
	case c.SetupMode || !has(&c.PK):
		return wrong("setup mode: there is no platform key")
	case isTrue(c.AuditMode):
		return wrong("audit mode: what nobody signed runs all the same")
	case isTrue(c.FirmwareDebugger):
		return wrong("the firmware can be debugged")
	case !has(&c.KEK) || !has(&c.DB):
		return wrong("no keys in KEK or db")
	case v.claims.ShimInsecure == nil:
		return wrong("what shim was told may be among events that the log does not explain")
	case *v.claims.ShimInsecure:
		return wrong("shim was told to verify nothing of what it loads")
	}
	return finding{ok: true, text: "enabled"}
}

// certificates reports whether a database holds listed certificates and nothing else.
func (v *bootView) certificates(db *evidence.SignatureDatabase, wanted *values) finding {
	if len(db.Certificates) == 0 {
		return wrong("no certificates")
	}
	if len(db.Hashes)+len(db.RevokedCertificates) > 0 || db.Others > 0 {
		return wrong("entries that are no certificates")
	}
	for _, certificate := range db.Certificates {
		if found := v.listed(certificate, wanted); !found.ok {
			return found
		}
	}
	return finding{ok: true, text: "as listed"}
}

func (q *revoked) want() string {
	var parts []string
	if q.hashes != nil {
		parts = append(parts, "all listed hashes")
	}
	if q.certificates != nil {
		parts = append(parts, "all listed certificates")
	}
	if q.entries > 0 {
		parts = append(parts, "at least "+strconv.FormatUint(q.entries, 10)+" entries")
	}
	return join(parts)
}

// find reports whether dbx holds what it must. Entries that it has twice count once.
func (q *revoked) find(v *bootView) finding {
	if v.claims.SecureBoot == nil {
		return unsettled
	}
	db := &v.claims.SecureBoot.DBX
	hashes, certificates, others := newDigests(db.Hashes), newDigests(db.Certificates), newDigests(db.RevokedCertificates)
	for _, list := range []struct {
		wanted *values
		have   digests
	}{{q.hashes, hashes}, {q.certificates, certificates}} {
		if missing := v.lacks(list.have, list.wanted); !missing.ok {
			return missing
		}
	}
	if n := uint64(len(hashes) + len(certificates) + len(others)); n < q.entries {
		return wrong(strconv.FormatUint(n, 10) + " entries")
	}
	return finding{ok: true, text: "as asked"}
}

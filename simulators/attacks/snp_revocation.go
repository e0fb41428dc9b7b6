package attacks

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators"
)

// snpRevocationRows lie about what is revoked. What they revoke is nobody's but the
// attacker's.
func snpRevocationRows() []Row {
	revoked := func(name string, lists ...list) Case {
		return Case{Name: name, Subject: snpSpared, Want: codes(evidence.CodeSNPRevocation), Try: minted(mint{issuer: sparedASK, lists: lists})}
	}
	names := list{number: 5, names: []int64{sparedSerial}}
	clean := list{number: 9}
	return []Row{
		{"S32", "revoked issuer", []Case{
			revoked("the signing key", names),
			{
				Name: "the key itself", Subject: snpSpared, Want: codes(evidence.CodeSNPRevocation),
				Try: minted(mint{
					issuer: sparedASK, lists: []list{{number: 5, names: []int64{0x777}}},
					edit: func(c *x509.Certificate) { c.SerialNumber = big.NewInt(0x777) },
				}),
			},
			{
				Name: "the signing key of providers", Subject: snpSparedProvider, Want: codes(evidence.CodeSNPRevocation), Behind: codes(evidence.CodePolicySNPRevocation),
				Try: minted(mint{csp: snpCSP, issuer: sparedASVK, lists: []list{names}}),
			},
		}},
		{"S33", "list out of its time, or rolled back", append([]Case{
			revoked("a newer list without the entry behind", names, clean),
			revoked("a newer list without the entry before", clean, names),
			revoked("the list with the entry has expired", list{number: 5, names: []int64{sparedSerial}, from: -48 * time.Hour, until: -24 * time.Hour}),
			revoked("a list of the future without the entry", names, list{number: 12, from: time.Hour, until: 24 * time.Hour}),
		}, unlisted("expired", list{number: 5, from: -48 * time.Hour, until: -time.Minute}), unlisted("of the future", list{number: 5, from: time.Hour, until: 24 * time.Hour}))},
		{"S34", "forged list", append(forgedLists(),
			unlisted("by an intruder's key", list{number: 99, forged: true}),
			unlisted("of limited scope", list{number: 99, edit: func(t *x509.RevocationList) {
				t.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}
			}}),
			unlisted("signed in another way", list{number: 99, edit: func(t *x509.RevocationList) { t.SignatureAlgorithm = x509.SHA384WithRSA }}))},
		{"S35", "no list", []Case{unlisted("none at all")}},
	}
}

// list says what a revocation list of the root's is to say. It is valid now unless it
// says otherwise.
type list struct {
	number      int64
	names       []int64 // serial numbers
	from, until time.Duration
	forged      bool // signed by an intruder's key
	edit        func(template *x509.RevocationList)
}

func (l list) make(w *simulators.World) (*x509.RevocationList, error) {
	if l.from == 0 && l.until == 0 {
		l.from, l.until = -time.Minute, 24*time.Hour
	}
	now := w.Now()
	template := &x509.RevocationList{
		SignatureAlgorithm: x509.SHA384WithRSAPSS, Number: big.NewInt(l.number), ThisUpdate: now.Add(l.from), NextUpdate: now.Add(l.until),
	}
	for _, serial := range l.names {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(serial), RevocationTime: template.ThisUpdate})
	}
	if l.edit != nil {
		l.edit(template)
	}
	by := w.SEVSNP.ARK()
	if l.forged {
		var err error
		if by, err = selfMadeRoot(w.SEVSNP, plainNames); err != nil {
			return nil, err
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, by.Certificate, by.Key)
	if err != nil {
		return nil, err
	}
	return x509.ParseRevocationList(der)
}

// encoded makes lists to be sent along.
func encoded(w *simulators.World, lists []list) ([][]byte, error) {
	var all [][]byte
	for _, l := range lists {
		made, err := l.make(w)
		if err != nil {
			return nil, err
		}
		all = append(all, made.Raw)
	}
	return all, nil
}

// stapled attests as the honest machine does, with lists sent along.
func stapled(lists ...list) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		encoded, err := encoded(a.World(), lists)
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Endorsements: encoded})
	}
}

// forgedLists name the honest machine's issuer, and must harm nobody.
func forgedLists() []Case {
	forged := func(w *simulators.World) list {
		return list{number: 99, forged: true, names: []int64{w.SEVSNP.ASK().Certificate.SerialNumber.Int64()}}
	}
	return []Case{
		{
			Name: "names an honest machine's issuer", Subject: snpPlain, Proof: ByAcceptance,
			Try: func(ctx context.Context, a *Attacker) (Got, error) { return stapled(forged(a.World()))(ctx, a) },
		},
		{
			Name: "stays with the service", Subject: snpPlain, Proof: ByAcceptance,
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				if _, err := stapled(forged(a.World()))(ctx, a); err != nil {
					return Got{}, err
				}
				return a.Honest(ctx)
			},
		},
	}
}

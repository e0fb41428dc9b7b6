package tdx

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quotary/quotary/tee"
)

// Channel is one of the two in which Intel publishes what follows a TCB recovery
// event: at once, or when the ecosystem has had time to update.
type Channel string

// The channels, as requests name them.
const (
	Standard Channel = "standard"
	Early    Channel = "early"
)

// publications are what a vendor has published, revoked and rotated.
type publications struct {
	vendor *Vendor

	mu         sync.Mutex // guards what follows
	signer     Issuer
	rotations  int
	infos      map[string][]published[TCBInfo] // by FMSPC, in upper-case hex
	identities []published[QEIdentity]
	revoked    map[string][]*big.Int // serial numbers, by DER issuer
}

// published is an issue of a document.
type published[T any] struct {
	channel Channel
	number  int
	content T
}

// edition says which issue is asked for: the newest of a channel, or where there
// is a number, that one.
type edition struct {
	channel Channel
	number  int
}

// PublishTCBInfo makes a TCB info the one that a channel hands out for its FMSPC.
// On the early channel, it is that with the higher evaluation data number of both
// channels'. Dates are those of the answer.
func (p *publications) PublishTCBInfo(on Channel, info TCBInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.infos == nil {
		p.infos = map[string][]published[TCBInfo]{}
	}
	fmspc := strings.ToUpper(info.FMSPC)
	p.infos[fmspc] = append(p.infos[fmspc], published[TCBInfo]{on, info.TCBEvaluationDataNumber, info})
}

// PublishQEIdentity does the same for the quoting enclave's identity.
func (p *publications) PublishQEIdentity(on Channel, id QEIdentity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identities = append(p.identities, published[QEIdentity]{on, id.TCBEvaluationDataNumber, id})
}

// Revoke puts a certificate on the revocation list of its issuer, which has the
// next number from then on.
func (p *publications) Revoke(cert *x509.Certificate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.revoked == nil {
		p.revoked = map[string][]*big.Int{}
	}
	issuer := string(cert.RawIssuer)
	p.revoked[issuer] = append(p.revoked[issuer], cert.SerialNumber)
}

// RotateSigning has documents signed by another TCB signing certificate, with
// another key, from now on.
func (p *publications) RotateSigning() Issuer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rotations++
	label := fmt.Sprintf("signing %d", p.rotations)
	template := p.vendor.LeafTemplate(NameSigning)
	template.SerialNumber = p.vendor.Serial(label)
	p.signer = p.vendor.issuer(template, label)
	return p.signer
}

// Collateral returns what the services hand out now, on the standard channel.
func (p *publications) Collateral() Collateral {
	p.mu.Lock()
	fmspcs, signer := slices.Sorted(maps.Keys(p.infos)), p.signer
	p.mu.Unlock()
	v := p.vendor
	c := Collateral{Certificates: []*x509.Certificate{v.Root.Certificate, v.Platform.Certificate, v.Processor.Certificate, signer.Certificate}}
	for _, issuer := range []Issuer{v.Root, v.Platform, v.Processor} {
		c.CRLs = append(c.CRLs, p.list(issuer))
	}
	standard := edition{channel: Standard}
	for _, fmspc := range fmspcs {
		if info, status := p.tcbInfo(fmspc, standard); status == statusOK {
			info.IssueDate, info.NextUpdate = p.dates()
			raw, _ := p.sign("tcbInfo", info)
			c.Documents = append(c.Documents, tee.Document{Type: tee.DocumentTCBInfo, Key: strings.ToLower(fmspc), Raw: raw})
		}
	}
	if id, status := p.qeIdentity(standard); status == statusOK {
		id.IssueDate, id.NextUpdate = p.dates()
		raw, _ := p.sign("enclaveIdentity", id)
		c.Documents = append(c.Documents, tee.Document{Type: tee.DocumentQEIdentity, Key: id.ID, Raw: raw})
	}
	return c
}

// dates are those of what is issued now.
func (p *publications) dates() (issued, nextUpdate time.Time) {
	issued = p.vendor.issued()
	return issued, issued.Add(validity)
}

func (p *publications) tcbInfo(fmspc string, e edition) (TCBInfo, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pick(p.infos[fmspc], e)
}

func (p *publications) qeIdentity(e edition) (QEIdentity, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pick(p.identities, e)
}

// pick returns the issue that is asked for, and the status of the answer.
func pick[T any](all []published[T], e edition) (T, int) {
	var current, numbered published[T] // zero: none
	for _, issue := range all {
		if issue.number == e.number {
			numbered = issue
		}
		take := issue.channel == Standard
		if e.channel == Early {
			take = issue.number >= current.number
		}
		if take {
			current = issue
		}
	}
	switch {
	case e.number == 0 && current.number > 0:
		return current.content, statusOK
	case numbered.number > 0:
		return numbered.content, statusOK
	case e.number > 0 && e.number < current.number:
		return current.content, statusGone
	}
	return current.content, statusNotFound
}

// sign signs a document by the current TCB signing certificate.
func (p *publications) sign(member string, body any) ([]byte, Issuer) {
	p.mu.Lock()
	signer := p.signer
	p.mu.Unlock()
	return SignDocument(member, must(json.Marshal(body)), signer.Key), signer
}

// list returns an issuer's revocation list.
func (p *publications) list(issuer Issuer) *x509.RevocationList {
	p.mu.Lock()
	revoked := p.revoked[string(issuer.Certificate.RawSubject)]
	p.mu.Unlock()
	return p.vendor.numberedCRL(int64(1+len(revoked)), issuer, revoked)
}

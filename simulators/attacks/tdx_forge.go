package attacks

import (
	"context"
	"crypto/x509"
	"fmt"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/tdx"
)

// domain is the honest trust domain of the case's subject.
func (a *Attacker) domain() (domain, error) {
	d, ok := a.Machine().(domain)
	if !ok {
		return d, fmt.Errorf("the subject %q is no trust domain", a.subject.Name)
	}
	return d, nil
}

// quoted attests with the evidence that quote makes with the honest trust domain.
func quoted(quote func(a *Attacker, d domain, data [64]byte) (*evidence.TDX, error)) try {
	return quotedWith(nil, quote)
}

// quotedWith is quoted with endorsements sent along.
func quotedWith(endorsements [][]byte, quote func(a *Attacker, d domain, data [64]byte) (*evidence.TDX, error)) try {
	return func(ctx context.Context, a *Attacker) (Got, error) {
		d, err := a.domain()
		if err != nil {
			return Got{}, err
		}
		return a.Attest(ctx, Attempt{Endorsements: endorsements, Evidence: func(_ context.Context, binding evidence.Binding) (evidence.Bundle, error) {
			item, err := quote(a, d, binding)
			if err != nil {
				return nil, err
			}
			return evidence.NewBundle(item)
		}})
	}
}

// reported attests with a trust domain that is the honest one but for a change, on the
// same platform.
func reported(change func(*tdx.MachineOptions)) try {
	return quoted(func(a *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
		o := d.options
		change(&o)
		return a.World().TDX.NewMachine(o).Item(data), nil
	})
}

// requoted attests with the honest quote after alter, signed again by the keys in it.
func requoted(alter func(a *Attacker, p *tdx.Parts)) try {
	return quoted(func(a *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
		item := d.Item(data)
		p := d.Parts(data)
		alter(a, p)
		item.Quote = p.Assemble()
		return item, nil
	})
}

// rewrittenQuote attests with the honest quote after edit, as it then is.
func rewrittenQuote(edit func(quote []byte) []byte) try {
	return quoted(func(_ *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
		item := d.Item(data)
		item.Quote = edit(item.Quote)
		return item, nil
	})
}

// chained attests with the honest quote under other certificates.
func chained(chain func(a *Attacker, d domain) []*x509.Certificate) try {
	return quoted(func(a *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
		p := d.Parts(data)
		p.Chain = tdx.EncodeChain(chain(a, d)...)
		return &evidence.TDX{Quote: p.Assemble()}, nil
	})
}

// logged attests with the honest quote beside another event log.
func logged(edit func(d domain, log []byte) []byte) try {
	return quoted(func(_ *Attacker, d domain, data [64]byte) (*evidence.TDX, error) {
		item := d.Item(data)
		item.EventLog = edit(d, item.EventLog)
		return item, nil
	})
}

// behind is a case that a second check would refuse if the first did not.
func behind(second evidence.Code, c Case) Case {
	c.Behind = append(c.Behind, second)
	return c
}

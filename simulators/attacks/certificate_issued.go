package attacks

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// issuedRows look at what an honest machine is issued, and find fault with it.
func issuedRows() []Row {
	look := func(id, title, name string, find func(*Attacker, []*x509.Certificate) []string) Row {
		return Row{id, title, []Case{{
			Name: name, Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused",
			Try: func(ctx context.Context, a *Attacker) (Got, error) {
				g, err := a.grant(ctx, nil)
				if err != nil {
					return Got{}, err
				}
				chain, err := chainOf(g)
				if err != nil {
					return Got{}, err
				}
				return Got{Accepted: true, Faults: find(a, chain)}, nil
			},
		}}}
	}
	return []Row{
		{"A11", "serial numbers", []Case{{
			Name: "two certificates", Subject: snpPlain, Proof: ByAcceptance, Why: "nothing is refused", Try: unlikeSerials,
		}}},
		look("A22", "misshapen certificate", "its profile", func(a *Attacker, chain []*x509.Certificate) []string {
			return faultsOfSVID(chain[0], a.TrustDomain())
		}),
		look("A23", "certificate that tells of the machine", "its bytes", func(a *Attacker, chain []*x509.Certificate) []string {
			m, err := a.snpMachine()
			if err != nil {
				return []string{err.Error()}
			}
			var faults []string
			for what, value := range map[string][]byte{"processor": m.Template.ChipID[:], "measurement": m.Template.Measurement[:]} {
				if bytes.Contains(chain[0].Raw, value) || bytes.Contains(chain[0].Raw, fmt.Appendf(nil, "%x", value)) {
					faults = append(faults, "it tells the "+what)
				}
			}
			return faults
		}),
		look("A24", "stolen issuing key", "the issuing authority's constraints", func(a *Attacker, chain []*x509.Certificate) []string {
			return faultsOfIssuer(chain, a.TrustDomain())
		}),
	}
}

// chainOf parses the certificates that were granted.
func chainOf(g granted) (chain []*x509.Certificate, err error) {
	for block, rest := pem.Decode([]byte(g.SVID.Certificates)); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, errors.New("no certificate was granted")
	}
	return chain, nil
}

// unlikeSerials attests twice.
func unlikeSerials(ctx context.Context, a *Attacker) (Got, error) {
	var serials []string
	for range 2 {
		g, err := a.grant(ctx, nil)
		if err != nil {
			return Got{}, err
		}
		chain, err := chainOf(g)
		if err != nil {
			return Got{}, err
		}
		serials = append(serials, fmt.Sprintf("%040x", chain[0].SerialNumber))
	}
	got := Got{Accepted: true}
	if serials[0][8:16] == serials[1][8:16] || serials[0][32:] == serials[1][32:] {
		got.fault(fmt.Sprintf("%s and %s are alike", serials[0], serials[1]))
	}
	return got, nil
}

// faultsOfSVID are what is wrong with a leaf (SPIFFE X509-SVID §4, §5).
func faultsOfSVID(leaf *x509.Certificate, trustDomain string) []string {
	var faults []string
	judge := func(ok bool, fault string) {
		if !ok {
			faults = append(faults, fault)
		}
	}
	judge(len(leaf.URIs) == 1 && leaf.URIs[0].Host == trustDomain && len(leaf.URIs[0].Path) > 1, "it has not one identity in the trust domain")
	judge(!leaf.IsCA, "it is an authority")
	judge(leaf.KeyUsage&^(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment) == 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature != 0, "its key has other uses than signing")
	judge(slices.Equal(sorted(leaf.ExtKeyUsage), []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}) && len(leaf.UnknownExtKeyUsage) == 0, "its extended uses are not those of servers and clients")
	judge(len(leaf.EmailAddresses) == 0 && len(leaf.IPAddresses) == 0, "it has names that policy does not give")
	judge(leaf.SerialNumber.Sign() > 0 && leaf.SerialNumber.BitLen() >= 64, "its serial number is short")
	return faults
}

func sorted(list []x509.ExtKeyUsage) []x509.ExtKeyUsage { return slices.Sorted(slices.Values(list)) }

// faultsOfIssuer are what an issuing authority could do that it should not.
func faultsOfIssuer(chain []*x509.Certificate, trustDomain string) []string {
	if len(chain) < 2 {
		return []string{"the root itself issues leaves"}
	}
	issuer := chain[1]
	var faults []string
	if !issuer.MaxPathLenZero {
		faults = append(faults, "it can make authorities")
	}
	if !slices.Equal(issuer.PermittedURIDomains, []string{trustDomain}) || !issuer.PermittedDNSDomainsCritical {
		faults = append(faults, "it can make identities of other trust domains")
	}
	if slices.Contains(issuer.ExtKeyUsage, x509.ExtKeyUsageAny) || len(issuer.ExtKeyUsage) == 0 {
		faults = append(faults, "its certificates can be for any use")
	}
	return faults
}

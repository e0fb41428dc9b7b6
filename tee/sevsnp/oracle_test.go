package sevsnp_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
	pb "github.com/google/go-sev-guest/proto/sevsnp"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/sevsnp"
)

// The oracle is an independent implementation. It insists on AMD's own names, so
// that what it shall judge is issued by a laboratory: a PKI with these names under
// a root that is the tests' own.

// laboratory has issuers for Milan.
type laboratory struct {
	ark, ask, asvk *simulator.Issuer
	verifier       *sevsnp.Verifier
}

func amdName(commonName string) pkix.Name {
	return pkix.Name{
		Country: []string{"US"}, Locality: []string{"Santa Clara"}, Province: []string{"CA"},
		Organization: []string{"Advanced Micro Devices"}, OrganizationalUnit: []string{"Engineering"}, CommonName: commonName,
	}
}

var lab = sync.OnceValue(func() *laboratory {
	asvk, err := forger().ASVK()
	if err != nil {
		panic(err)
	}
	authority := func(key *simulator.Issuer, by *simulator.Issuer, name string, link abi.ReportSigner) *simulator.Issuer {
		cert := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: amdName(name), NotBefore: start, NotAfter: start.AddDate(20, 0, 0),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			CRLDistributionPoints: []string{kds.CrlLinkByKey("Milan", link)},
		}
		if by == nil {
			by = &simulator.Issuer{Certificate: cert, Key: key.Key}
		}
		issued, err := by.Issue(cert, key.Key.Public())
		if err != nil {
			panic(err)
		}
		return &simulator.Issuer{Certificate: issued, Key: key.Key}
	}
	l := &laboratory{ark: authority(forger().ARK(), nil, "ARK-Milan", abi.VcekReportSigner)}
	l.ask = authority(forger().ASK(), l.ark, "SEV-Milan", abi.VcekReportSigner)
	l.asvk = authority(asvk, l.ark, "SEV-VLEK-Milan", abi.VlekReportSigner)
	if l.verifier, err = sevsnp.New(tee.Anchor{DER: l.ark.Certificate.Raw, Origin: evidence.OriginSimulated}); err != nil {
		panic(err)
	}
	return l
})

// specimen is what both implementations judge: a report with its key's certificate.
type specimen struct {
	report []byte
	leaf   *x509.Certificate
	at     time.Time
}

// machine is a key of the laboratory's with what its report and certificate say.
type machine struct {
	keyed
	report   *simulator.Report
	template *x509.Certificate
	issuer   *simulator.Issuer
	leaf     *x509.Certificate
}

// newSpecimen signs what the machine reports after edit.
func (m machine) newSpecimen(tb testing.TB, edit func(raw []byte)) specimen {
	tb.Helper()
	raw := m.report.Marshal()
	if edit != nil {
		edit(raw)
	}
	raw, err := simulator.SignReport(m.PrivateKey, raw)
	if err != nil {
		tb.Fatal(err)
	}
	return specimen{raw, m.leaf, now}
}

// newLabMachine makes a machine with a VCEK; change edits both what it reports and
// what its certificate says.
func newLabMachine(tb testing.TB, change func(*machine)) machine {
	tb.Helper()
	m := machine{keyed: newKey(tb), report: milan().Report("laboratory"), issuer: lab().ask}
	m.template = milan().VCEKTemplate(m.report.ChipID, m.report.ReportedTCB)
	m.template.Subject = amdName("SEV-VCEK")
	if change != nil {
		change(&m)
	}
	m.leaf = issue(tb, m.issuer, m.template, m.Public())
	return m
}

// ours judges a specimen by this package.
func (s specimen) ours() tee.Outcome {
	e := &tee.Endorsements{}
	for _, cert := range []*x509.Certificate{lab().ask.Certificate, lab().asvk.Certificate, s.leaf} {
		e.AddCertificate(cert)
	}
	return lab().verifier.Verify(&evidence.SNP{Report: s.report}, e, tee.Params{Now: s.at})
}

// theirs judges it by the oracle, under the laboratory's root.
func (s specimen) theirs() (*pb.Report, error) {
	root := trust.AMDRootCertsProduct("Milan")
	root.ProductCerts = &trust.ProductCerts{Ark: lab().ark.Certificate, Ask: lab().ask.Certificate, Asvk: lab().asvk.Certificate}
	return oracle(s.report, s.leaf, s.at, map[string][]*trust.AMDRootCerts{"Milan": {root}})
}

// oracle verifies and validates a report, with everything permitted that a policy
// could permit. What it makes of certificates that
// it cannot read is an error, also where it does not return.
func oracle(raw []byte, leaf *x509.Certificate, at time.Time, roots map[string][]*trust.AMDRootCerts) (report *pb.Report, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if err := abi.ValidateReportFormat(raw); err != nil {
		return nil, err
	}
	if report, err = abi.ReportToProto(raw); err != nil {
		return nil, err
	}
	chain := &pb.CertificateChain{}
	if leaf.Subject.CommonName == "SEV-VLEK" {
		chain.VlekCert = leaf.Raw
	} else {
		chain.VcekCert = leaf.Raw
	}
	attestation := &pb.Attestation{Report: report, CertificateChain: chain}
	if err := verify.SnpAttestation(attestation, &verify.Options{DisableCertFetching: true, Now: at, TrustedRoots: roots}); err != nil {
		return report, err
	}
	return report, validate.SnpAttestation(attestation, &validate.Options{
		GuestPolicy:               abi.SnpPolicy{MigrateMA: true, Debug: true, SMT: true, CXLAllowed: true},
		PermitProvisionalFirmware: true,
	})
}

// amdRoots are AMD's, for VCEKs and VLEKs.
func amdRoots(tb testing.TB) map[string][]*trust.AMDRootCerts {
	tb.Helper()
	roots := map[string][]*trust.AMDRootCerts{}
	for line, chains := range map[string][2][]byte{
		"Milan": {trust.AskArkMilanVcekBytes, trust.AskArkMilanVlekBytes}, "Genoa": {trust.AskArkGenoaVcekBytes, trust.AskArkGenoaVlekBytes},
	} {
		for _, chain := range chains {
			root := trust.AMDRootCertsProduct(line)
			if err := root.FromKDSCertBytes(chain); err != nil {
				tb.Fatal(err)
			}
			roots[line] = append(roots[line], root)
		}
	}
	return roots
}

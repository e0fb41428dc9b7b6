package tdx

import (
	"crypto/x509"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulated "github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// names writes names as text.
func names(all []tee.EndorsementName) []string {
	var text []string
	for _, name := range all {
		text = append(text, name.String())
	}
	return text
}

// Names of what verifying a quote of the default machine draws on.
const (
	ofRootCRL  = "root-crl intel-sgx-root"
	ofPCKCRL   = "pck-crl platform"
	ofSigner   = "tcb-signing-chain intel-sgx-tcb-signing"
	ofTCBInfo  = "tcb-info 53494d544458"
	ofIdentity = "qe-identity TD_QE"
)

// TestMissing: absent collateral leaves the verdict open and is named, what other
// parts of it rest on first.
func TestMissing(t *testing.T) {
	for name, c := range map[string]struct {
		drop func(*simulated.Collateral)
		want []string
	}{
		"TCB info":      {func(c *simulated.Collateral) { c.Documents = c.Documents[1:] }, []string{ofTCBInfo}},
		"QE identity":   {func(c *simulated.Collateral) { c.Documents = c.Documents[:1] }, []string{ofIdentity}},
		"root CRL":      {func(c *simulated.Collateral) { c.CRLs = c.CRLs[1:] }, []string{ofRootCRL}},
		"PCK CRL":       {func(c *simulated.Collateral) { c.CRLs = c.CRLs[:1] }, []string{ofPCKCRL}},
		"signing chain": {func(c *simulated.Collateral) { c.Certificates = c.Certificates[:3] }, []string{ofSigner, ofTCBInfo, ofIdentity}},
		"chain, one document": {func(c *simulated.Collateral) { c.Certificates, c.Documents = nil, c.Documents[:1] },
			[]string{ofSigner, ofTCBInfo, ofIdentity}},
		"documents and chain": {func(c *simulated.Collateral) { c.Certificates, c.Documents = nil, nil }, []string{ofTCBInfo, ofIdentity}},
		"lists":               {func(c *simulated.Collateral) { c.CRLs = nil }, []string{ofRootCRL, ofPCKCRL}},
		"everything":          {func(c *simulated.Collateral) { *c = simulated.Collateral{} }, []string{ofRootCRL, ofPCKCRL, ofTCBInfo, ofIdentity}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			requireGenuine(t, s.genuine()) // what is remembered replaces nothing
			c.drop(&s.collateral)
			out := s.genuine()
			if !out.Undecided() || out.Genuine() || len(out.Lacking) > 0 || !slices.Equal(names(out.Missing), c.want) {
				t.Errorf("undecided %v, missing %v, failed %v", out.Undecided(), out.Missing, out.Checks.Failed())
			}
			if got := out.Claims.TDX.TCB; (got == nil) != (slices.Contains(c.want, ofTCBInfo) || slices.Contains(c.want, ofIdentity)) {
				t.Errorf("TCB %+v", got)
			}
		})
	}
	processor := newScene(t, func(o *simulated.MachineOptions) { o.Processor = true })
	processor.collateral.CRLs = processor.collateral.CRLs[:1]
	if got := names(processor.genuine().Missing); !slices.Equal(got, []string{"pck-crl processor"}) {
		t.Errorf("under the Processor CA, missing %v", got)
	}
}

// other is a vendor with Intel's names and keys of its own.
func other() *simulated.Vendor {
	return simulated.NewVendor(simulated.Options{Seed: "other", Clock: func() time.Time { return clock }})
}

// stale has a list or document that ended the day before, or begins the day after.
func stale(days int) *simulated.Vendor {
	return simulated.NewVendor(simulated.Options{Seed: "test", Clock: func() time.Time { return clock.AddDate(0, 0, days) }})
}

// TestMissingBesideFailure: what another issue could mend is named, and the
// verdict is a refusal for the reason that there is.
func TestMissingBesideFailure(t *testing.T) {
	short := func(v *simulated.Vendor, from, to time.Time) simulated.Issuer {
		template := v.LeafTemplate(simulated.NameSigning)
		template.NotBefore, template.NotAfter = from, to
		key := v.NewKey("signing")
		return simulated.Issuer{Certificate: v.Issue(template, v.Root, &key.PublicKey), Key: key}
	}
	for name, c := range map[string]struct {
		spoil func(*scene)
		want  []string
		codes []evidence.Code
	}{
		"expired lists": {func(s *scene) { s.collateral.CRLs = stale(-31).Collateral().CRLs },
			[]string{ofRootCRL, ofPCKCRL}, []evidence.Code{evidence.CodeTDXCollateralExpired}},
		"expired TCB info": {func(s *scene) { s.collateral.Documents[0] = stale(-31).Collateral().Documents[0] },
			[]string{ofTCBInfo}, []evidence.Code{evidence.CodeTDXCollateralExpired}},
		"everything expired": {func(s *scene) { s.now = s.now.AddDate(1, 0, 0) },
			[]string{ofRootCRL, ofPCKCRL, ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXCollateralExpired}},
		"expired identity, no PCK list": {func(s *scene) {
			s.collateral.Documents[1] = stale(-31).Collateral().Documents[1]
			s.collateral.CRLs = s.collateral.CRLs[:1]
		}, []string{ofPCKCRL, ofIdentity}, []evidence.Code{evidence.CodeTDXCollateralExpired}},
		"documents of the future": {func(s *scene) { s.collateral.Documents = stale(1).Collateral().Documents },
			[]string{ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXCollateralNotYet}},
		"forged PCK list": {func(s *scene) { s.collateral.CRLs[1] = other().Collateral().CRLs[1] },
			[]string{ofPCKCRL}, []evidence.Code{evidence.CodeTDXPCKCRL}},
		"forged root list": {func(s *scene) { s.collateral.CRLs[0] = other().Collateral().CRLs[0] },
			[]string{ofRootCRL}, []evidence.Code{evidence.CodeTDXRootCRL}},
		"forged documents": {func(s *scene) { s.collateral.Documents = other().Collateral().Documents },
			[]string{ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXTCBInfoSignature, evidence.CodeTDXQEIdentitySignature}},
		"forged signer": {func(s *scene) { s.collateral.Certificates[3] = other().Signing.Certificate },
			[]string{ofSigner, ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXSigningChain}},
		"forged signer alone": {func(s *scene) {
			s.collateral.Certificates[3], s.collateral.Documents = other().Signing.Certificate, nil
		}, []string{ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXSigningChain}},
		"malformed TCB info": {func(s *scene) { s.setTCBInfo(func(i *simulated.TCBInfo) { i.Version = 2 }) },
			[]string{ofTCBInfo}, []evidence.Code{evidence.CodeTDXTCBInfoFormat}},
		"TCB info of another platform": {func(s *scene) { s.setTCBInfo(func(i *simulated.TCBInfo) { i.FMSPC = "00806F050000" }) },
			[]string{ofTCBInfo}, []evidence.Code{evidence.CodeTDXTCBInfoPlatform}},
		"revoked signer": {func(s *scene) {
			s.collateral.CRLs[0] = s.vendor.CRL(s.vendor.Root, s.vendor.Signing.Certificate.SerialNumber)
		},
			[]string{ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXSigningRevocation}},
		"expired signer": {func(s *scene) {
			s.collateral.Certificates[3] = short(s.vendor, clock.AddDate(-7, 0, 0), clock.AddDate(0, 0, -1)).Certificate
		}, []string{ofTCBInfo, ofIdentity}, []evidence.Code{evidence.CodeTDXCertificateTime}},
		"another quoting enclave, by an expired identity": {func(s *scene) {
			v := stale(-31)
			id := v.QEIdentity()
			id.ISVProdID = 9
			s.collateral.Documents[1] = v.QEIdentityDocument(id)
		}, []string{ofIdentity}, []evidence.Code{evidence.CodeTDXQuotingEnclave, evidence.CodeTDXCollateralExpired}},
		"another module, by an expired TCB info": {func(s *scene) {
			v := stale(-31)
			info := v.TCBInfo()
			info.TDXModuleIdentities[1].MRSigner = "01" + info.TDXModuleIdentities[1].MRSigner[2:]
			s.collateral.Documents[0] = v.TCBInfoDocument(info)
		}, []string{ofTCBInfo}, []evidence.Code{evidence.CodeTDXModuleSigner, evidence.CodeTDXCollateralExpired}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			c.spoil(s)
			out := s.genuine()
			refusedWith(t, out, c.codes...)
			if got := names(out.Missing); !slices.Equal(got, c.want) {
				t.Errorf("missing %v, want %v", got, c.want)
			}
			// What is named is what mends it.
			now := s.now
			fresh := simulated.NewVendor(simulated.Options{Seed: "test", Clock: func() time.Time { return now }})
			s.collateral = renewed(s.collateral, fresh, out.Missing)
			if out := s.genuine(); name == "revoked signer" {
				refusedWith(t, out, c.codes...) // until it signs by another
			} else {
				requireGenuine(t, out)
			}
		})
	}
}

// renewed adds what a vendor has under these names, with its signer's chain.
func renewed(c simulated.Collateral, v *simulated.Vendor, missing []tee.EndorsementName) simulated.Collateral {
	all := v.Collateral()
	c.Certificates = append(slices.Clone(c.Certificates), all.Certificates...)
	for _, name := range names(missing) {
		switch name {
		case ofRootCRL:
			c.CRLs = append(slices.Clone(c.CRLs), all.CRLs[0])
		case ofPCKCRL:
			c.CRLs = append(slices.Clone(c.CRLs), all.CRLs[1])
		case ofTCBInfo:
			c.Documents = append(slices.Clone(c.Documents), all.Documents[0])
		case ofIdentity:
			c.Documents = append(slices.Clone(c.Documents), all.Documents[1])
		}
	}
	return c
}

// TestAttack_T46_NothingForWhatIsRefusedAnyhow: on behalf of a quote that no
// collateral could clear, nobody is asked for any, with none at hand or all of it expired.
func TestAttack_T46_NothingForWhatIsRefusedAnyhow(t *testing.T) {
	revoked := func(cert func(*scene) *x509.Certificate, list int, issuer func(*scene) simulated.Issuer) func(*scene) tee.Outcome {
		return func(s *scene) tee.Outcome {
			s.collateral.CRLs = []*x509.RevocationList{s.vendor.SignCRL(&x509.RevocationList{
				Number: big.NewInt(int64(list)), ThisUpdate: clock.AddDate(0, 0, -60), NextUpdate: clock.AddDate(0, 0, -30),
				RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: cert(s).SerialNumber, RevocationTime: clock}},
			}, issuer(s))}
			return s.genuine()
		}
	}
	for name, judge := range map[string]func(*scene) tee.Outcome{
		"flipped body": func(s *scene) tee.Outcome { return s.verify(flipped(s.machine.Quote(reportData), 200)) },
		"flipped QE report": func(s *scene) tee.Outcome {
			return s.verify(flipped(s.machine.Quote(reportData), 48+584+4+64+64+6+100))
		},
		"no quote": func(s *scene) tee.Outcome { return s.verify([]byte("quote")) },
		"forged chain": func(s *scene) tee.Outcome {
			return s.verify(other().NewMachine(simulated.DefaultMachine()).Quote(reportData))
		},
		"foreign QE key": func(s *scene) tee.Outcome { return s.parts(func(p *simulated.Parts) { p.PCKKey = p.AttestationKey }) },
		"another vendor": func(s *scene) tee.Outcome { return s.parts(func(p *simulated.Parts) { p.Header[12] ^= 1 }) },
		"unbound key":    func(s *scene) tee.Outcome { return s.parts(func(p *simulated.Parts) { p.Auth = []byte("other") }) },
		"expired PCK":    func(s *scene) tee.Outcome { s.now = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC); return s.genuine() },
		"revoked PCK": revoked(func(s *scene) *x509.Certificate { return s.machine.Certificate() }, 3,
			func(s *scene) simulated.Issuer { return s.vendor.Platform }),
		"revoked CA": revoked(func(s *scene) *x509.Certificate { return s.vendor.Platform.Certificate }, 3,
			func(s *scene) simulated.Issuer { return s.vendor.Root }),
	} {
		for _, bare := range []bool{true, false} {
			s := newScene(t)
			if bare {
				s.collateral = simulated.Collateral{}
			} else {
				s.collateral = stale(-31).Collateral()
			}
			out := judge(s)
			if len(out.Checks.Failed()) == 0 || len(out.Missing) > 0 {
				t.Errorf("%s: failed %v, missing %v", name, out.Checks.Failed(), out.Missing)
			}
		}
	}
}

// flipped returns a quote with one bit of the byte at off flipped.
func flipped(quote []byte, off int) []byte {
	quote[off] ^= 1
	return quote
}

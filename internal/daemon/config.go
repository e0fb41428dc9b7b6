package daemon

import (
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/inforce"
	"github.com/quotary/quotary/internal/vendors"
	"github.com/quotary/quotary/tee/tdx"
)

// Config is the configuration file, in YAML. Every field is optional; without a
// file all defaults apply. Unknown and repeated keys are errors, with line and
// column. Relative paths are relative to the file's directory.
//
// Whoever can change this file, or the files that it names, decides who gets
// which identity.
type Config struct {
	// TrustDomain is the SPIFFE trust domain that identities are granted in. The
	// first start fixes it: the authority in the data directory serves one trust
	// domain. Defaults to quotary.internal.
	TrustDomain string `yaml:"trust_domain"`
	// Listen is the address and port to listen on. The flag --listen comes first.
	// Defaults to 127.0.0.1:8443.
	Listen string `yaml:"listen"`
	// TLSNames are the DNS names and IP addresses in the service's own
	// certificate: what clients call it. Defaults to localhost and the loopback
	// addresses, and the address in Listen if it is a particular one.
	TLSNames []string `yaml:"tls_names"`
	// Policies are policy documents: files, or directories whose *.yaml files are
	// read. Where they are given, they alone decide. Without, administrators apply
	// policy sets, and until they have, the folder policies in the data directory decides.
	Policies []string `yaml:"policies"`
	// ReferenceKeys are files with public keys (PEM), each named as its file is without the
	// extension. With any, documents of reference values must be signed by one of them.
	ReferenceKeys []string `yaml:"reference_keys"`
	// Endorsements are vendors' certificates, CRLs and collateral: files,
	// directories or archives. They need no protection, as each is verified up to a
	// root: at worst, wrong ones cause refusals. Defaults to the folder
	// endorsements in the data directory.
	Endorsements []string `yaml:"endorsements"`
	// Vendors says how endorsements are fetched that are not among these.
	Vendors Vendors `yaml:"vendors"`
	// TPM says which TPMs are trusted; without any, all TPM quotes are refused.
	TPM TPM `yaml:"tpm"`
	// Admin says who the service's administrators are.
	Admin admin.Config `yaml:"admin"`
	// Authority says how the trust domain's authorities succeed each other.
	Authority Authority `yaml:"authority"`
	// ContinuousTrust says what becomes of live identities that no longer pass.
	ContinuousTrust ContinuousTrust `yaml:"continuous_trust"`
	// Tokens says how attestation results are written.
	Tokens Tokens `yaml:"tokens"`
	// Publication has what is signed in itself served over plain HTTP as well.
	Publication Publication `yaml:"publication"`
	// Federation lists other trust domains whose bundles are fetched for workloads.
	Federation []Partner `yaml:"federation"`
	// Simulated is for demonstrations and tests.
	Simulated Simulated `yaml:"simulated"`
	// Limits bound what the service does at once.
	Limits Limits `yaml:"limits"`
}

// Vendors says how endorsements are fetched, kept and renewed.
type Vendors struct {
	// Offline has the service fetch nothing: it goes by what it is given.
	Offline bool `yaml:"offline"`
	// AMDKDS is the base URL of AMD's key distribution service, or of a mirror or
	// caching proxy of it. It needs no trust: what comes from it is verified. Plain
	// http is for this machine alone. Defaults to https://kdsintf.amd.com.
	AMDKDS string `yaml:"amd_kds"`
	// IntelPCS is the base URL of Intel's provisioning certification service (API
	// v4), or of a mirror of it, likewise. Defaults to https://api.trustedservices.intel.com.
	IntelPCS string `yaml:"intel_pcs"`
	// IntelRoot is the base URL of the service with the revocation list of Intel's
	// root, likewise. Defaults to https://certificates.trustedservices.intel.com.
	IntelRoot string `yaml:"intel_root"`
	// IntelPCCS is the base URL of a provisioning certificate caching service, to be
	// asked instead of both.
	IntelPCCS string `yaml:"intel_pccs"`
	// IntelUpdate is the channel of TCB infos and identities: "standard", or "early",
	// which has those of a TCB recovery event at once. Evaluation data numbers that
	// were seen are a floor: going back to standard takes until that has caught up.
	// Defaults to standard.
	IntelUpdate string `yaml:"intel_update"`
	// GraceDays is for how many days expired documents are still handed to the
	// verifiers, which see that they have expired: 1 to 366. Defaults to 30.
	GraceDays *int `yaml:"grace_days"`
}

// TPM says which attestation keys are trusted.
type TPM struct {
	// Roots are the roots that certificates of attestation keys end at: files,
	// directories or archives of CA certificates. Whoever can change them can make TPMs.
	Roots []string `yaml:"roots"`
	// Keys are attestation keys that are trusted one by one: files with a
	// SubjectPublicKeyInfo (PEM or DER) or a TPM2B_PUBLIC.
	Keys []string `yaml:"keys"`
	// Enrolment has the service certify attestation keys itself. It is on as soon as
	// there is an endorsement key that it trusts.
	Enrolment Enrolment `yaml:"enrolment"`
}

// Enrolment says which TPMs may enrol an attestation key.
type Enrolment struct {
	// Roots are CA certificates of TPM manufacturers: files, directories or archives.
	// Endorsement keys' certificates must end at one that is self-signed; the others
	// may stand in between. Whoever can change them can make TPMs.
	Roots []string `yaml:"roots"`
	// EndorsementKeys are files that list endorsement keys which are trusted one by
	// one, with or without a certificate: a line for each, with the SHA-256 of its
	// SubjectPublicKeyInfo in hex and, if wanted, a name behind it; # begins a comment.
	EndorsementKeys []string `yaml:"endorsement_keys"`
	// CertificateHours is the life of an attestation key's certificate in hours: 1 to
	// 168. Defaults to 24.
	CertificateHours *int `yaml:"certificate_hours"`
	// NewKeys says what becomes of another attestation key of a TPM that has enrolled
	// one: "replace" has it supersede the last one, "refuse" keeps the first. Defaults
	// to replace.
	NewKeys string `yaml:"new_keys"`
}

// What NewKeys may be.
const (
	newKeysReplace = "replace"
	newKeysRefuse  = "refuse"
)

// Tokens says how attestation results are written.
type Tokens struct {
	// CompatibleNames has attestation results in JSON (JWT) carry the claims' names of
	// earlier drafts besides (ear.status for ear_status …), for relying parties that know
	// only these.
	CompatibleNames bool `yaml:"compatible_names"`
}

// Simulated is the operator's consent to evidence that proves nothing.
type Simulated struct {
	// Accept has the service accept evidence under simulated roots, where the
	// workload's policy says allow_simulated as well. Everything that rests on it
	// is marked as simulated. Never set it where anybody relies on the result.
	Accept bool `yaml:"accept"`
	// Roots are the simulators' roots: files, directories or archives. They need Accept.
	Roots []string `yaml:"roots"`
}

// Limits bound what the service does at once.
type Limits struct {
	// ConcurrentAppraisals is how many appraisals run at once. Defaults to the
	// number of CPUs; more only adds waiting.
	ConcurrentAppraisals int `yaml:"concurrent_appraisals"`
}

const (
	defaultTrustDomain = "quotary.internal"
	defaultListen      = "127.0.0.1:8443"
)

// mode says who decides over the policy set. It is asked before defaults are filled in.
func (c Config) mode() inforce.Mode {
	if c.Policies == nil {
		return inforce.ByService
	}
	return inforce.ByFiles
}

// withDefaults fills in what the configuration leaves open.
func (c Config) withDefaults(data string) Config {
	if c.TrustDomain == "" {
		c.TrustDomain = defaultTrustDomain
	}
	if c.Listen == "" {
		c.Listen = defaultListen
	}
	if c.Policies == nil {
		c.Policies = []string{filepath.Join(data, policiesDir)}
	}
	if c.Endorsements == nil {
		c.Endorsements = []string{filepath.Join(data, endorsementsDir)}
	}
	if c.TLSNames == nil {
		c.TLSNames = []string{"localhost", "127.0.0.1", "::1"}
		if host, _, err := net.SplitHostPort(c.Listen); err == nil && !slices.Contains(c.TLSNames, host) && !unspecified(host) {
			c.TLSNames = append(c.TLSNames, host)
		}
	}
	return c
}

// Address is the address and port to listen on.
func (c Config) Address() (string, error) {
	listen := c.withDefaults("").Listen
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return "", evidence.Errorf(evidence.CodeConfigMalformed, "listen", "%q is no address and port, such as 127.0.0.1:8443", listen)
	}
	return listen, nil
}

// check refuses what does not fit together.
func (c Config) check() error {
	if _, err := c.Address(); err != nil {
		return err
	}
	if err := ca.CheckTrustDomain(c.TrustDomain); err != nil {
		return err
	}
	if err := ca.CheckHosts(c.TLSNames); err != nil {
		return evidence.Errorf(evidence.CodeConfigMalformed, "tls_names", "the service cannot have a certificate for these: %w", err)
	}
	if len(c.Simulated.Roots) > 0 && !c.Simulated.Accept {
		return evidence.Errorf(evidence.CodeConfigMalformed, "simulated.roots", "simulated roots are configured, but simulated.accept is not true")
	}
	if err := c.Admin.Check(); err != nil {
		return err
	}
	if err := c.Vendors.check(); err != nil {
		return err
	}
	if err := c.Authority.check(); err != nil {
		return err
	}
	if err := c.ContinuousTrust.check(); err != nil {
		return err
	}
	if err := c.Publication.check(); err != nil {
		return err
	}
	if err := c.TPM.Enrolment.check(); err != nil {
		return err
	}
	if n := c.Limits.ConcurrentAppraisals; n < 0 || n > maxConcurrency {
		return evidence.Errorf(evidence.CodeConfigMalformed, "limits.concurrent_appraisals", "%d is not between 1 and %d", n, maxConcurrency)
	}
	return nil
}

func (v Vendors) check() error {
	if days := v.GraceDays; days != nil && (*days < 1 || *days > maxGraceDays) {
		return evidence.Errorf(evidence.CodeConfigMalformed, "vendors.grace_days", "%d is not between 1 and %d", *days, maxGraceDays)
	}
	if v.IntelPCCS != "" && (v.IntelPCS != "" || v.IntelRoot != "") {
		return evidence.Errorf(evidence.CodeConfigMalformed, "vendors.intel_pccs", "it is asked instead of intel_pcs and intel_root; leave these out")
	}
	if _, ok := tdx.ParseUpdate(v.IntelUpdate); v.IntelUpdate != "" && !ok {
		return evidence.Errorf(evidence.CodeConfigMalformed, "vendors.intel_update", "%q is neither %q nor %q", v.IntelUpdate, tdx.Standard, tdx.Early)
	}
	return nil
}

// isZero reports whether nothing is said about enrolment.
func (e Enrolment) isZero() bool {
	return e.Roots == nil && e.EndorsementKeys == nil && e.CertificateHours == nil && e.NewKeys == ""
}

func (e Enrolment) check() error {
	if hours := e.CertificateHours; hours != nil && (*hours < 1 || *hours > maxCertificateHours) {
		return evidence.Errorf(evidence.CodeConfigMalformed, "tpm.enrolment.certificate_hours", "%d is not between 1 and %d", *hours, maxCertificateHours)
	}
	if e.NewKeys != "" && e.NewKeys != newKeysReplace && e.NewKeys != newKeysRefuse {
		return evidence.Errorf(evidence.CodeConfigMalformed, "tpm.enrolment.new_keys", "%q is neither %q nor %q", e.NewKeys, newKeysReplace, newKeysRefuse)
	}
	return nil
}

// life is CertificateHours; zero if it is not given.
func (e Enrolment) life() time.Duration {
	if e.CertificateHours == nil {
		return 0
	}
	return time.Duration(*e.CertificateHours) * time.Hour
}

// intel says who is asked for Intel's endorsements.
func (v Vendors) intel() vendors.Intel {
	update, _ := tdx.ParseUpdate(v.IntelUpdate) // else standard
	return vendors.Intel{PCS: v.IntelPCS, Root: v.IntelRoot, PCCS: v.IntelPCCS, Update: update}
}

// grace is GraceDays; zero if it is not given.
func (v Vendors) grace() time.Duration {
	if v.GraceDays == nil {
		return 0
	}
	return time.Duration(*v.GraceDays) * 24 * time.Hour
}

// resolve makes relative paths relative to dir.
func (c *Config) resolve(dir string) {
	c.Admin.Resolve(dir)
	c.Authority.Keys.resolve(dir)
	for _, list := range [][]string{c.Policies, c.ReferenceKeys, c.Endorsements, c.TPM.Roots, c.TPM.Keys, c.TPM.Enrolment.Roots, c.TPM.Enrolment.EndorsementKeys, c.Simulated.Roots} {
		for i, path := range list {
			if !filepath.IsAbs(path) {
				list[i] = filepath.Join(dir, path)
			}
		}
	}
	for i := range c.Federation {
		for _, path := range []*string{&c.Federation[i].Bundle, &c.Federation[i].Roots} {
			if *path != "" && !filepath.IsAbs(*path) {
				*path = filepath.Join(dir, *path)
			}
		}
	}
}

// unspecified reports whether a listener on host takes connections to any address.
func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// Loopback reports whether the service can be reached from this machine alone.
func (c Config) Loopback() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

package daemon_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/client"
	sdk "github.com/quotary/quotary/client/admin"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/continuous"
	"github.com/quotary/quotary/internal/daemon"
	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements"
)

// trust is a service of which a machine of each technology has a certificate.
type trust struct {
	*running
	simulation
	data     string
	config   daemon.Config
	admin    *sdk.Client
	attested map[evidence.Kind]*client.Identity
}

// config is that of a service for the machines, which goes by files.
func (s simulation) config(t testing.TB) daemon.Config {
	return daemon.Config{
		Policies: []string{s.policy(t, "allow_simulated: true")}, Endorsements: []string{s.endorsements},
		Simulated: daemon.Simulated{Accept: true, Roots: s.roots},
	}
}

func trusting(t testing.TB, s simulation, config daemon.Config) *trust {
	t.Helper()
	x := &trust{simulation: s, data: filepath.Join(t.TempDir(), "data"), config: config, attested: map[evidence.Kind]*client.Identity{}}
	x.start(t)
	for kind, machine := range s.machines {
		identity, err := x.attest(t, machine)
		if err != nil {
			t.Fatal(err)
		}
		x.attested[kind] = identity
	}
	return x
}

func (x *trust) start(t testing.TB) {
	t.Helper()
	x.running = start(t, x.data, x.config)
	x.admin = owner(t, x.running, x.data, fmt.Sprintf("alice%d", time.Now().UnixNano()))
}

// looked waits until all that is due was looked at.
func (x *trust) looked(t testing.TB) sdk.ContinuousState {
	t.Helper()
	for {
		status, err := x.admin.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c := status.Continuous; !c.Due && !c.LastAt.IsZero() {
			return c
		}
		time.Sleep(time.Millisecond)
	}
}

// revoked lists which machines' certificates are, with the checks that they failed; the lists that
// everybody sees have them, too.
func (x *trust) revoked(t *testing.T, sequence int64) map[evidence.Kind]sdk.RevokedCertificate {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(x.RootPEM())
	published, err := client.NewRevocations(t.Context(), client.Config{URL: x.url, TrustDomain: "quotary.internal", Roots: roots})
	for err == nil && published.Sequence() < sequence {
		time.Sleep(time.Millisecond)
		published, err = client.NewRevocations(t.Context(), client.Config{URL: x.url, TrustDomain: "quotary.internal", Roots: roots})
	}
	if err != nil {
		t.Fatal(err)
	}
	found := map[evidence.Kind]sdk.RevokedCertificate{}
	for r, err := range x.admin.Revocations(t.Context(), true, 10) {
		if err != nil {
			t.Fatal(err)
		}
		found[evidence.Kind(r.Workload)] = r
	}
	for kind, identity := range x.attested {
		if _, revoked := found[kind]; (published.Check(chainOf(t, identity)) != nil) != revoked {
			t.Errorf("%s: revoked %v, and the lists say otherwise", kind, revoked)
		}
	}
	if published.Sequence() != int64(len(found)) || sequence != int64(len(found)) {
		t.Errorf("the last revocation is %d, of %d; want %d", published.Sequence(), len(found), sequence)
	}
	return found
}

func chainOf(t *testing.T, identity *client.Identity) (chain []*x509.Certificate) {
	t.Helper()
	for _, der := range identity.Certificate.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, cert)
	}
	return chain
}

// events lists what the service did by itself.
func (x *trust) events(t *testing.T, action string) []sdk.Event {
	t.Helper()
	found, err := x.admin.Events(t.Context(), sdk.EventFilter{Action: action})
	if err != nil {
		t.Fatal(err)
	}
	return found.Events
}

// copied is a folder's copy, which a test may change.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// documents are the simulation's policy, with another requirement for some.
func (s simulation) documents(t *testing.T, require map[evidence.Kind]string) (documents []sdk.Document) {
	t.Helper()
	changed := s
	changed.require = maps.Clone(s.require)
	maps.Copy(changed.require, require)
	dir := changed.policy(t, "allow_simulated: true")
	for kind := range changed.require {
		text, err := os.ReadFile(filepath.Join(dir, string(kind)+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, sdk.Document{Name: string(kind) + ".yaml", Content: string(text)})
	}
	return documents
}

const otherMeasurement = "sev_snp: {measurements: [%s], minimum_tcb: {bootloader: 0, tee: 0, snp: 0, microcode: 0}}"

func dropped() map[evidence.Kind]string {
	return map[evidence.Kind]string{evidence.KindSEVSNP: fmt.Sprintf(otherMeasurement, strings.Repeat("ab", 48))}
}

// Continuous trust, from the change to the connection that ends.
func TestAttack_ContinuousTrust(t *testing.T) {
	s := simulate(t)
	t.Run("Policy", s.policyIsHeldToWhatLives)
	t.Run("S32_Collateral", s.collateralIsHeldToWhatLives)
	t.Run("Restart", s.whatChangedMeanwhileIsFound)
	t.Run("Report", s.reportsRevokeNothing)
}

// A measurement is dropped: the plan says so before, the machine's certificate is revoked, its
// connection ends, and nobody else's.
func (s simulation) policyIsHeldToWhatLives(t *testing.T) {
	config := s.config(t)
	config.Policies = nil // administrators decide
	x := &trust{simulation: s, data: filepath.Join(t.TempDir(), "data"), config: config, attested: map[evidence.Kind]*client.Identity{}}
	x.start(t)
	before, err := x.admin.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := x.admin.Apply(t.Context(), sdk.Application{Documents: s.documents(t, nil), Base: before.Digest})
	if err != nil {
		t.Fatal(err)
	}
	for kind, machine := range s.machines {
		if x.attested[kind], err = x.attest(t, machine); err != nil {
			t.Fatal(err)
		}
	}
	snp, td := x.connect(t, evidence.KindSEVSNP), x.connect(t, evidence.KindTDX)
	applied, err := x.admin.Apply(t.Context(), sdk.Application{Documents: s.documents(t, dropped()), Base: first.Digest})
	if err != nil {
		t.Fatal(err)
	}
	var plan policies.PlanReport
	if err := json.Unmarshal(applied.Plan.Plan, &plan); err != nil || plan.Revoked != 1 {
		t.Errorf("the plan says %d: %v", plan.Revoked, err)
	}
	if _, err := snp.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
	revoked := x.revoked(t, 1)
	r := revoked[evidence.KindSEVSNP]
	if r.RevokedBy != "service" || !slices.Contains(r.Failed, evidence.CodePolicySNPMeasurement.String()) || r.Reason == "" {
		t.Errorf("got %+v", r)
	}
	if e := x.events(t, "continuous.revoke"); len(e) != 1 || e[0].Revoked != 1 || e[0].Seq != r.Event || !strings.Contains(string(e[0].Detail), applied.Digest) {
		t.Errorf("the audit trail has %+v", e)
	}
	if _, metrics := x.get(t, "/metrics", ""); !strings.Contains(metrics, `quotary_continuous_revoked_total{cause="policy"} 1`) {
		t.Error("the metrics do not count it")
	}
	if _, err := td.Write([]byte("x")); err != nil {
		t.Errorf("another connection: %v", err)
	}
	if _, err := x.attest(t, s.machines[evidence.KindSEVSNP]); err == nil {
		t.Error("what was revoked is not refused")
	}
	if _, err := x.admin.Rollback(t.Context(), sdk.Rollback{Seq: first.Seq, Base: applied.Digest}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.attest(t, s.machines[evidence.KindSEVSNP]); err != nil {
		t.Errorf("after the way back: %v", err)
	}
	x.revoked(t, 1) // and what was revoked stays so
	x.revokeKey(t)
	if r := x.revoked(t, 2)[evidence.KindTPM]; r.RevokedBy != "service" || !slices.Contains(r.Failed, evidence.CodeTPMAKRevoked.String()) {
		t.Errorf("a revoked attestation key: %+v", r)
	}
}

// revokeKey revokes the one attestation key that there is.
func (x *trust) revokeKey(t *testing.T) {
	t.Helper()
	for key, err := range x.admin.Keys(t.Context(), sdk.KeyFilter{}, 1) {
		if err == nil {
			_, err = x.admin.RevokeKey(t.Context(), sdk.KeyChange{AK: key.AK, Base: key.Base, Reason: "stolen"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// connect has a machine connect to a server that is guarded, and returns the server's side.
func (x *trust) connect(t *testing.T, kind evidence.Kind) *tls.Conn {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(x.RootPEM())
	guard, err := client.NewRevocations(t.Context(), client.Config{URL: x.url, TrustDomain: "quotary.internal", Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = guard.Run(t.Context(), nil) }()
	here, there := net.Pipe()
	own := x.attested[evidence.KindTPM]
	peer := tls.Client(there, &tls.Config{Certificates: []tls.Certificate{*x.attested[kind].Certificate}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	conn := guard.Server(here, &tls.Config{Certificates: []tls.Certificate{*own.Certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: own.Roots, MinVersion: tls.VersionTLS13})
	t.Cleanup(func() { here.Close(); there.Close() })
	go func() {
		buffer := make([]byte, 1)
		for {
			if _, err := peer.Read(buffer); err != nil {
				return
			}
		}
	}()
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A newer TCB info finds the platform out of date; a list names the issuer of a machine's key.
func (s simulation) collateralIsHeldToWhatLives(t *testing.T) {
	s.endorsements = copied(t, s.endorsements)
	x := trusting(t, s, s.config(t))
	if c := x.looked(t); c.Revoked != 0 {
		t.Fatalf("%+v", c)
	}
	info := s.intel.TCBInfo()
	info.IssueDate = info.IssueDate.Add(time.Minute)
	info.TCBLevels[0].TCB.SGX[0].SVN++ // what is up to date from now on
	var issued tee.Endorsements
	issued.AddDocument(s.intel.TCBInfoDocument(info))
	x.publish(t, &issued)
	revoked := x.revoked(t, 1)
	if r := revoked[evidence.KindTDX]; r.RevokedBy != "service" || !slices.Contains(r.Failed, evidence.CodePolicyTDXTCBStatus.String()) {
		t.Errorf("got %+v", revoked)
	}
	now := time.Now().Add(-time.Minute)
	list, err := s.amd.ARK().CRL(sevsnp.CRLOptions{
		Number: 2, ThisUpdate: now, NextUpdate: now.Add(24 * time.Hour), Revoked: []*x509.Certificate{s.amd.ASK().Certificate},
	})
	if err != nil {
		t.Fatal(err)
	}
	issued = tee.Endorsements{}
	issued.AddCRL(list)
	x.publish(t, &issued)
	revoked = x.revoked(t, 2)
	if r := revoked[evidence.KindSEVSNP]; r.RevokedBy != "service" || len(r.Failed) == 0 {
		t.Errorf("got %+v", revoked)
	}
	if c := x.looked(t); c.Reviewed != 1 || c.Revoked != 0 || c.Failing != 0 || c.Unknown != 0 {
		t.Errorf("the last look: %+v", c)
	}
}

// publish puts endorsements into the operator's folder, and has it read again.
func (x *trust) publish(t *testing.T, e *tee.Endorsements) {
	t.Helper()
	dir := filepath.Join(x.simulation.endorsements, fmt.Sprint(time.Now().UnixNano()))
	if err := endorsements.Save(dir, e); err != nil {
		t.Fatal(err)
	}
	if err := x.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.looked(t)
}

// What changed while no service ran is found when one starts. That endorsements are gone is no
// such thing.
func (s simulation) whatChangedMeanwhileIsFound(t *testing.T) {
	s.endorsements = copied(t, s.endorsements)
	x := trusting(t, s, s.config(t))
	x.stop()
	for _, dir := range []string{s.endorsements, filepath.Join(x.data, "collateral")} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(s.endorsements, 0o700); err != nil {
		t.Fatal(err)
	}
	x.start(t)
	if c := x.looked(t); c.Reviewed != len(s.machines) || c.Revoked != 0 || c.Failing != 0 {
		t.Errorf("without endorsements: %+v", c)
	}
	x.revoked(t, 0)
	kept := x.config.Policies
	x.config.Policies = []string{t.TempDir()} // a folder that is not there
	x.stop()
	x.start(t)
	if c := x.looked(t); c.Revoked != 0 || c.Unknown != len(s.machines) {
		t.Errorf("without policies: %+v", c)
	}
	x.stop()
	x.config.Policies = kept
	for _, d := range s.documents(t, dropped()) {
		write(t, filepath.Join(kept[0], d.Name), d.Content)
	}
	x.start(t)
	if r := x.revoked(t, 1)[evidence.KindSEVSNP]; r.RevokedBy != "service" {
		t.Errorf("got %+v", r)
	}
	x.stop()
	x.config.Simulated = daemon.Simulated{} // the operator's consent, and the roots
	x.start(t)
	x.revoked(t, int64(len(s.machines)))
}

// A service that reports says whose certificates it would revoke.
func (s simulation) reportsRevokeNothing(t *testing.T) {
	config := s.config(t)
	config.ContinuousTrust.Mode = continuous.Report
	x := trusting(t, s, config)
	for _, d := range s.documents(t, dropped()) {
		write(t, filepath.Join(config.Policies[0], d.Name), d.Content)
	}
	if err := x.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := x.looked(t); c.Mode != "report" || c.Failing != 1 || c.Revoked != 0 {
		t.Errorf("%+v", c)
	}
	x.revoked(t, 0)
	e := x.events(t, "continuous.report")
	if len(e) == 0 || !strings.Contains(string(e[0].Detail), evidence.CodePolicySNPMeasurement.String()) {
		t.Errorf("the audit trail has %+v", e)
	}
}

func TestModeOfContinuousTrust(t *testing.T) {
	_, err := open(t, t.TempDir(), daemon.Config{ContinuousTrust: daemon.ContinuousTrust{Mode: "off"}})
	if evidence.CodeOf(err) != evidence.CodeConfigMalformed || !strings.Contains(err.Error(), "continuous_trust.mode") {
		t.Errorf("got %v", err)
	}
}

package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

// rig is an authority, its slots as an operator has them, and their clock.
type rig struct {
	*testing.T
	dir   string
	clock *clock
	*Authority
	slots *Slots
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, dir: t.TempDir(), clock: &clock{verifiertest.Now()}}
	r.Authority = openAt(t, r.dir, r.clock)
	r.slots = openSlots(t, r.dir, r.clock)
	return r
}

// made expects a change to succeed, and puts it in force.
func (r *rig) made(changes []Change, err error) []Change {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
	r.refresh()
	return changes
}

func (r *rig) refresh() {
	r.Helper()
	if err := r.Refresh(func([]Change) error { return nil }); err != nil {
		r.Fatal(err)
	}
}

// states are what the slots hold, such as "active old".
func (r *rig) states() string {
	r.Helper()
	status, err := r.slots.Status()
	if err != nil {
		r.Fatal(err)
	}
	var out []string
	for _, slot := range status.Slots {
		out = append(out, slot.Name+":"+string(slot.State))
	}
	return strings.Join(out, " ")
}

func (r *rig) expect(states string) {
	r.Helper()
	if got := r.states(); got != states {
		r.Fatalf("the slots hold %q, want %q", got, states)
	}
}

func (r *rig) after(d time.Duration) *rig { r.clock.at = r.clock.at.Add(d); return r }

// leaf is a new leaf of the authority.
func (r *rig) leaf() *x509.Certificate {
	r.Helper()
	svid, err := r.Issue(verifiertest.Accepted(r, verifiertest.Request{At: r.clock.at}))
	if err != nil {
		r.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(svid.Chain[0])
	if err != nil {
		r.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(svid.Chain[1])
	if err != nil || leaf.CheckSignatureFrom(issuer) != nil {
		r.Fatalf("a leaf comes with another issuer (%v)", err)
	}
	return leaf
}

// bundle is the bundle as a SPIFFE library reads it.
func (r *rig) bundle() (roots int, sequence uint64) {
	r.Helper()
	data, err := r.Bundle()
	if err != nil {
		r.Fatal(err)
	}
	bundle, err := spiffebundle.Parse(r.realm.trustDomain, data)
	if err != nil {
		r.Fatal(err)
	}
	sequence, _ = bundle.SequenceNumber()
	return len(bundle.X509Authorities()), sequence
}

func TestAuthoritiesSucceedEachOther(t *testing.T) {
	r := newRig(t)
	first := r.active()
	_, sequence := r.bundle()
	grown := func(roots int) {
		t.Helper()
		n, s := r.bundle()
		if n != roots || s <= sequence {
			t.Fatalf("%d roots, want %d; sequence %d after %d", n, roots, s, sequence)
		}
		sequence = s
	}
	r.made(r.slots.Prepare(true))
	r.expect("A:active B:prepared")
	grown(2)
	if r.leaf().CheckSignatureFrom(first.issuing) != nil {
		t.Fatal("a prepared authority issues")
	}
	if _, err := r.slots.Activate(false); evidence.CodeOf(err) != evidence.CodeAuthorityState {
		t.Fatalf("a root that nobody knows yet is activated: %v", err)
	}
	r.after(publishFor).made(r.slots.Activate(false))
	r.expect("A:old B:active")
	grown(2)
	second := r.active()
	if second == first || r.leaf().CheckSignatureFrom(second.issuing) != nil {
		t.Fatal("leaves are not of the active authority")
	}
	if _, err := r.slots.Revoke(); evidence.CodeOf(err) != evidence.CodeAuthorityState {
		t.Fatalf("an old authority is revoked while its leaves last: %v", err)
	}
	marked := func(want int) {
		t.Helper()
		data, err := r.Bundle()
		if err != nil || strings.Count(string(data), `"quotary_tainted":["`+first.rootID()+`"]`) != want {
			t.Errorf("%s (%v)", data, err)
		}
	}
	marked(0)
	r.made(r.slots.Taint())
	r.expect("A:tainted B:active")
	grown(2)
	marked(1)
	r.made(r.slots.Revoke())
	r.expect("B:active")
	grown(1)
	marked(0)
	if err := r.chainTo(r.leaf()); err != nil {
		t.Errorf("after all of it: %v", err)
	}
	for _, name := range []string{issuingKeyFile, rootKeyFile, jwtKeyFile} {
		if _, err := os.Stat(filepath.Join(r.dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a revoked authority is still there (%v)", name, err)
		}
	}
	r.made(r.slots.Prepare(false))
	r.expect("A:prepared B:active")
	if n, _ := r.bundle(); n != 1 {
		t.Errorf("an issuing CA below the same root: %d roots in the bundle", n)
	}
	again := openAt(t, r.dir, r.clock)
	if !again.active().issuing.Equal(second.issuing) || again.Created() {
		t.Error("a restart goes by another authority")
	}
}

// What the states do not allow is refused, and nothing happens.
func TestStepsThatAreNotAllowed(t *testing.T) {
	r := newRig(t)
	for name, f := range map[string]func() ([]Change, error){
		"activate nothing": func() ([]Change, error) { return r.slots.Activate(true) },
		"taint nothing":    r.slots.Taint,
		"revoke nothing":   r.slots.Revoke,
		"install nothing":  func() ([]Change, error) { return r.slots.Install(nil, nil) },
	} {
		if made, err := f(); evidence.CodeOf(err) != evidence.CodeAuthorityState || len(made) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.made(r.slots.Prepare(false))
	if _, err := r.slots.Prepare(false); evidence.CodeOf(err) != evidence.CodeAuthorityState {
		t.Errorf("prepared twice: %v", err)
	}
	r.made(r.slots.Activate(false)) // the root is known already
	if _, err := r.slots.Taint(); evidence.CodeOf(err) != evidence.CodeAuthorityState {
		t.Errorf("an authority with the active one's root is tainted: %v", err)
	}
	r.expect("A:old B:active")
	r.after(retireAfter).made(r.slots.Revoke())
	r.expect("B:active")
	if _, err := os.Stat(filepath.Join(r.dir, rootKeyFile)); err != nil {
		t.Errorf("the root is still in use, and its key is gone: %v", err)
	}
	r.made(r.slots.Prepare(false))
	r.made(r.slots.Revoke()) // a prepared one may go at once
	r.expect("B:active")
}

func TestEmergency(t *testing.T) {
	r := newRig(t)
	stolen := r.active()
	r.made(r.slots.Prepare(false)) // lay beside it, so it is stolen as well
	made := r.made(r.slots.Emergency())
	var steps []Step
	for _, c := range made {
		steps = append(steps, c.Step)
	}
	if got := fmt.Sprint(steps); got != "[revoke prepare activate taint]" {
		t.Errorf("the steps are %s", got)
	}
	r.expect("A:tainted B:active")
	if r.active().root.Equal(stolen.root) {
		t.Error("the root is the stolen one")
	}
	if n, _ := r.bundle(); n != 2 {
		t.Errorf("%d roots", n)
	}
	before := r.leaf()
	r.made(r.slots.Revoke())
	if n, _ := r.bundle(); n != 1 {
		t.Errorf("the stolen root is in the bundle")
	}
	if err := r.chainTo(before); err != nil {
		t.Errorf("a leaf of the new authority: %v", err)
	}
	if _, err := before.Verify(x509.VerifyOptions{Roots: poolOf(stolen.root), CurrentTime: r.clock.at}); err == nil {
		t.Error("a new leaf verifies under the stolen root")
	}
	r.made(r.slots.Emergency()) // and again
	r.expect("A:active B:tainted")
}

func poolOf(root *x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return pool
}

// The service's own certificate is the last to move: who does not know the new
// root yet learns it from the service.
func TestServiceMovesLast(t *testing.T) {
	r := newRig(t)
	first := r.active()
	source, err := r.ServerCertificates([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	by := func(h *hierarchy) {
		t.Helper()
		cert, err := source.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Leaf.CheckSignatureFrom(h.issuing) != nil || !bytes.Equal(r.RootPEM(), encodePEM(h.root.Raw)) {
			t.Error("the service is certified by another authority")
		}
	}
	r.made(r.slots.Emergency())
	by(first)
	r.made(r.slots.Revoke())
	by(r.active())
	if r.active() == first {
		t.Error("the authority is the same")
	}
}

func TestLifeOfLeavesIsASixthOfTheAuthoritys(t *testing.T) {
	dir, c := t.TempDir(), &clock{verifiertest.Now()}
	config := func(life, ttl time.Duration) Config {
		return Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: c.now, Life: life, MaxTTL: ttl}
	}
	for _, bad := range []Config{
		config(5*24*time.Hour, 0), config(6*time.Hour-1, time.Hour), config(0, 25*time.Hour), config(0, time.Second),
		config(20*365*24*time.Hour, time.Hour),
	} {
		_, err := Open(bad)
		refused(t, err, evidence.CodeAuthorityLife)
	}
	a, err := Open(config(6*time.Hour, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	_, leaf := issue(t, a, verifiertest.Request{TTL: 24 * time.Hour})
	if life := leaf.NotAfter.Sub(c.at); life != time.Hour {
		t.Errorf("a leaf lives %s", life)
	}
	_, err = Open(config(0, 2*time.Hour)) // what is configured would do, what is there does not
	refused(t, err, evidence.CodeAuthorityLife)
	if !strings.Contains(err.Error(), "svid_hours") {
		t.Errorf("%v says not what to do", err)
	}
	for range 16 { // a short life works as a long one
		c.at = c.at.Add(time.Hour / 2)
		if _, err := a.Slots().Advance(); err != nil {
			t.Fatal(err)
		}
		if err := a.Refresh(func([]Change) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := a.ServerCertificate(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.chainTo(mustLeaf(t, a, c.at)); err != nil {
		t.Error(err)
	}
}

func mustLeaf(t *testing.T, a *Authority, at time.Time) *x509.Certificate {
	t.Helper()
	svid, err := a.Issue(verifiertest.Accepted(t, verifiertest.Request{At: at}))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(svid.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// Nothing is in force before it is recorded.
func TestRefreshRecordsFirst(t *testing.T) {
	r := newRig(t)
	before := r.active()
	if _, err := r.slots.Emergency(); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no")
	if err := r.Refresh(func([]Change) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if r.active() != before || len(r.Changes()) != 1 {
		t.Fatal("a change is in force that could not be recorded")
	}
	var steps []Step
	err := r.Refresh(func(changes []Change) error {
		if r.active() != before {
			t.Error("a change is in force before it is recorded")
		}
		for _, c := range changes {
			steps = append(steps, c.Step)
		}
		return nil
	})
	if err != nil || fmt.Sprint(steps) != "[prepare activate taint]" || r.active() == before {
		t.Errorf("%v, recorded %v", err, steps)
	}
	err = r.Refresh(func([]Change) error { t.Error("recorded twice"); return nil })
	if err != nil {
		t.Error(err)
	}
}

// A crash at any point leaves a folder that opens, and a change that can be made again.
func TestInterruptedChanges(t *testing.T) {
	r := newRig(t)
	r.made(r.slots.Prepare(true))
	whole := r.slots
	id := r.Changes()[1].Authority
	for name, crash := range map[string]func(dir string) error{
		"while it is made": func(dir string) error {
			return errors.Join(os.Remove(changePath(dir, 2)), os.Rename(filepath.Join(dir, id), filepath.Join(dir, newDir)),
				os.Remove(filepath.Join(dir, newDir, issuingCertFile)))
		},
		"before the journal": func(dir string) error { return os.Remove(changePath(dir, 2)) },
	} {
		dir := filepath.Join(t.TempDir(), "ca")
		if err := os.CopyFS(dir, os.DirFS(whole.dir)); err != nil {
			t.Fatal(err)
		}
		protect(t, dir)
		if err := crash(dir); err != nil {
			t.Fatal(err)
		}
		a := openAt(t, dir, r.clock)
		if n := len(a.Changes()); n != 1 {
			t.Errorf("%s: %d changes", name, n)
		}
		if _, err := openSlots(t, dir, r.clock).Prepare(true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		entries, err := os.ReadDir(dir)
		folders := 0
		for _, entry := range entries {
			if entry.IsDir() {
				folders++
			}
		}
		if err != nil || folders != 2 { // the journal and the prepared authority
			t.Errorf("%s: %d folders (%v)", name, folders, err)
		}
	}
}

// protect gives copied files the modes of the originals.
func protect(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		mode := fs.FileMode(0o600)
		if d.IsDir() {
			mode = 0o700
		}
		return errors.Join(err, os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Keys that a crash left after their authority was revoked are destroyed by the
// next change.
func TestKeysOfRevokedAuthoritiesAreSwept(t *testing.T) {
	r := newRig(t)
	r.made(r.slots.Emergency())
	key := readFile(t, filepath.Join(r.dir, issuingKeyFile))
	r.made(r.slots.Revoke())
	if err := os.WriteFile(filepath.Join(r.dir, issuingKeyFile), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.slots.Taint(); err == nil {
		t.Fatal("want a refusal")
	}
	if _, err := os.Stat(filepath.Join(r.dir, issuingKeyFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key is still there: %v", err)
	}
}

func TestDamagedJournal(t *testing.T) {
	r := newRig(t)
	r.made(r.slots.Prepare(true))
	edit := func(number int, change func(*Change)) func(string) error {
		return func(dir string) error {
			c, err := parseChange(readFile(t, changePath(dir, number)))
			if err != nil {
				return err
			}
			change(&c)
			data, err := json.Marshal(c)
			return errors.Join(err, os.WriteFile(changePath(dir, number), data, 0o600))
		}
	}
	raw := func(text string) func(string) error {
		return func(dir string) error { return os.WriteFile(changePath(dir, 2), []byte(text), 0o600) }
	}
	for name, damage := range map[string]func(dir string) error{
		"a change is missing":     func(dir string) error { return os.Remove(changePath(dir, 1)) },
		"others may write":        func(dir string) error { return os.Chmod(changePath(dir, 2), 0o666) },
		"the sequence goes back":  edit(2, func(c *Change) { c.Sequence = 1 }),
		"the sequence stands":     edit(2, func(c *Change) { c.Sequence = r.Changes()[0].Sequence }),
		"another number":          edit(2, func(c *Change) { c.Number = 3 }),
		"two are active":          edit(2, func(c *Change) { c.Step = StepActivate }),
		"an unknown step":         edit(2, func(c *Change) { c.Step = "x" }),
		"the first is prepared":   edit(1, func(c *Change) { c.Step = StepPrepare }),
		"the active one prepared": edit(2, func(c *Change) { c.Authority = r.Changes()[0].Authority }),
		"the active one revoked": edit(2, func(c *Change) {
			c.Step, c.Authority, c.Root = StepRevoke, r.Changes()[0].Authority, r.Changes()[0].Root
		}),
		"a folder outside":         edit(2, func(c *Change) { c.Authority = "../../../../etc" }),
		"nothing":                  raw(""),
		"an unknown member":        raw(`{"number":2,"x":1}`),
		"something behind":         raw(string(readFile(t, changePath(r.dir, 2))) + "{}"),
		"a member twice":           raw(`{"number":2,"number":2}`),
		"a change of nothing":      raw(`{"number":2,"sequence":99999999999,"step":"taint","authority":"0011223344556677"}`),
		"others may write changes": func(dir string) error { return os.Chmod(changePath(dir, 1), 0o620) },
	} {
		dir := filepath.Join(t.TempDir(), "ca")
		if err := os.CopyFS(dir, os.DirFS(r.dir)); err != nil {
			t.Fatal(err)
		}
		protect(t, dir)
		if err := damage(dir); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{Dir: dir, TrustDomain: verifiertest.TrustDomain, Now: r.clock.now})
		if evidence.CodeOf(err) != evidence.CodeAuthorityJournal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An authority in the place of another is noticed: the journal names key and root.
func TestAuthorityInThePlaceOfAnother(t *testing.T) {
	r := newRig(t)
	other := otherHierarchy(t)
	for _, name := range []string{rootKeyFile, rootCertFile, issuingKeyFile, issuingCertFile} {
		copyFile(t, filepath.Join(other, name), filepath.Join(r.dir, name))
	}
	_, err := Open(Config{Dir: r.dir, TrustDomain: verifiertest.TrustDomain, Now: r.clock.now})
	refused(t, err, evidence.CodeAuthorityCert)
}

// Several that change at once do so one after the other.
func TestConcurrentChanges(t *testing.T) {
	r := newRig(t)
	var wait sync.WaitGroup
	var mu sync.Mutex
	made := 0
	for range 6 {
		wait.Go(func() {
			changes, err := openSlots(t, r.dir, r.clock).Prepare(true)
			mu.Lock()
			defer mu.Unlock()
			made += len(changes)
			if err != nil && evidence.CodeOf(err) != evidence.CodeAuthorityState {
				t.Error(err)
			}
		})
		wait.Go(func() { r.refresh() })
		wait.Go(func() { r.leaf() })
	}
	wait.Wait()
	r.refresh()
	if made != 1 || len(r.Changes()) != 2 {
		t.Errorf("%d were prepared, %d changes", made, len(r.Changes()))
	}
}

// An operator who is another user would make keys that the service cannot read.
func TestSlotsAreTheOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	r := newRig(t)
	if err := os.Chown(filepath.Join(r.dir, rootCertFile), 65534, -1); err != nil {
		t.Fatal(err)
	}
	c := Config{Dir: r.dir, TrustDomain: verifiertest.TrustDomain, Now: r.clock.now}
	if _, err := OpenSlots(c, Operator); evidence.CodeOf(err) != evidence.CodeDataPermissions {
		t.Errorf("%v", err)
	}
	if _, err := OpenSlots(c, Service); err != nil {
		t.Error(err)
	}
}

// A change that can be read is written as it was read.
func FuzzParseChange(f *testing.F) {
	f.Add([]byte(`{"number":1,"time":"2026-11-22T10:00:00Z","by":"service","step":"activate","authority":"0011223344556677","root_sha256":"00","sequence":1}`))
	f.Add([]byte(`{"number":2,"authority":"../../../../../../"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseChange(data)
		if err != nil {
			return
		}
		if !isAuthorityID(c.Authority) {
			t.Errorf("%q names a folder", c.Authority)
		}
		again, err := json.Marshal(c)
		if err != nil {
			return // a time that JSON cannot have
		}
		second, err := parseChange(again)
		if err != nil || !second.Time.Equal(c.Time) {
			t.Fatalf("%s is refused, or of another time: %v", again, err)
		}
		if second.Time = c.Time; second != c { // but for the time zone
			t.Errorf("%s is read as %+v (%v)", again, second, err)
		}
	})
}

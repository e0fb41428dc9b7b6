package store_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	simulator "github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/tee"
	"github.com/quotary/quotary/tee/endorsements/store"
	"github.com/quotary/quotary/tee/sevsnp"
)

// kds carries requests to a simulated key distribution service of AMD's.
type kds struct {
	mu      sync.Mutex
	service simulator.KDS
	asked   int
	down    bool
}

func (k *kds) RoundTrip(r *http.Request) (*http.Response, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if k.down {
		return response(503, nil), nil
	}
	status, contentType, body := k.service.Answer(r.Method, r.URL.Path, r.URL.RawQuery)
	return response(status, body, "Content-Type", contentType), nil
}

func (k *kds) serve(vendors ...*simulator.Vendor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.service = vendors
}

func (k *kds) requests() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.asked
	k.asked = 0
	return n
}

// The simulated vendor makes RSA keys, which takes a second: one for all.
var milan = sync.OnceValue(func() *simulator.Vendor {
	v, err := simulator.NewVendor(simulator.VendorOptions{Seed: "store", NotBefore: epoch.AddDate(0, -6, 0)})
	if err != nil {
		panic(err)
	}
	return v
})

// amd is a store and a verifier over a simulated AMD.
type amd struct {
	*harness
	*kds
	verifier *sevsnp.Verifier
}

func openAMD(t *testing.T, vendor *simulator.Vendor, change ...func(*store.Config)) amd {
	t.Helper()
	verifier, err := sevsnp.New(vendor.Anchor())
	if err != nil {
		t.Fatal(err)
	}
	k := &kds{service: simulator.KDS{vendor}}
	vendors := func(c *store.Config) {
		c.Vendors = []store.Vendor{{Name: "amd-kds", BaseURL: "https://kdsintf.example", Endorser: verifier}}
		c.Transport = k
	}
	s := newService(newWorld(t))
	return amd{open(t, s, append([]func(*store.Config){vendors}, change...)...), k, verifier}
}

// verify verifies evidence as the service does: what is missing is fetched, and
// then it is judged again.
func (a amd) verify(m *simulator.Machine) (out tee.Outcome, err error) {
	item, err := m.Item([64]byte{1})
	if err != nil {
		return out, err
	}
	for range 3 {
		out = a.verifier.Verify(item, a.Endorsements(), tee.Params{Now: time.Now()})
		wanted := slices.Concat(out.Missing, out.Lacking)
		if len(wanted) == 0 {
			return out, nil
		}
		if _, err = a.fetch(wanted...); err != nil {
			break
		}
	}
	return a.verifier.Verify(item, a.Endorsements(), tee.Params{Now: time.Now()}), err
}

func newMachine(t *testing.T, vendor *simulator.Vendor, options simulator.MachineOptions) *simulator.Machine {
	t.Helper()
	options.WithoutCertificates = true
	m, err := vendor.NewMachine(options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Evidence without any certificate becomes genuine by what the store fetches, once;
// after a restart with the vendor down it still is.
func TestSEVSNP(t *testing.T) {
	vendor := milan()
	bubbleAMD(t, func(t *testing.T) {
		dir := t.TempDir()
		one := newMachine(t, vendor, simulator.MachineOptions{Name: "store one"})
		a := openAMD(t, vendor, func(c *store.Config) { c.Dir = dir })
		for round := range 2 {
			out, err := a.verify(one)
			if err != nil || !out.Genuine() {
				t.Fatalf("%v, missing %v, %v", out.Checks.Failed(), out.Missing, err)
			}
			if n := a.requests(); (n == 0) != (round == 1) || n > 4 {
				t.Errorf("%d requests in round %d", n, round)
			}
		}
		a.Close()
		again := openAMD(t, vendor, func(c *store.Config) { c.Dir = dir })
		again.down = true
		if out, err := again.verify(one); err != nil || !out.Genuine() {
			t.Errorf("after a restart: %v, missing %v, %v", out.Checks.Failed(), out.Missing, err)
		}
		two := newMachine(t, vendor, simulator.MachineOptions{Name: "store two"})
		if out, err := again.verify(two); evidence.CodeOf(err) != evidence.CodeEndorsementUnreachable || out.Genuine() || len(out.Missing) != 1 {
			t.Errorf("a new machine with the vendor down: %v, missing %v, %v", out.Checks.Failed(), out.Missing, err)
		}
		if out, _ := again.verify(one); !out.Genuine() {
			t.Errorf("%v, missing %v", out.Checks.Failed(), out.Missing)
		}
	})
}

// After the vendor replaced the issuer of keys, machines of both generations are
// genuine: the new issuer is looked for when a certificate of its comes, and the
// old one is kept.
func TestSEVSNPAfterRotation(t *testing.T) {
	vendor := milan()
	next, err := vendor.RotateASK(epoch.Add(-day))
	if err != nil {
		t.Fatal(err)
	}
	bubbleAMD(t, func(t *testing.T) {
		old := newMachine(t, vendor, simulator.MachineOptions{Name: "rotation old"})
		dir := t.TempDir()
		a := openAMD(t, vendor, func(c *store.Config) { c.Dir = dir })
		if out, err := a.verify(old); err != nil || !out.Genuine() {
			t.Fatalf("%v, missing %v, %v", out.Checks.Failed(), out.Missing, err)
		}
		time.Sleep(time.Hour)
		a.serve(next)
		fresh := newMachine(t, next, simulator.MachineOptions{Name: "rotation new"})
		for range 2 {
			for _, m := range []*simulator.Machine{fresh, old} {
				if out, err := a.verify(m); err != nil || !out.Genuine() {
					t.Fatalf("%v, missing %v, %v", out.Checks.Failed(), out.Missing, err)
				}
			}
			a.Close()
			a = openAMD(t, next, func(c *store.Config) { c.Dir = dir }) // and after a restart
		}
	})
}

// A revocation comes with the refresh, within a day.
func TestAttack_S32_RevocationArrives(t *testing.T) {
	vendor := milan()
	next, err := vendor.RotateASK(epoch.Add(-day)) // a vendor of its own to publish under
	if err != nil {
		t.Fatal(err)
	}
	bubbleAMD(t, func(t *testing.T) {
		m := newMachine(t, next, simulator.MachineOptions{Name: "revoked soon"})
		a := openAMD(t, next)
		stop := a.run()
		defer stop()
		if out, err := a.verify(m); err != nil || !out.Genuine() {
			t.Fatalf("%v, missing %v, %v", out.Checks.Failed(), out.Missing, err)
		}
		if _, err := next.Revoke(time.Now(), next.ASK().Certificate); err != nil {
			t.Fatal(err)
		}
		time.Sleep(day + time.Hour)
		out, _ := a.verify(m)
		if failed := out.Checks.Failed(); len(failed) == 0 || failed[0].Code != evidence.CodeSNPRevocation {
			t.Errorf("%v, missing %v", out.Checks.Failed(), out.Missing)
		}
	})
}

// bubbleAMD runs a test with a clock of its own.
func bubbleAMD(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	bubble(t, func(t *testing.T, _ *service) { test(t) })
}

// simulated is an endorser of two roots, one of which is simulated: their names
// are the same.
type simulated struct{ real, simulated endorser }

func (s simulated) Needs(c evidence.Claims) []tee.EndorsementName { return s.real.Needs(c) }

func (s simulated) Locate(name tee.EndorsementName) (string, bool) { return s.real.Locate(name) }

func (s simulated) Admit(found, held *tee.Endorsements, now time.Time) []tee.Endorsed {
	all := s.real.Admit(found, held, now)
	for _, d := range s.simulated.Admit(found, held, now) {
		d.Simulated = true
		all = append(all, d)
	}
	return all
}

// What rests on a simulated root never displaces what does not, nor raises its
// floor, and the other way round; also not across a restart.
func TestAttack_S33_SimulatedDoesNotDisplace(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		dir := t.TempDir()
		sim := newStranger(t)
		both := func(c *store.Config) {
			c.Dir = dir
			c.Vendors[0].Endorser = simulated{endorser{root: s.root}, endorser{root: sim.root}}
		}
		h := open(t, s, both)
		theirs := sim.list(99, epoch, epoch.AddDate(5, 0, 0))
		s.offer(crl, theirs.Raw) // the configured service is the simulated one
		ours := s.list5()
		if report, err := h.Import(heap(ours)); err != nil || len(report.Added) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		stop := h.run()
		time.Sleep(time.Hour)
		h.serves(ours.Raw, theirs.Raw, s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw)
		if n := s.requests(); n > 3 { // not again and again because it does not confirm the other
			t.Errorf("%d requests", n)
		}
		stop()
		h.Close()
		h = open(t, s, both)
		next := s.list(6, epoch, epoch.AddDate(1, 0, 0), 1000)
		if report, err := h.Import(heap(next)); err != nil || len(report.Added) != 1 {
			t.Errorf("%+v, %v", report, err)
		}
		h.serves(next.Raw, theirs.Raw, s.issuer("A", epoch.AddDate(-1, 0, 0)).Raw)
		marks := map[uint64]bool{}
		for _, status := range h.Status() {
			marks[status.Sequence] = status.Simulated
		}
		if !marks[99] || marks[6] {
			t.Errorf("%v", marks)
		}
	})
}

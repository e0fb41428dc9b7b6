package ca

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

// list signs a list where the root's key is.
func (o *offline) list(l RootList) []byte {
	o.Helper()
	if l.Life == 0 {
		l.Life = 90 * 24 * time.Hour
	}
	data, _, err := SignRootList(Keys{}, o.rootKey, o.rootCert, l, o.clock.at)
	if err != nil {
		o.Fatal(err)
	}
	return data
}

func (o *offline) install(data []byte) {
	o.Helper()
	if _, err := o.slots.InstallRootList(data); err != nil {
		o.Fatal(err)
	}
}

// published are the lists of roots that the service publishes.
func (o *offline) published() []*x509.RevocationList {
	o.Helper()
	var out []*x509.RevocationList
	for _, der := range lists(o.T, o.Authority, 1).Roots {
		out = append(out, parseList(o.T, der, o.active().root))
	}
	return out
}

// succeed has another issuing CA below the root that is kept elsewhere issue.
func (o *offline) succeed() {
	o.Helper()
	o.made(o.slots.Install(o.sign(o.request()), nil))
	o.made(o.slots.Activate(true))
}

// The whole way: nothing, a first list, and one with an issuing CA that was revoked.
func TestListOfARootThatIsKeptElsewhere(t *testing.T) {
	o := newOffline(t)
	if got := o.published(); len(got) != 0 {
		t.Fatalf("%d lists", len(got))
	}
	before := o.ListBasis()
	first := o.list(RootList{})
	o.install(first)
	if o.ListBasis() == before {
		t.Error("nobody notices that a list was installed")
	}
	l := lists(t, o.Authority, 1)
	if got := o.published(); len(got) != 1 || len(got[0].RevokedCertificateEntries) != 0 || !bytes.Contains(l.PEM(), first) || !l.RootsUntil[l.Active].Equal(got[0].NextUpdate) {
		t.Fatalf("%+v", got)
	}
	old := o.active().issuing
	o.succeed()
	o.after(retireAfter + time.Hour)
	o.made(o.slots.Revoke())
	revoked, err := o.slots.Revoked()
	if err != nil || !bytes.Equal(revoked, encodePEM(old.Raw)) {
		t.Fatalf("%s, %v", revoked, err)
	}
	_, err = o.slots.InstallRootList(o.list(RootList{Previous: first}))
	refused(t, err, evidence.CodeAuthorityRootList) // it lacks what was revoked
	second, count, err := SignRootList(Keys{}, o.rootKey, o.rootCert, RootList{Previous: first, Revoked: revoked, Serials: []*big.Int{big.NewInt(77)}, Life: time.Hour}, o.clock.at)
	if err != nil || count != 2 {
		t.Fatalf("%d revoked, %v", count, err)
	}
	o.install(second)
	got := o.published()[0]
	if !hasEntry(got.RevokedCertificateEntries, old.SerialNumber) || !hasEntry(got.RevokedCertificateEntries, big.NewInt(77)) || hasEntry(got.RevokedCertificateEntries, o.active().issuing.SerialNumber) {
		t.Errorf("%+v", got.RevokedCertificateEntries)
	}
	third := o.list(RootList{Previous: second}) // has what the one before has, whatever the clock says
	o.install(third)
	// The root's key came back: what it signed elsewhere stays revoked.
	copyFile(t, o.rootKey, filepath.Join(o.dir, rootKeyFile))
	o.after(time.Minute)
	online := o.published()[0]
	if !hasEntry(online.RevokedCertificateEntries, big.NewInt(77)) || !hasEntry(online.RevokedCertificateEntries, old.SerialNumber) || online.Number.Cmp(parseList(t, pemBlock(third), o.active().root).Number) <= 0 {
		t.Errorf("%+v", online.RevokedCertificateEntries)
	}
	o.after(issuingTTL)
	if _, err := o.slots.Revoked(); err != nil {
		t.Error(err)
	}
	if ended := must(o.slots.Revoked()); len(ended) != 0 {
		t.Errorf("what ended needs no list: %s", ended)
	}
}

// Where the root's key is, its list has the issuing CAs that were revoked as soon as they are.
func TestListOfARootHasRevokedAuthorities(t *testing.T) {
	r := newRig(t)
	r.made(r.slots.Prepare(false))
	prepared := r.force.Load().all[r.Status().Slots[1].Authority].issuing
	r.made(r.slots.Revoke())
	list := parseList(t, lists(t, r.Authority, 1).Roots[0], r.active().root)
	if !hasEntry(list.RevokedCertificateEntries, prepared.SerialNumber) || len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("%+v", list.RevokedCertificateEntries)
	}
}

func TestAttack_A24_InstalledListIsJudged(t *testing.T) {
	o, other := newOffline(t), otherHierarchy(t)
	first := o.list(RootList{Serials: []*big.Int{big.NewInt(77)}})
	o.install(first)
	o.after(time.Minute)
	rootKey := must(Keys{}.Load(o.rootKey, elliptic.P384()))
	signed := func(change func(*x509.RevocationList)) []byte {
		template := &x509.RevocationList{
			Number: crlNumber(9, o.clock.at), ThisUpdate: o.clock.at.Add(-time.Minute), NextUpdate: o.clock.at.Add(time.Hour),
			RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(77), RevocationTime: o.clock.at}},
		}
		change(template)
		return pem.EncodeToMemory(&pem.Block{Type: pemList, Bytes: must(x509.CreateRevocationList(rand.Reader, template, o.active().root, rootKey))})
	}
	extension := func(critical bool, arcs ...int) []pkix.Extension {
		return []pkix.Extension{{Id: asn1.ObjectIdentifier(arcs), Critical: critical, Value: []byte{0x30, 0}}}
	}
	foreign, _, err := SignRootList(Keys{}, filepath.Join(other, rootKeyFile), filepath.Join(other, rootCertFile), RootList{Life: time.Hour}, o.clock.at)
	if err != nil {
		t.Fatal(err)
	}
	broken := pemBlock(signed(func(*x509.RevocationList) {}))
	broken[len(broken)-1] ^= 1
	for name, list := range map[string][]byte{
		"nothing":                  nil,
		"DER":                      pemBlock(first),
		"two":                      append(bytes.Clone(first), first...),
		"of an issuing CA":         pem.EncodeToMemory(&pem.Block{Type: pemList, Bytes: lists(t, o.Authority, 1).Issuing[o.Status().Slots[0].Authority]}),
		"of another root":          foreign,
		"a broken signature":       pem.EncodeToMemory(&pem.Block{Type: pemList, Bytes: broken}),
		"the same again":           first,
		"a smaller number":         signed(func(l *x509.RevocationList) { l.Number = big.NewInt(1) }),
		"ended":                    signed(func(l *x509.RevocationList) { l.NextUpdate = o.clock.at }),
		"not yet begun":            signed(func(l *x509.RevocationList) { l.ThisUpdate = o.clock.at.Add(time.Second) }),
		"without what was revoked": signed(func(l *x509.RevocationList) { l.RevokedCertificateEntries = nil }),
		"revoking who issues": signed(func(l *x509.RevocationList) {
			l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: o.active().issuing.SerialNumber, RevocationTime: o.clock.at})
		}),
		"for a part of it": signed(func(l *x509.RevocationList) { l.ExtraExtensions = extension(true, 2, 5, 29, 28) }),
		"a change to one":  signed(func(l *x509.RevocationList) { l.ExtraExtensions = extension(false, 2, 5, 29, 27) }),
		"a critical entry": signed(func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].ExtraExtensions = extension(true, 2, 5, 29, 29)
		}),
		"taking somebody off": signed(func(l *x509.RevocationList) { l.RevokedCertificateEntries[0].ReasonCode = 8 }),
	} {
		_, err := o.slots.InstallRootList(list)
		if evidence.CodeOf(err) != evidence.CodeAuthorityRootList {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Contains(lists(t, o.Authority, 1).PEM(), first) {
			t.Fatalf("%s: what was installed is gone", name)
		}
	}
	o.install(signed(func(*x509.RevocationList) {}))
}

func TestRootListsThatAreNotSigned(t *testing.T) {
	o, other := newOffline(t), otherHierarchy(t)
	root := must(readCertificate(o.rootCert))
	for name, tc := range map[string]struct {
		key, cert string
		list      RootList
		code      evidence.Code
	}{
		"the key of another":      {filepath.Join(other, rootKeyFile), o.rootCert, RootList{}, evidence.CodeAuthorityCert},
		"the root itself":         {o.rootKey, o.rootCert, RootList{Serials: []*big.Int{root.SerialNumber}}, evidence.CodeAuthorityRootList},
		"zero":                    {o.rootKey, o.rootCert, RootList{Serials: []*big.Int{{}}}, evidence.CodeAuthorityRootList},
		"a longer number":         {o.rootKey, o.rootCert, RootList{Serials: []*big.Int{new(big.Int).Lsh(big.NewInt(1), serialBits)}}, evidence.CodeAuthorityRootList},
		"no certificates":         {o.rootKey, o.rootCert, RootList{Revoked: []byte("?")}, evidence.CodeAuthorityRootList},
		"a list of somebody else": {o.rootKey, o.rootCert, RootList{Previous: []byte("?")}, evidence.CodeAuthorityRootList},
	} {
		_, _, err := SignRootList(Keys{}, tc.key, tc.cert, tc.list, o.clock.at)
		if evidence.CodeOf(err) != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Certificates of other roots are left out.
	_, count, err := SignRootList(Keys{}, o.rootKey, o.rootCert, RootList{Revoked: readFile(t, filepath.Join(other, issuingCertFile)), Life: time.Hour}, o.clock.at)
	if err != nil || count != 0 {
		t.Errorf("%d revoked, %v", count, err)
	}
}

// What lies in the folder is judged again each time, not only when it was installed. While it is no list of the
// root, the last one stands in its place, if this process had one; what else was revoked does not wait for it.
func TestAttack_A24_ListThatSomebodyPutThere(t *testing.T) {
	for name, isHad := range map[string]bool{"after one that was good": true, "from the start": false} {
		t.Run(name, func(t *testing.T) {
			o := newOffline(t)
			o.install(o.list(RootList{}))
			want := 0
			if isHad {
				want = len(o.published())
			}
			path := rootListPath(o.dir, o.active().root)
			good := readFile(t, path)
			damaged := bytes.Clone(good)
			damaged[len(damaged)/2] ^= 1
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			serial := big.NewInt(77)
			got, err := o.RevocationLists([]Revocation{{Serial: serial, Time: o.clock.at}}, 2)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, got.RootFault, evidence.CodeAuthorityRootList)
			if len(got.Roots) != want {
				t.Errorf("%d lists of roots, want %d", len(got.Roots), want)
			}
			if list := parseList(t, got.Issuing[got.Active], o.active().issuing); len(list.RevokedCertificateEntries) != 1 {
				t.Errorf("the issuing CA's list names %d certificates", len(list.RevokedCertificateEntries))
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := lists(t, o.Authority, 3); got.RootFault != nil || len(got.Roots) != 1 {
				t.Errorf("once it is good again: %d lists of roots, %v", len(got.Roots), got.RootFault)
			}
		})
	}
}

// A root whose key is here says nothing while what was installed for it cannot be read: a list without that
// would take back what was revoked.
func TestAttack_A24_DamagedListOfARootThatIsHere(t *testing.T) {
	a := open(t)
	path := rootListPath(a.config.Dir, a.active().root)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := lists(t, a, 1)
	refused(t, got.RootFault, evidence.CodeAuthorityRootList)
	if len(got.Roots) != 0 {
		t.Error("the root signed a list")
	}
}

// An independent verifier that asks for a list of every CA goes by the one that the root signed
// elsewhere: without it nothing is accepted, and with an issuing CA on it nothing of that.
func TestOpenSSLGoesByTheRootsList(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl here")
	}
	o, dir := newOffline(t), t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old := o.active()
	leaf, root, issuing := write("leaf.pem", encodePEM(o.leaf().Raw)), write("root.pem", encodePEM(old.root.Raw)), write("issuing.pem", encodePEM(old.issuing.Raw))
	says := func(want string) {
		t.Helper()
		list := write("lists.pem", lists(t, o.Authority, 1).PEM())
		at := strconv.FormatInt(o.clock.at.Unix(), 10)
		out, err := exec.Command(openssl, "verify", "-attime", at, "-crl_check_all", "-CRLfile", list, "-CAfile", root, "-untrusted", issuing, leaf).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%v: %s", err, out)
		}
	}
	says("unable to get certificate CRL")
	first := o.list(RootList{})
	o.install(first)
	says("leaf.pem: OK")
	o.succeed()
	o.install(o.list(RootList{Previous: first, Revoked: encodePEM(old.issuing.Raw)}))
	says("certificate revoked")
}

package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/keyfile"
)

// TestAttack_A20_OtherCertificates: only a certificate that the administrators' CA
// signed itself, for a client, makes an administrator.
func TestAttack_A20_OtherCertificates(t *testing.T) {
	h := newHouse(t)
	asIs := func(*x509.Certificate) {}
	h.takes("as it should be", withCertificate(h.sign(asIs)))

	other := newHouse(t)
	foreign, _ := other.issue("alice", Owner)
	h.refuses("of another administrators' CA of the same name", withCertificate(foreign), evidence.CodeUnauthorized)
	h.refuses("with its CA beside it", withCertificate(foreign, other.authority.cert), evidence.CodeUnauthorized)
	h.refuses("with our CA beside it", withCertificate(foreign, h.authority.cert), evidence.CodeUnauthorized)
	h.refuses("the CA's own", withCertificate(h.authority.cert), evidence.CodeUnauthorized)

	key := newKey(t)
	leaf, _ := h.authority.leaf(Request{Name: "mallory", Role: Owner, Key: publicKey(t, key)})
	leaf.Issuer, leaf.SerialNumber = h.authority.cert.Subject, big.NewInt(7)
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	h.refuses("self-signed", withCertificate(parse(t, der)), evidence.CodeUnauthorized)
	impostor := *h.authority.cert
	impostor.PublicKey = &key.PublicKey
	h.refuses("signed with another key in the CA's name", withCertificate(h.signBy(&impostor, key, asIs)), evidence.CodeUnauthorized)

	// A CA below ours, were it there, certifies nobody.
	caKey, err := keyfile.Load(filepath.Join(h.dir, keyFile), elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	subKey := newKey(t)
	sub := h.authority.template()
	sub.SerialNumber, sub.Subject.CommonName = big.NewInt(8), "sub"
	if der, err = x509.CreateCertificate(rand.Reader, sub, h.authority.cert, &subKey.PublicKey, caKey); err != nil {
		t.Fatal(err)
	}
	subCert := parse(t, der)
	below := h.signBy(subCert, subKey, asIs)
	h.refuses("of a CA below", withCertificate(below, subCert), evidence.CodeUnauthorized)
	h.refuses("the CA below", withCertificate(subCert), evidence.CodeUnauthorized)
	h.refuses("a good one behind a bad one", withCertificate(foreign, h.sign(asIs)), evidence.CodeUnauthorized)

	flipped := h.sign(asIs)
	broken := parse(t, append([]byte(nil), flipped.Raw...))
	broken.Signature = append([]byte(nil), broken.Signature...)
	broken.Signature[len(broken.Signature)-1] ^= 1
	h.refuses("a broken signature", withCertificate(broken), evidence.CodeUnauthorized)
}

// What the CA signed and the profile does not have is refused as well: whatever
// made it was not this program.
func TestAttack_A20_CertificatesOutOfProfile(t *testing.T) {
	h := newHouse(t)
	names := func(uris ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.URIs = nil
			var values []asn1.RawValue
			for _, uri := range uris {
				values = append(values, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagURI, Bytes: []byte(uri)})
			}
			der, err := asn1.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			c.ExtraExtensions = []pkix.Extension{{Id: oidSubjectAltName, Value: der}}
		}
	}
	good := "spiffe://example.org/quotary/admin/owner/mallory"
	h.takes("the name, written by hand", withCertificate(h.sign(names(good))))
	for name, change := range map[string]func(*x509.Certificate){
		"no name":            names(),
		"two names":          names(good, good),
		"two roles":          names(strings.Replace(good, "owner", "viewer", 1), good),
		"a second domain":    names(good, "spiffe://other.example/quotary/admin/owner/mallory"),
		"another domain":     names("spiffe://other.example/quotary/admin/owner/mallory"),
		"a domain below":     names("spiffe://sub.example.org/quotary/admin/owner/mallory"),
		"a domain above":     names("spiffe://org/quotary/admin/owner/mallory"),
		"domain in capitals": names("spiffe://EXAMPLE.org/quotary/admin/owner/mallory"),
		"scheme in capitals": names("SPIFFE://example.org/quotary/admin/owner/mallory"),
		"another scheme":     names("https://example.org/quotary/admin/owner/mallory"),
		"role in capitals":   names("spiffe://example.org/quotary/admin/Owner/mallory"),
		"unknown role":       names("spiffe://example.org/quotary/admin/root/mallory"),
		"no role":            names("spiffe://example.org/quotary/admin//mallory"),
		"no holder":          names("spiffe://example.org/quotary/admin/owner/"),
		"no holder at all":   names("spiffe://example.org/quotary/admin/owner"),
		"a folder deeper":    names("spiffe://example.org/quotary/admin/owner/mallory/x"),
		"dots":               names("spiffe://example.org/quotary/admin/viewer/../owner/mallory"),
		"dots behind":        names("spiffe://example.org/quotary/admin/owner/.."),
		"encoded slash":      names("spiffe://example.org/quotary/admin/owner%2fmallory"),
		"encoded letter":     names("spiffe://example.org/quotary/admin/%6fwner/mallory"),
		"encoded dots":       names("spiffe://example.org/quotary/admin/viewer/%2e%2e/owner/mallory"),
		"two slashes":        names("spiffe://example.org//quotary/admin/owner/mallory"),
		"slash behind":       names(good + "/"),
		"query":              names(good + "?x=y"),
		"empty query":        names(good + "?"),
		"empty fragment":     names(good + "#"),
		"fragment":           names(good + "#x"),
		"user":               names("spiffe://x@example.org/quotary/admin/owner/mallory"),
		"port":               names("spiffe://example.org:443/quotary/admin/owner/mallory"),
		"another place":      names("spiffe://example.org/admin/owner/mallory"),
		"the service":        names("spiffe://example.org/quotary"),
		"a workload":         names("spiffe://example.org/web"),
		"name with capitals": func(c *x509.Certificate) {
			names(strings.Replace(good, "mallory", "Mallory", 1))(c)
			c.Subject.CommonName = "Mallory"
		},
		"another subject":   func(c *x509.Certificate) { c.Subject.CommonName = "alice" },
		"more subject":      func(c *x509.Certificate) { c.Subject.Organization = []string{"x"} },
		"no subject":        func(c *x509.Certificate) { c.Subject = pkix.Name{} },
		"DNS name":          func(c *x509.Certificate) { c.DNSNames = []string{"example.org"} },
		"address":           func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} },
		"mail":              func(c *x509.Certificate) { c.EmailAddresses = []string{"a@example.org"} },
		"CA":                func(c *x509.Certificate) { c.IsCA = true },
		"CA's usage":        func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
		"no usage":          func(c *x509.Certificate) { c.KeyUsage = 0 },
		"for servers":       func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		"for servers too":   func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) },
		"for anything":      func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
		"for nothing said":  func(c *x509.Certificate) { c.ExtKeyUsage = nil },
		"unknown usage too": func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} },
		"no constraints":    func(c *x509.Certificate) { c.BasicConstraintsValid = false },
		"key identifier":    func(c *x509.Certificate) { c.SubjectKeyId = []byte{1} },
		"unknown extension": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
		},
		"unknown critical extension": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
		},
		"expired":         func(c *x509.Certificate) { c.NotAfter = epoch.Add(-time.Second) },
		"not yet valid":   func(c *x509.Certificate) { c.NotBefore = epoch.Add(time.Second) },
		"over-long":       func(c *x509.Certificate) { c.NotAfter = epoch.Add(MaxLife + 2*time.Second) },
		"over-long, past": func(c *x509.Certificate) { c.NotBefore = epoch.Add(-MaxLife) },
		"without end":     func(c *x509.Certificate) { c.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) },
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.refuses(name, withCertificate(h.sign(change)), evidence.CodeUnauthorized)
		})
	}
}

func TestRevocation(t *testing.T) {
	h := newHouse(t)
	cert, _ := h.issue("alice", Owner)
	other, _ := h.issue("alice", Owner)
	h.takes("before", withCertificate(cert))
	serial := serialOf(cert.SerialNumber)
	if revoked, err := h.authority.Revoke(strings.ToUpper(serial[:2]) + ":" + serial[2:]); err != nil || !revoked {
		t.Errorf("%v, %v", revoked, err)
	}
	if revoked, err := h.authority.Revoke(serial); err != nil || revoked {
		t.Errorf("again: %v, %v", revoked, err)
	}
	h.refuses("after, without a reload", withCertificate(cert), evidence.CodeUnauthorized)
	h.takes("another of hers", withCertificate(other))

	list, err := h.authority.Issued()
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, one := range list {
		want := "valid"
		if one.Serial == serial {
			want = "revoked"
		}
		if one.Name != "alice" || one.Role != Owner || one.State(epoch) != want || one.State(epoch.AddDate(1, 0, 0)) == "valid" {
			t.Errorf("%+v", one)
		}
	}
	// Where nobody can tell what is revoked, everything is.
	folder := filepath.Join(h.dir, revokedDir)
	away := folder + ".away"
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func() error{
		"gone":     func() error { return nil },
		"a file":   func() error { return os.WriteFile(folder, nil, 0o600) },
		"a link":   func() error { return os.Symlink(away, folder) },
		"writable": func() error { return errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, 0o777)) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		h.refuses("the folder is "+what, withCertificate(other), evidence.CodeUnauthorized)
		refusedWith(t, what, h.Reload(), evidence.CodeDataPermissions)
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(away, folder); err != nil {
		t.Fatal(err)
	}
	h.takes("the folder is back", withCertificate(other))
	h.refuses("the folder is back", withCertificate(cert), evidence.CodeUnauthorized)
}

func TestSerials(t *testing.T) {
	for text, want := range map[string]string{
		"1": strings.Repeat("0", 39) + "1", "0A:Bc": strings.Repeat("0", 36) + "0abc", strings.Repeat("f", 40): strings.Repeat("f", 40),
		"": "", ":": "", "-1": "", "0x1": "", "g": "", strings.Repeat("f", 41): "", "../1": "", "1/2": "", "1.": "", " 1": "", "1\n": "",
	} {
		got, err := ParseSerial(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if got := serialOf(big.NewInt(255)); got != strings.Repeat("0", 38)+"ff" {
		t.Error(got)
	}
}

func TestIssueRefuses(t *testing.T) {
	h := newHouse(t)
	key := publicKey(t, newKey(t))
	for _, name := range []string{"", "Alice", "alice/bob", "..", ".", "-", "a-", ".a", "a b", "a%2fb", "alicé", "alice@example.org", strings.Repeat("a", 64), "a\x00b", "a\n"} {
		_, _, err := h.authority.Issue(Request{Name: name, Role: Owner, Key: key})
		refusedWith(t, name, err, evidence.CodeIssuingIdentity)
	}
	for _, role := range []Role{0, 4, 255} {
		_, _, err := h.authority.Issue(Request{Name: "alice", Role: role, Key: key})
		refusedWith(t, "role", err, evidence.CodeIssuingIdentity)
	}
	_, _, err := h.authority.Issue(Request{Name: "alice", Role: Owner})
	refusedWith(t, "no key", err, evidence.CodeIssuingKey)
	own, err := keyfile.Load(filepath.Join(h.dir, keyFile), elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = h.authority.Issue(Request{Name: "alice", Role: Owner, Key: publicKey(t, own)})
	refusedWith(t, "the CA's key", err, evidence.CodeIssuingKey)
	if list, err := h.authority.Issued(); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.authority.Issue(Request{Name: "a.b-c_1", Role: Viewer, Key: publicKey(t, weak), Life: MaxLife}); err != nil {
		t.Error(err)
	}
	// Another key than the certificate's signs nothing.
	if err := os.Remove(filepath.Join(h.dir, keyFile)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := (keyfile.Keys{}).LoadOrCreate(filepath.Join(h.dir, keyFile), elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.authority.Issue(Request{Name: "alice", Role: Owner, Key: key})
	refusedWith(t, "another key", err, evidence.CodeAuthorityCert)
	// What this CA did not issue is not on its record.
	if err := os.WriteFile(filepath.Join(h.dir, issuedDir, strings.Repeat("0", 40)+".crt"), encodePEM(h.authority.cert.Raw), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = h.authority.Issued()
	refusedWith(t, "a foreign record", err, evidence.CodeAuthorityCert)
}

func TestAuthorityRefuses(t *testing.T) {
	clock := func() time.Time { return epoch }
	key := newKey(t)
	proper := &Authority{trustDomain: domain, now: clock}
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		code   evidence.Code
	}{
		"as it should be":     {func(*x509.Certificate) {}, evidence.Code{}},
		"another domain":      {func(c *x509.Certificate) { c.URIs[0].Host = "other.example" }, evidence.CodeAuthorityCert},
		"a path":              {func(c *x509.Certificate) { c.URIs[0].Path = "/x" }, evidence.CodeAuthorityCert},
		"two domains":         {func(c *x509.Certificate) { c.URIs = append(c.URIs, &url.URL{Scheme: "spiffe", Host: "x.example"}) }, evidence.CodeAuthorityCert},
		"no CA":               {func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }, evidence.CodeAuthorityCert},
		"a longer path":       {func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 1, false }, evidence.CodeAuthorityCert},
		"other usage":         {func(c *x509.Certificate) { c.ExtKeyUsage = nil }, evidence.CodeAuthorityCert},
		"expired":             {func(c *x509.Certificate) { c.NotAfter = epoch.Add(-1) }, evidence.CodeAuthorityExpired},
		"about to expire":     {func(c *x509.Certificate) { c.NotAfter = epoch.Add(minAuthorityLife - time.Minute) }, evidence.CodeAuthorityExpired},
		"not yet valid":       {func(c *x509.Certificate) { c.NotBefore = epoch.Add(time.Minute) }, evidence.CodeAuthorityExpired},
		"another key's issue": {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature }, evidence.CodeAuthorityCert},
	} {
		dir := t.TempDir()
		for _, folder := range []string{issuedDir, revokedDir} {
			if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		template := proper.template()
		template.SerialNumber = big.NewInt(1)
		c.change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, certFile), encodePEM(der), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = OpenAuthority(dir, domain, clock)
		refusedWith(t, name, err, c.code)
	}
	_, err := OpenAuthority(t.TempDir(), "", clock)
	if err == nil || !os.IsNotExist(err) {
		t.Errorf("none is there, and no trust domain: %v", err)
	}
}

// TestAttack_A20_Handshakes: over real TLS, with a server that asks for certificates
// of the administrators' CA and takes connections without.
func TestAttack_A20_Handshakes(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.Now = nil; o.Config.OIDC = OIDC{} })
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := h.Authenticate(r)
		if err != nil {
			http.Error(w, evidence.CodeOf(err).String(), http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, p.Actor()+" "+p.Role.String())
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	server.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := server.TLS.Clone()
		c.ClientAuth, c.ClientCAs = tls.VerifyClientCertIfGiven, h.ClientCAs()
		return c, nil
	}
	server.StartTLS()
	defer server.Close()

	cert, key := h.issue("alice", Owner)
	revoked, revokedKey := h.issue("bob", Owner)
	if _, err := h.authority.Revoke(serialOf(revoked.SerialNumber)); err != nil {
		t.Fatal(err)
	}
	other := newHouse(t, func(o *Options) { o.Now = nil })
	foreign, foreignKey := other.issue("alice", Owner)
	pair := func(c *x509.Certificate, key *ecdsa.PrivateKey) *tls.Certificate {
		return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
	}
	for _, c := range []struct {
		name   string
		use    *tls.Certificate
		bearer string
		want   string // empty: no answer at all
	}{
		{"alice", pair(cert, key), "", "certificate:alice owner"},
		{"nobody", &tls.Certificate{}, "", "service.unauthorized"},
		{"bootstrap", &tls.Certificate{}, credential, "bootstrap owner"},
		{"both", pair(cert, key), credential, "service.unauthorized"},
		{"revoked", pair(revoked, revokedKey), "", "service.unauthorized"},
		{"of another CA", pair(foreign, foreignKey), "", ""},
		{"without her key", pair(cert, newKey(t)), "", ""},
	} {
		got := ask(t, server, c.use, c.bearer)
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// ask returns the answer, or nothing if there is none.
func ask(t *testing.T, server *httptest.Server, use *tls.Certificate, bearer string) string {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return use, nil },
	}}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// What is issued is one PEM block, and on record in the same bytes.
func TestIssued(t *testing.T) {
	h := newHouse(t)
	issued, data, err := h.authority.Issue(Request{Name: "alice", Role: Operator, Key: publicKey(t, newKey(t))})
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile(filepath.Join(h.dir, issuedDir, issued.Serial+".crt"))
	if err != nil || string(record) != string(data) {
		t.Errorf("the record differs: %v", err)
	}
	block, rest := pem.Decode(data)
	if len(rest) != 0 || block.Type != pemCertificate {
		t.Error("not one certificate")
	}
	cert := parse(t, block.Bytes)
	if got := cert.URIs[0].String(); got != "spiffe://example.org/quotary/admin/operator/alice" {
		t.Error(got)
	}
	if name, err := TrustDomainOf(filepath.Join(h.dir, certFile)); err != nil || name != domain {
		t.Errorf("%q, %v", name, err)
	}
	if name, err := TrustDomainOf(filepath.Join(h.dir, issuedDir, issued.Serial+".crt")); err == nil {
		t.Errorf("a leaf is for the trust domain %q", name)
	}
}

// A certificate of the CA for a key that it would not certify today is refused.
func TestWeakKeyInCertificate(t *testing.T) {
	h := newHouse(t)
	signer, err := keyfile.Load(filepath.Join(h.dir, keyFile), elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := h.authority.leaf(Request{Name: "alice", Role: Owner, Key: publicKey(t, newKey(t))})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, h.authority.cert, &weak.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	h.refuses("P-224", withCertificate(parse(t, der)), evidence.CodeUnauthorized)
}

// However many start at once, there is one CA, and it certifies.
func TestConcurrentCreation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), DirName)
	var wait sync.WaitGroup
	made := make([]*Authority, 16)
	for i := range made {
		wait.Go(func() {
			var err error
			if made[i], err = OpenAuthority(dir, domain, func() time.Time { return epoch }); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, a := range made {
		if a == nil || !a.cert.Equal(made[0].cert) {
			t.Fatal("there are two CAs")
		}
	}
	if _, _, err := made[0].Issue(Request{Name: "alice", Role: Owner, Key: publicKey(t, newKey(t))}); err != nil {
		t.Error(err)
	}
}

// A start that ended between key and certificate is completed by the next one; what
// is there and is no certificate is not replaced.
func TestCreationCompletes(t *testing.T) {
	clock := func() time.Time { return epoch }
	h := newHouse(t)
	path := filepath.Join(h.dir, certFile)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(h.dir, domain, clock)
	if err != nil || !h.authority.cert.PublicKey.(*ecdsa.PublicKey).Equal(again.cert.PublicKey) {
		t.Errorf("another key: %v", err)
	}
	for name, data := range map[string]string{
		"empty": "", "a key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "nonsense": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"two": string(encodePEM(again.cert.Raw)) + string(encodePEM(again.cert.Raw)),
	} {
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := OpenAuthority(h.dir, domain, clock)
		refusedWith(t, name, err, evidence.CodeAuthorityCert)
		_, err = TrustDomainOf(path)
		refusedWith(t, name, err, evidence.CodeAuthorityCert)
	}
}

package clienttest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// visit is how a server is called that listens at a socket.
type visit struct {
	socket, host string
	roots        *x509.CertPool
}

// answer is what a caller sees.
type answer struct {
	status int
	text   string
	serial string // of the server's certificate, in hex
}

// client returns a client that shows a certificate, unless it is nil. Connections are kept
// open only if kept.
func (v visit) client(own *tls.Certificate, kept bool) *http.Client {
	config := &tls.Config{RootCAs: v.roots, ServerName: v.host}
	if own != nil { // whatever the server asks for: whom it lets in is its matter
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: !kept,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", v.socket)
		},
	}}
}

// ask sends a request.
func (v visit) ask(client *http.Client) (answer, error) {
	response, err := client.Get("https://" + v.host + "/")
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(body), response.TLS.PeerCertificates[0].SerialNumber.Text(16)}, err
}

// welcomes returns an error unless a caller is let in, as who it is.
func (v visit) welcomes(own *tls.Certificate, id string) error {
	got, err := v.ask(v.client(own, false))
	if err == nil && (got.status != http.StatusOK || got.text != id) {
		err = fmt.Errorf("the answer is %d %q, not for %s", got.status, got.text, id)
	}
	return err
}

// refuses returns an error unless a caller is refused, in the handshake or by an answer.
func (v visit) refuses(own *tls.Certificate) error {
	if got, err := v.ask(v.client(own, false)); err == nil && got.status != http.StatusBadRequest {
		return fmt.Errorf("the answer is %d %q", got.status, got.text)
	}
	return nil
}

// must sends a request that must be answered.
func (v visit) must(t *testing.T, own *tls.Certificate) answer {
	t.Helper()
	got, err := v.ask(v.client(own, false))
	if err != nil || got.status != http.StatusOK {
		t.Fatalf("a request failed: %+v, %v", got, err)
	}
	return got
}

// stock calls with programs that everybody has: curl by the files of an agent, and
// OpenSSL, which verifies the server's chain under the roots and the revocation lists.
func stock(t *testing.T, f *fleet, web visit, lists string) {
	t.Helper()
	files := f.once(t, "caller")
	file := func(name string) string { return filepath.Join(files, name) }
	said, err := run(t, need(t, "curl"), "--silent", "--show-error", "--fail", "--unix-socket", web.socket, "--cacert", file("ca.crt"), "--cert", file("tls.pem"), "https://"+web.host+"/")
	if err != nil || said != f.id("caller") {
		t.Errorf("curl: %q, %v", said, err)
	}
	if said, err := run(t, need(t, "curl"), "--silent", "--show-error", "--fail", "--unix-socket", web.socket, "--cacert", file("ca.crt"), "https://"+web.host+"/"); err == nil {
		t.Errorf("curl without a certificate: %q", said)
	}
	trusted := filepath.Join(t.TempDir(), "trusted") // roots and lists in one file
	write(t, trusted, string(read(t, file("ca.crt")))+string(read(t, lists)))
	if said, err := run(t, need(t, "openssl"), "s_client", "-unix", web.socket, "-servername", web.host, "-verify_hostname", web.host, "-verify_return_error",
		"-CAfile", trusted, "-crl_check_all", "-cert", file("tls.crt"), "-cert_chain", file("tls.crt"), "-key", file("tls.key")); err != nil || !strings.Contains(said, "\nVerification: OK\n") {
		t.Errorf("openssl: %s, %v", said, err)
	}
}

// serial is a certificate's serial number, in hex.
func serial(cert *tls.Certificate) string { return cert.Leaf.SerialNumber.Text(16) }

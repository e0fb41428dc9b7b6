package clienttest_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quotary/quotary/internal/agent/agenttest"
	"github.com/quotary/quotary/internal/agent/daemon"
	"github.com/quotary/quotary/internal/strictyaml"
)

// proxy is a server in front of a workload, set up as the page has it.
type proxy struct {
	name string
	// places are what the page says, and where that is in the directory of a test.
	places map[string]string
	// start starts it with the configuration of the page.
	start func(t *testing.T, path, dir, configuration string) *program
	// settled returns an error until it hears signals again, after it was reloaded so often;
	// nil where it always does.
	settled func(dir string, reloads int) error
}

var proxies = []proxy{
	{"nginx", map[string]string{
		"/run/quotary/nginx": "DIR/identity", "listen 8443": "listen unix:DIR/socket",
	}, func(t *testing.T, path, dir, configuration string) *program {
		write(t, filepath.Join(dir, "attested.conf"), configuration)
		write(t, filepath.Join(dir, "nginx.conf"), strings.ReplaceAll(`daemon off;
pid DIR/pid;
worker_processes 1;
events {}
http {
    access_log off;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    include DIR/attested.conf;
}
`, "DIR", dir))
		return start(t, exec.Command(path, "-p", dir, "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf")))
	}, nil},
	{"haproxy", map[string]string{
		"/run/quotary/haproxy": "DIR/identity", "bind :8443": "bind unix@DIR/socket", "/run/haproxy/admin.sock": "DIR/admin",
	}, func(t *testing.T, path, dir, configuration string) *program {
		write(t, filepath.Join(dir, "haproxy.cfg"), configuration)
		return start(t, exec.Command(path, "-W", "-db", "-S", filepath.Join(dir, "master"), "-p", filepath.Join(dir, "pid"), "-f", filepath.Join(dir, "haproxy.cfg")))
	}, haproxySettled},
}

// settle waits until the server hears signals.
func (p proxy) settle(t *testing.T, dir string, reloads int) {
	t.Helper()
	if p.settled != nil {
		eventually(t, func() error { return p.settled(dir, reloads) })
	}
}

// masterReloads finds how often haproxy's master was reloaded: process, type, reloads.
var masterReloads = regexp.MustCompile(`(?m)^\d+\s+master\s+(\d+)\s`)

// haproxySettled asks the master, which answers when it is not busy with a reload, how many
// there were.
func haproxySettled(dir string, reloads int) error {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(dir, "master")})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "show proc\n")
	if err := errors.Join(err, conn.CloseWrite(), conn.SetDeadline(time.Now().Add(grace))); err != nil {
		return err
	}
	said, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if count := masterReloads.FindSubmatch(said); count != nil {
		if n, err := strconv.Atoi(string(count[1])); err == nil && n >= reloads {
			return nil
		}
	}
	return fmt.Errorf("haproxy was not reloaded %d times: %s", reloads, said)
}

// place puts what the page says where the test is. All that is to be replaced must be there.
func place(t *testing.T, text, dir string, places map[string]string) string {
	t.Helper()
	for was, is := range places {
		if !strings.Contains(text, was) {
			t.Fatalf("%q is not in:\n%s", was, text)
		}
		text = strings.ReplaceAll(text, was, strings.ReplaceAll(is, "DIR", dir))
	}
	return text
}

// Servers that read files, set up word for word as the page says, let in the machines of the
// trust domain and nobody else; go on through renewals without a request that fails; and
// refuse a client soon after its certificate was revoked, whose connections end.
func TestProxies(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			path := need(t, p.name)
			f, dir := serve(t, "web", "caller"), agenttest.ShortDir(t)

			var c daemon.Config
			parse(t, place(t, recipe(t, p.name, "yaml"), dir, map[string]string{"/run/quotary/" + p.name: "DIR/identity", "/run/" + p.name + ".pid": "DIR/pid"}), &c)
			d, lists := f.run(t, "web", c), filepath.Join(dir, "identity", "crl.pem")
			eventually(t, func() error { _, err := os.Stat(lists); return err }) // with the identity, if nothing is slow
			places := map[string]string{"127.0.0.1:8080": workload(t)}
			for was, is := range p.places {
				places[was] = is
			}
			server := p.start(t, path, dir, place(t, recipe(t, p.name, p.name), dir, places))
			web := visit{socket: filepath.Join(dir, "socket"), host: "web." + f.TrustDomain(), roots: roots(t, f)}

			caller := f.Attest(t, f.machines["caller"])
			eventually(t, func() error { server.runs(t); return web.welcomes(caller.Certificate, f.id("caller")) })
			strangers(t, web)
			stock(t, f, web, lists)
			p.settle(t, dir, 0)
			renewal(t, d, web, caller.Certificate)
			p.settle(t, dir, 1)
			revocation(t, f, web, caller.Certificate)
		})
	}
}

// parse reads YAML as the agent does.
func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := strictyaml.Parse("agent.yaml", []byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// roots are those of the service's authority.
func roots(t *testing.T, f *fleet) *x509.CertPool {
	t.Helper()
	pool, err := f.Roots()
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// workload starts what is behind a proxy: it answers with the SPIFFE ID of the certificate
// that it is handed.
func workload(t *testing.T) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cert, err := handed(r.Header.Get("X-Client-Certificate"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, cert.URIs[0]) // a client that is gone is the test's to notice
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// handed reads a certificate from a header: escaped PEM, or DER in base64.
func handed(header string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		text, err := url.QueryUnescape(strings.ReplaceAll(header, "+", "%2B"))
		block, _ := pem.Decode([]byte(text))
		if err != nil || block == nil {
			return nil, fmt.Errorf("%q is no certificate", header)
		}
		der = block.Bytes
	}
	cert, err := x509.ParseCertificate(der)
	if err == nil && len(cert.URIs) != 1 {
		err = errors.New("the certificate does not have one URI name")
	}
	return cert, err
}

// strangers are refused: who shows no certificate, and one that another authority made.
func strangers(t *testing.T, web visit) {
	t.Helper()
	if err := web.refuses(nil); err != nil {
		t.Errorf("without a certificate: %v", err)
	}
	other := agenttest.NewAuthority(t).Issue(t, "caller", time.Hour)
	if err := web.refuses(other.Certificate); err != nil {
		t.Errorf("with a certificate of another authority: %v", err)
	}
}

// renewal is noticed by who calls all the time, with a new connection each, by the serial
// number alone.
func renewal(t *testing.T, d *daemon.Daemon, web visit, own *tls.Certificate) {
	t.Helper()
	before, _ := d.Current()
	d.Hurry()
	for deadline := time.Now().Add(patience); ; time.Sleep(look / 10) {
		shown := web.must(t, own).serial
		if now, _ := d.Current(); now.Identity.Certificate != before.Identity.Certificate && shown == serial(now.Identity.Certificate) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server shows %s still", shown)
		}
	}
}

// revocation has a client refused whose certificate was revoked, its open connection closed,
// and the same machine let in again when it has another certificate.
func revocation(t *testing.T, f *fleet, web visit, own *tls.Certificate) {
	t.Helper()
	open := web.client(own, true)
	defer open.CloseIdleConnections()
	if _, err := web.ask(open); err != nil {
		t.Fatal(err)
	}
	f.revoke(t, serial(own))
	eventually(t, func() error { return web.refuses(own) })
	eventually(t, func() error {
		if answer, err := web.ask(open); err == nil && answer.status == http.StatusOK {
			return errors.New("an open connection goes on")
		}
		return nil
	})
	if err := web.welcomes(f.Attest(t, f.machines["caller"]).Certificate, f.id("caller")); err != nil {
		t.Errorf("the machine with its next certificate: %v", err)
	}
}

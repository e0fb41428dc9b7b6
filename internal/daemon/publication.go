package daemon

import (
	"net"

	"github.com/quotary/quotary/evidence"
)

// Publication is a second way to what is signed in itself: revocation lists, and answers about
// single certificates. Clients of these commonly speak plain HTTP, and lose nothing by it.
type Publication struct {
	// Listen is an address and port for plain HTTP. Defaults to none.
	Listen string `yaml:"listen"`
}

func (p Publication) check() error {
	if p.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(p.Listen); err != nil {
		return evidence.Errorf(evidence.CodeConfigMalformed, "publication.listen", "%q is no address and port, such as 127.0.0.1:8080", p.Listen)
	}
	return nil
}

// Publish has [Daemon.Serve] serve on listener, over plain HTTP, what is signed in itself.
func (d *Daemon) Publish(listener net.Listener) { d.publication = listener }

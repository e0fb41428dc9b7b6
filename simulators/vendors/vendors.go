// Package vendors serves the services of a simulated world's vendors over HTTP,
// with the paths, headers and errors of the real ones: AMD's key distribution
// service, Intel's provisioning certification service (API v4) with the service that
// has its root's revocation list, and a caching service (PCCS) in front of those.
// A client of the real ones that is given another base URL works with these.
//
// They can be as bad as the real ones, and worse: [Faults] has them fall silent,
// want pauses, break off, hand out what is forged or over, or revoke keys. Faults are
// injected and cleared at any time, so that a service can be watched while its
// vendors fail.
//
// Start at [New]; the handler goes into any HTTP server, [At] says what the base
// URLs are then.
package vendors

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/quotary/quotary/simulators"
	"github.com/quotary/quotary/simulators/sevsnp"
	"github.com/quotary/quotary/simulators/tdx"
	"github.com/quotary/quotary/tee"
)

// The vendors' services, as the endorsement store names them.
const (
	AMDKDS    = "amd-kds"    // AMD's key distribution service (57230)
	IntelPCS  = "intel-pcs"  // Intel's provisioning certification service (API v4)
	IntelRoot = "intel-root" // where the revocation list of Intel's root is
	IntelPCCS = "intel-pccs" // a caching service (Intel SGX DCAP) instead of both
)

// Services lists them.
func Services() []string { return []string{AMDKDS, IntelPCS, IntelRoot, IntelPCCS} }

// URLs are the base URLs of the services, by name. Requests below the root itself
// are answered by whichever of the first three has the path: for clients in which
// only the host can be set.
type URLs map[string]string

// At returns the base URLs of a [Server] that is reached at root, such as
// "http://127.0.0.1:8081".
func At(root string) URLs {
	urls := URLs{}
	for _, name := range Services() {
		urls[name] = strings.TrimSuffix(root, "/") + "/" + name
	}
	return urls
}

// Server answers for all vendors of a world. It is an [http.Handler], safe for
// concurrent use. A product line of AMD's is served once the world has made it.
type Server struct {
	world *simulators.World
	intel *tdx.Services

	mu     sync.Mutex // guards what follows
	faults map[string]*injected
	counts map[string]Count
}

// Count counts the requests to a service.
type Count struct {
	Requests int `json:"requests"`
	Faulty   int `json:"faulty"` // answered wrongly, by a fault
}

// New returns the services of a world's vendors, without faults. What is handed out
// is dated by the world's clock.
func New(w *simulators.World) *Server {
	return &Server{world: w, intel: tdx.NewServices(w.TDX), faults: map[string]*injected{}, counts: map[string]Count{}}
}

// Intel is what Intel's services publish; what is published there is handed out by
// the three of them from then on.
func (s *Server) Intel() *tdx.Services { return s.intel }

// Counts returns how often each service was asked.
func (s *Server) Counts() map[string]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

func (s *Server) count(service string, add Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[service]
	s.counts[service] = Count{c.Requests + add.Requests, c.Faulty + add.Faulty}
}

// Endorsements are everything that the vendors hand out now, faults of what is
// published included: for services that are given endorsements as files.
func (s *Server) Endorsements() (*tee.Endorsements, error) {
	e := &tee.Endorsements{}
	for _, line := range s.world.Lines() {
		line.Endorsements(e)
	}
	s.intel.Collateral().AddTo(e)
	if err := s.world.TPM.Endorsements(e); err != nil {
		return nil, err
	}
	return s.alterAll(e)
}

// TPM are the endorsements that no service hands out: those of TPMs, whose makers
// publish them each in their own way.
func (s *Server) TPM() (*tee.Endorsements, error) {
	e := &tee.Endorsements{}
	return e, s.world.TPM.Endorsements(e)
}

// route finds the service that a path is for, and its path there.
func route(path string) (service, rest string) {
	for _, name := range Services() {
		if below, ok := strings.CutPrefix(path, "/"+name); ok && strings.HasPrefix(below, "/") {
			return name, below
		}
	}
	switch {
	case strings.HasPrefix(path, "/vcek/"), strings.HasPrefix(path, "/vlek/"):
		return AMDKDS, path
	case strings.HasPrefix(path, "/sgx/"), strings.HasPrefix(path, "/tdx/"):
		return IntelPCS, path
	}
	return IntelRoot, path
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, path := route(r.URL.EscapedPath())
	s.count(service, Count{Requests: 1})
	a, altered := s.answer(service, r.Method, path, r.URL.RawQuery)
	fault := s.broken(service)
	if fault != nil || altered {
		s.count(service, Count{Faulty: 1})
	}
	if fault == nil {
		a.write(w)
		return
	}
	fault.transport.serve(exchange{w, r, a, fault.cleared})
}

// answer asks a service, and alters what it says as the faults in force do.
func (s *Server) answer(service, method, path, query string) (a answer, altered bool) {
	switch service {
	case AMDKDS:
		status, contentType, body := sevsnp.KDS(s.world.Lines()).Answer(method, path, query)
		a = answer{tdx.Answer{Status: status, Header: map[string]string{"Content-Type": contentType}, Body: body}}
	case IntelPCS:
		a = answer{s.intel.PCS(method, path, query)}
	case IntelPCCS:
		a = answer{s.intel.PCCS(method, path, query)}
	default:
		a = answer{s.intel.Roots(method, path, query)}
	}
	if a.Status != http.StatusOK {
		return a, false
	}
	body, altered := s.alterBody(a.Body)
	a.Body = body
	return a, altered
}

// answer is the response to a request.
type answer struct{ tdx.Answer }

// head writes what stands before the body.
func (a answer) head(w http.ResponseWriter) {
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		w.Header()[name] = []string{a.Header[name]}
	}
	w.WriteHeader(a.Status)
}

func (a answer) write(w http.ResponseWriter) {
	a.head(w)
	_, _ = w.Write(a.Body) // who asked may be gone
}

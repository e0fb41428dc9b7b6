package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/admin"
	"github.com/quotary/quotary/internal/store"
)

// Administrators knows administrators: an *admin.Authenticator.
type Administrators interface {
	// Authenticate returns who sent a request. Beside an error, a principal without a
	// role is somebody who was recognised and is no administrator.
	Authenticate(*http.Request) (admin.Principal, error)
	// Authorize returns nil if they may do this.
	Authorize(admin.Principal, admin.Action) error
	// Approvals is how many owners must agree to a change of the policy.
	Approvals() int
	// ClientCAs are the authorities of their certificates, now.
	ClientCAs() *x509.CertPool
}

// caller is the administrator who sent a request.
type caller struct {
	admin.Principal
	recorded bool   // the ledger has the call, together with what it changed
	about    string // the attestation that was looked at, if it was one
	reason   string // that was given for a change
	where    string // the condition of a revocation
	dry      bool   // the change is only to be tried
}

// operation is one method of one path of the administrators' interface.
type operation struct {
	method, path string
	name         string       // in audit trail and metrics, behind "admin."
	needs        admin.Action // what the caller must be permitted, at least
	answer       handler
}

// administrators answers a call. Who calls is known before anything else of the
// request is read, and the ledger has the call before the answer leaves.
func (s *Server) administrators(o operation) handler {
	action := "admin." + o.name
	return s.audited(action, func(x *exchange) (reply, error) {
		principal, err := s.Administrators.Authenticate(x.r)
		if principal.Method != "" { // also of somebody whom the provider knows and who has no role
			x.caller = &caller{Principal: principal}
		}
		if err != nil {
			return reply{}, err
		}
		if err := s.Administrators.Authorize(principal, o.needs); err != nil {
			return reply{}, err
		}
		x.allowTime()
		rep, err := o.answer(x)
		if err != nil {
			return reply{}, err
		}
		return rep, s.recordCall(x, action)
	})
}

// allowTime gives an administrator longer than anybody gets, for large bodies and
// answers that take seconds to find.
func (x *exchange) allowTime() {
	control, now := http.NewResponseController(x.w), time.Now()
	// Where a deadline cannot be set, that of everybody holds.
	_ = control.SetReadDeadline(now.Add(adminReadTimeout))
	_ = control.SetWriteDeadline(now.Add(adminReadTimeout + adminTimeout + writeTimeout))
}

// may returns nil if the caller is permitted an action beside the one of the path.
func (s *Server) may(x *exchange, action admin.Action) error {
	return s.Administrators.Authorize(x.caller.Principal, action)
}

// recordCall records a call that changed nothing. Many are made, so they are
// bounded as refusals are.
func (s *Server) recordCall(x *exchange, action string) error {
	s.metrics.outcome(x, action, "")
	if x.caller.recorded {
		return nil
	}
	omitted, ok := s.calls.take()
	if !ok {
		return nil
	}
	d := x.detail()
	d.Omitted = omitted
	return s.record(x, d, store.Entry{Event: store.Event{Action: action, Outcome: store.Done, AttestationID: x.caller.about}})
}

// change is the event of a call that changes something; the ledger takes it
// together with the change.
func (s *Server) change(x *exchange, action string) (store.Event, error) {
	return s.event(x, x.detail(), store.Event{Action: "admin." + action, Outcome: store.Done})
}

// changing runs a change. It goes on if the client leaves, and notes that the
// ledger has it.
func (s *Server) changing(x *exchange, action string, change func(context.Context, store.Event) error) error {
	event, err := s.change(x, action)
	if err != nil {
		return err
	}
	err = s.computing(x, func(ctx context.Context) error { return change(context.WithoutCancel(ctx), event) })
	x.caller.recorded = err == nil
	return err
}

// computing runs what may take seconds: few at once, and not for longer than
// adminTimeout. It takes no place of an appraisal's.
func (s *Server) computing(x *exchange, work func(context.Context) error) error {
	slot, err := s.planning.enter(x.r.Context())
	if err != nil {
		return err
	}
	defer slot.leave()
	ctx, cancel := context.WithTimeout(x.r.Context(), adminTimeout)
	defer cancel()
	err = s.timed("plan", func() error { return work(ctx) })
	if evidence.CodeOf(err) == evidence.CodeLedgerUnavailable && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return evidence.Errorf(evidence.CodeOverloaded, "", "this took longer than %s, and was left", adminTimeout)
	}
	return err
}

// askForCertificates has TLS connections ask for an administrator's certificate.
// Connections without one are served. That the client has its key is what the handshake
// shows; what the certificate is worth is judged anew at each request, so that one of
// another authority is refused as any other credential is.
func (s *Server) askForCertificates(config *tls.Config) *tls.Config {
	asking := config.Clone()
	asking.ClientAuth = tls.RequestClientCert
	asking.NextProtos = []string{"h2", "http/1.1"}
	out := config.Clone()
	out.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := asking.Clone()
		c.ClientCAs = s.Administrators.ClientCAs() // a reload may have replaced it
		return c, nil
	}
	return out
}

package control

import (
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/simulators/fleet"
	"github.com/quotary/quotary/simulators/machines"
)

// described is a machine as it is told.
type described struct {
	machines.Spec
	Kinds       []evidence.Kind `json:"kinds"`
	Requirement string          `json:"requirement"` // YAML, of the policy that fits it
}

func describe(m *fleet.Machine) described {
	return described{m.Spec(), m.Kinds(), m.Requirement()}
}

// list lists the machines.
func (s *Server) list(*http.Request) (reply, error) {
	all := struct {
		Machines []described `json:"machines"`
	}{[]described{}}
	for _, m := range s.options.Fleet.All() {
		all.Machines = append(all.Machines, describe(m))
	}
	return reply{body: all}, nil
}

// create makes a machine from a description, and has it admitted.
func (s *Server) create(r *http.Request) (reply, error) {
	body, err := read(r)
	if err != nil {
		return reply{}, err
	}
	spec, err := machines.Parse("machine", body)
	if err != nil {
		return reply{}, err
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	m, err := s.options.Fleet.Add(spec)
	if err != nil {
		return reply{}, err
	}
	err = s.options.Host.Admit(r.Context(), m)
	if err == nil && s.options.Added != nil {
		err = s.options.Added(m)
	}
	if err != nil {
		return reply{}, errors.Join(err, s.options.Fleet.Remove(spec.Name))
	}
	return reply{status: http.StatusCreated, body: describe(m)}, nil
}

func (s *Server) machine(r *http.Request) (*fleet.Machine, error) {
	return s.options.Fleet.Find(r.PathValue("name"))
}

// show shows a machine.
func (s *Server) show(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	return reply{body: describe(m)}, nil
}

// remove ends a machine. What it was granted stays granted.
func (s *Server) remove(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	if s.options.Removed != nil {
		if err := s.options.Removed(m.Name()); err != nil {
			return reply{}, err
		}
	}
	return reply{status: http.StatusNoContent}, s.options.Fleet.Remove(m.Name())
}

// attest returns evidence for report data of the sender's.
func (s *Server) attest(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	asked, err := decode[struct {
		ReportData string `json:"report_data"`
	}](r)
	if err != nil {
		return reply{}, err
	}
	var binding evidence.Binding
	data, err := hex.DecodeString(asked.ReportData)
	if err != nil || len(data) != len(binding) {
		return reply{}, malformed("report_data", "send %d bytes in hex", len(binding))
	}
	copy(binding[:], data)
	bundle, err := m.Attest(r.Context(), binding)
	if err != nil {
		return reply{}, err
	}
	body, err := bundle.MarshalJSON()
	return reply{contentType: evidence.MediaTypeCMWJSON, body: body}, err
}

// extend has software on the machine measure something.
func (s *Server) extend(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	asked, err := decode[struct {
		Register string `json:"register"`
		Data     []byte `json:"data"` // base64
	}](r)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, m.Extend(asked.Register, asked.Data)
}

// reboot starts the machine again.
func (s *Server) reboot(r *http.Request) (reply, error) {
	m, err := s.machine(r)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, m.Reboot()
}

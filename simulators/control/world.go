package control

import (
	"net/http"
	"time"
)

// fault is one that begins or ends.
type fault struct {
	Fault string   `json:"fault"`
	On    []string `json:"on"` // machines
}

// faults lists those in force.
func (s *Server) faults(*http.Request) (reply, error) {
	all := struct {
		Vendors  []string            `json:"vendors"`
		Machines map[string][]string `json:"machines"`
	}{append([]string{}, s.options.Vendors.Injected()...), map[string][]string{}}
	for _, m := range s.options.Fleet.All() {
		if spec := m.Spec(); len(spec.Faults) > 0 {
			all.Machines[spec.Name] = spec.Faults
		}
	}
	return reply{body: all}, nil
}

// inject puts a fault in force.
func (s *Server) inject(r *http.Request) (reply, error) {
	f, err := decode[fault](r)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, s.options.Fleet.Inject(f.Fault, f.On...)
}

// clear ends a fault.
func (s *Server) clear(r *http.Request) (reply, error) {
	f, err := decode[fault](r)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, s.options.Fleet.Clear(f.Fault, f.On...)
}

// clock tells the time in the world.
func (s *Server) clock(*http.Request) (reply, error) {
	return reply{body: struct {
		Now time.Time `json:"now"`
	}{s.options.Clock.Now().UTC()}}, nil
}

// travel moves the clock.
func (s *Server) travel(r *http.Request) (reply, error) {
	asked, err := decode[struct {
		Travel string `json:"travel"`
	}](r)
	if err != nil {
		return reply{}, err
	}
	d, err := time.ParseDuration(asked.Travel)
	if err != nil || d.Abs() > maxTravelHours*time.Hour {
		return reply{}, malformed("travel", "write a duration such as 36h or -10m, at most %d hours", maxTravelHours)
	}
	s.options.Clock.Travel(d)
	return s.clock(r)
}

// refresh hands the service what the vendors publish now.
func (s *Server) refresh(r *http.Request) (reply, error) {
	return reply{status: http.StatusNoContent}, s.options.Host.Refresh(r.Context())
}

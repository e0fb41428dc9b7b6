package agent

import "time"

// moment is an instant by two clocks: that on the wall, by which certificates are
// judged and which may be set, and the monotonic one, which stands still while a
// machine is suspended. It has come when it has come by either: a clock that is set
// back must not make an identity last, nor keep the agent from renewing it.
type moment struct{ wall, monotonic time.Time }

// wall returns the time on the wall, without a monotonic reading.
func (a *Agent) wall() time.Time { return a.config.Wall().Round(0).UTC() }

// at returns the moment at which the wall's clock will show t if nobody sets it.
func (a *Agent) at(t time.Time) moment {
	return moment{t.Round(0).UTC(), time.Now().Add(t.Sub(a.wall()))}
}

// left is how long until m; it is not positive if m has come.
func (a *Agent) left(m moment) time.Duration {
	return min(m.wall.Sub(a.wall()), time.Until(m.monotonic))
}

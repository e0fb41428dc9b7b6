package endpoint

import "net"

// ListenAdmitted makes a socket as [Listen] does, for those who serve something else at it
// than gRPC. Callers that may not call are turned away by closing the connection.
func ListenAdmitted(c Config) (net.Listener, error) {
	l, err := c.listen()
	if err != nil {
		return nil, err
	}
	return &admitted{l, c}, nil
}

type admitted struct {
	*listener
	config Config
}

// Accept returns the next connection of a caller that may call.
func (a *admitted) Accept() (net.Conn, error) {
	for {
		accepted, err := a.listener.Accept()
		if err != nil {
			return nil, err
		}
		caller := accepted.(*conn).caller
		if a.config.admits(caller.UID) {
			return accepted, nil
		}
		a.config.Logger.Warn("a caller was turned away", "uid", caller.UID, "pid", caller.PID, "socket", a.config.Path)
		accepted.Close()
	}
}

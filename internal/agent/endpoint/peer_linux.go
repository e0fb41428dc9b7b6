package endpoint

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerOf asks the kernel who connected (SO_PEERCRED, unix(7)).
func peerOf(c *net.UnixConn) (Caller, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Caller{}, err
	}
	var found *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) { found, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return Caller{}, err
	}
	if asked != nil {
		return Caller{}, asked
	}
	return Caller{UID: found.Uid, GID: found.Gid, PID: found.Pid}, nil
}

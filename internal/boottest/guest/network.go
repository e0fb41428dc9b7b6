package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/quotary/quotary/internal/boottest"
)

// raiseNetwork gives the first card the address that QEMU's network expects, and the
// second, if there is one, an address by which it can be told from its peer's: the last
// byte is that of its hardware's. Nothing is routed and no name resolved.
func raiseNetwork() error {
	for _, name := range []string{"lo", "eth0", "eth1"} {
		address := map[string]string{"lo": "127.0.0.1", "eth0": "10.0.2.15"}[name]
		if name == "eth1" {
			card, err := net.InterfaceByName(name)
			if err != nil {
				continue // there is only one
			}
			address = boottest.PeerAddress(card.HardwareAddr[5])
		}
		if err := raise(name, netip.MustParseAddr(address)); err != nil {
			return fmt.Errorf("raising %s: %w", name, err)
		}
	}
	return nil
}

// raise sets the address, with 24 bits for the network, and switches the card on.
func raise(name string, address netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	four := address.As4()
	if err := request.SetInet4Addr(four[:]); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFADDR, request); err != nil {
		return os.NewSyscallError("SIOCSIFADDR", err)
	}
	if err := request.SetInet4Addr([]byte{255, 255, 255, 0}); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFNETMASK, request); err != nil {
		return os.NewSyscallError("SIOCSIFNETMASK", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return os.NewSyscallError("SIOCSIFFLAGS", unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
}

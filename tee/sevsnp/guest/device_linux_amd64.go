package guest

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/quotary/quotary/tee/internal/tsm"
)

// linuxDevice is a device node. It is opened for each request: nothing is left
// to close, and the kernel keeps no state for an open one.
type linuxDevice struct{ path string }

// openDevice returns the device at path if it can be opened.
func openDevice(path string) (Device, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return linuxDevice{path}, file.Close()
}

// Do implements Device.
func (d linuxDevice) Do(r Request) (response Response, err error) {
	file, err := os.OpenFile(d.path, os.O_RDWR, 0)
	if err != nil {
		return response, tsm.Absent(devicePath, err)
	}
	defer file.Close()
	conn, err := file.SyscallConn()
	if err != nil {
		return response, err
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) { errno = r.ioctl(fd, &response) }); err != nil {
		return response, err
	}
	if errno != 0 {
		return response, os.NewSyscallError("ioctl", errno)
	}
	return response, nil
}

// ioctl hands the request to the kernel. The structures name each other by
// address, so the memory is pinned as long as the kernel may use it.
func (r Request) ioctl(fd uintptr, response *Response) syscall.Errno {
	var pins runtime.Pinner
	defer pins.Unpin()
	address := func(first *byte) uint64 {
		pins.Pin(first)
		return uint64(uintptr(unsafe.Pointer(first)))
	}
	var certificates uint64
	if len(r.Certificates) > 0 {
		certificates = address(&r.Certificates[0])
	}
	request := r.marshal(certificates)
	message := make([]byte, MessageSize)
	call := guestRequest(address(&request[0]), address(&message[0]))
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, r.command(), uintptr(unsafe.Pointer(&call[0])))
	copy(response.Message[:], message)
	response.take(call, request)
	return errno
}

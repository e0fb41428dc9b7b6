package guest_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/sevsnp/guest"
)

// deviceFunc is a device.
type deviceFunc func(guest.Request) (guest.Response, error)

func (f deviceFunc) Do(r guest.Request) (guest.Response, error) { return f(r) }

// device returns the kernel's /dev/sev-guest, whose host has the kernel's table.
func (k *kernel) device() guest.Device {
	return deviceFunc(func(r guest.Request) (response guest.Response, err error) {
		const page = 4096
		if len(r.Certificates)%page != 0 {
			return response, syscall.EINVAL
		}
		if need := (len(k.table) + page - 1) / page * page; len(r.Certificates) > 0 && need > len(r.Certificates) {
			response.VMMError, response.CertificatesLength = guest.VMMErrorLength, uint32(need)
			return response, os.NewSyscallError("ioctl", syscall.EIO)
		}
		clear(r.Certificates)
		copy(r.Certificates, k.table)
		report, err := k.report(r.ReportData[:], uint(r.VMPL))
		response.Message = message(0, report)
		return response, err
	})
}

// message is the firmware's MSG_REPORT_RSP.
func message(status uint32, report []byte) (m [guest.MessageSize]byte) {
	binary.LittleEndian.PutUint32(m[0:], status)
	binary.LittleEndian.PutUint32(m[4:], uint32(len(report)))
	copy(m[0x20:], report)
	return m
}

// TestTableLengthIsNegotiated has hosts with more and more certificates.
func TestTableLengthIsNegotiated(t *testing.T) {
	k := newKernel(t, "negotiates")
	plain := k.table
	for _, test := range []struct {
		padding  int
		requests []int // their room for certificates
		omitted  bool
	}{
		{0, []int{16 << 10}, false},
		{16<<10 - len(plain), []int{16 << 10}, false},
		{16<<10 - len(plain) + 1, []int{16 << 10, 20 << 10}, false},
		{64<<10 - len(plain), []int{16 << 10, 64 << 10}, false},
		{64<<10 - len(plain) + 1, []int{16 << 10, 0}, true},
		{1 << 20, []int{16 << 10, 0}, true},
	} {
		k.table = append(slices.Clone(plain), make([]byte, test.padding)...)
		var requests []int
		device := deviceFunc(func(r guest.Request) (guest.Response, error) {
			requests = append(requests, len(r.Certificates))
			return k.device().Do(r)
		})
		got, err := newAttester(t, guest.Options{}, guest.SEVGuest(device)).Collect(t.Context(), [64]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(requests, test.requests) || (got.Omitted != nil) != test.omitted || (len(got.Item.Certificates) == 2) == test.omitted {
			t.Errorf("%d bytes: asked with %v; %d certificates, omitted %v", len(k.table), requests, len(got.Item.Certificates), got.Omitted)
		}
	}
}

// A host that never has enough room, or asks for nonsense, costs the
// certificates and no more than two requests for each growth.
func TestTableLengthsThatMakeNoSense(t *testing.T) {
	k := newKernel(t, "nonsense")
	for name, lengths := range map[string][]uint32{
		"none":         {0},
		"the same":     {16 << 10},
		"less":         {4 << 10},
		"part of page": {20<<10 + 1},
		"all memory":   {0xffff_f000},
		"never enough": {20 << 10, 24 << 10, 28 << 10, 28 << 10},
	} {
		requests := 0
		device := deviceFunc(func(r guest.Request) (guest.Response, error) {
			requests++
			if len(r.Certificates) == 0 {
				return k.device().Do(r)
			}
			length := lengths[min(requests, len(lengths))-1]
			return guest.Response{VMMError: guest.VMMErrorLength, CertificatesLength: length}, syscall.EIO
		})
		got, err := newAttester(t, guest.Options{}, guest.SEVGuest(device)).Collect(t.Context(), [64]byte{1})
		if err != nil || len(got.Item.Certificates) > 0 || got.Omitted == nil || requests != len(lengths)+1 {
			t.Errorf("%s: %+v, %v after %d requests", name, got, err, requests)
		}
	}
}

// A driver that knows the plain request only still gives a report.
func TestDeviceWithoutExtendedReports(t *testing.T) {
	k := newKernel(t, "old")
	device := deviceFunc(func(r guest.Request) (guest.Response, error) {
		if len(r.Certificates) > 0 {
			return guest.Response{}, os.NewSyscallError("ioctl", syscall.ENOTTY)
		}
		return k.device().Do(r)
	})
	got, err := newAttester(t, guest.Options{}, guest.SEVGuest(device)).Collect(t.Context(), [64]byte{1})
	if err != nil || got.Omitted == nil || len(got.Item.Certificates) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A host that has no certificates leaves zeros.
func TestDeviceWithoutCertificates(t *testing.T) {
	k := newKernel(t, "bare")
	k.table = nil
	got, err := newAttester(t, guest.Options{}, guest.SEVGuest(k.device())).Collect(t.Context(), [64]byte{1})
	if err != nil || got.Omitted != nil || len(got.Item.Certificates) > 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDeviceErrors(t *testing.T) {
	failing := func(r guest.Response, err error) guest.Device {
		return deviceFunc(func(guest.Request) (guest.Response, error) { return r, err })
	}
	for name, test := range map[string]struct {
		device guest.Device
		code   evidence.Code
		words  []string
	}{
		"firmware error":     {failing(guest.Response{FirmwareError: 0x1f}, syscall.EIO), evidence.CodeAttesterFailed, []string{"/dev/sev-guest", "input/output error", "firmware error 0x1f"}},
		"VMM error":          {failing(guest.Response{VMMError: 7}, syscall.EIO), evidence.CodeAttesterFailed, []string{"VMM error 0x7"}},
		"key wiped":          {failing(guest.Response{}, syscall.ENOTTY), evidence.CodeAttesterFailed, []string{"wipes its key"}},
		"timed out":          {failing(guest.Response{}, syscall.ETIMEDOUT), evidence.CodeAttesterFailed, []string{"timed out"}},
		"no driver any more": {failing(guest.Response{}, syscall.ENODEV), evidence.CodeAttesterFailed, nil},
		"denied":             {failing(guest.Response{}, &os.PathError{Op: "open", Path: "/dev/sev-guest", Err: syscall.EACCES}), evidence.CodeAttesterDenied, []string{"permission denied"}},
		"invalid":            {failing(guest.Response{Message: message(0x16, nil)}, nil), evidence.CodeAttesterFailed, []string{"VMPL"}},
		"refused":            {failing(guest.Response{Message: message(0x27, nil)}, nil), evidence.CodeAttesterFailed, []string{"status 0x27"}},
		"endless report": {failing(guest.Response{Message: [guest.MessageSize]byte{4: 0xff, 5: 0xff, 6: 0xff, 7: 0xff}}, nil),
			evidence.CodeAttesterFailed, []string{"4294967295 bytes"}},
		"report over the end": {failing(guest.Response{Message: [guest.MessageSize]byte{4: 0x81, 5: 0x0f}}, nil), evidence.CodeAttesterFailed, []string{"3969 bytes"}},
		"empty message":       {failing(guest.Response{}, nil), evidence.CodeAttesterReport, []string{"0 bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newAttester(t, guest.Options{}, guest.SEVGuest(test.device)).Collect(t.Context(), [64]byte{1})
			wantError(t, err, test.code, test.words...)
		})
	}
}

// A throttled request is made again, a few times and not at once.
func TestThrottling(t *testing.T) {
	for name, busy := range map[string]struct {
		response guest.Response
		err      error
	}{
		"VMM":    {guest.Response{VMMError: guest.VMMErrorBusy}, syscall.EIO},
		"EAGAIN": {guest.Response{}, os.NewSyscallError("ioctl", syscall.EAGAIN)},
		"EBUSY":  {guest.Response{}, syscall.EBUSY},
		"EINTR":  {guest.Response{}, syscall.EINTR},
	} {
		for times := range 6 {
			t.Run(fmt.Sprint(name, times), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { throttle(t, times, busy.response, busy.err) })
			})
		}
	}
}

// throttle has a device that is busy so many times.
func throttle(t *testing.T, times int, busy guest.Response, err error) {
	const attempts, delay = 4, 2 * time.Second
	k := newKernel(t, "throttled")
	requests, start := 0, time.Now()
	device := deviceFunc(func(r guest.Request) (guest.Response, error) {
		if requests++; requests <= times {
			return busy, err
		}
		return k.device().Do(r)
	})
	_, got := newAttester(t, guest.Options{}, guest.SEVGuest(device)).Collect(t.Context(), [64]byte{1})
	if times < attempts && got != nil {
		t.Errorf("got %v", got)
	} else if times >= attempts {
		wantError(t, got, evidence.CodeAttesterBusy)
	}
	if want := min(times+1, attempts); requests != want || time.Since(start) != time.Duration(want-1)*delay {
		t.Errorf("%d requests in %v", requests, time.Since(start))
	}
}

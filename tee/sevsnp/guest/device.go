package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/quotary/quotary/tee/internal/tsm"
)

// devicePath is where Linux has its SNP guest device.
const devicePath = "/dev/sev-guest"

// Device is the SNP guest device of Linux, /dev/sev-guest.
type Device interface {
	// Do makes one request. It may block for as long as the kernel does. If it
	// fails, the response still has the error of firmware or VMM.
	Do(Request) (Response, error)
}

// Request is a request for a report: SNP_GET_REPORT, or SNP_GET_EXT_REPORT if
// there is room for certificates (linux/sev-guest.h).
type Request struct {
	ReportData [64]byte
	VMPL       uint32
	// Certificates is where the host's certificate table goes, whole pages of 4 KiB;
	// empty if it is not wanted.
	Certificates []byte
}

// MessageSize is the size of the firmware's answer in bytes (struct snp_report_resp).
const MessageSize = 4000

// Response is what the device made of a [Request].
type Response struct {
	// Message is the firmware's MSG_REPORT_RSP (SEV-SNP ABI 56860, "MSG_REPORT_RSP").
	Message [MessageSize]byte
	// CertificatesLength is how many bytes the table needs, if VMMError is
	// [VMMErrorLength].
	CertificatesLength uint32
	// FirmwareError and VMMError are the halves of exitinfo2.
	FirmwareError, VMMError uint32
}

// Errors of the VMM (SNP_GUEST_VMM_ERR_INVALID_LEN, SNP_GUEST_VMM_ERR_BUSY).
const (
	VMMErrorLength = 1
	VMMErrorBusy   = 2
)

// SEVGuest is the interface /dev/sev-guest.
func SEVGuest(d Device) Interface { return sevGuest{d} }

type sevGuest struct{ device Device }

func (sevGuest) name() string { return devicePath }

// report asks for report and table, with a larger buffer if the host has more.
// Where it cannot get the table it asks for the report alone: a request that
// failed for want of room costs the guest nothing but a message number.
func (s sevGuest) report(data [64]byte, vmpl uint) (answer, error) {
	request := Request{ReportData: data, VMPL: uint32(vmpl), Certificates: make([]byte, firstTable)}
	for {
		response, err := s.device.Do(request)
		if err == nil {
			report, err := reportOf(response)
			return answer{report: report, table: request.Certificates}, err
		}
		if response.VMMError != VMMErrorLength && !errors.Is(err, syscall.ENOTTY) {
			return answer{}, explain(response, err)
		}
		size := response.CertificatesLength
		if response.VMMError != VMMErrorLength || size%pageSize != 0 || size > maxTable || int(size) <= len(request.Certificates) {
			got, plain := s.plain(data, vmpl)
			got.lost = fmt.Errorf("the host's certificate table cannot be had: %w (%d bytes)", err, size)
			return got, plain
		}
		request.Certificates = make([]byte, size)
	}
}

// plain asks for the report alone.
func (s sevGuest) plain(data [64]byte, vmpl uint) (answer, error) {
	response, err := s.device.Do(Request{ReportData: data, VMPL: uint32(vmpl)})
	if err != nil {
		return answer{}, explain(response, err)
	}
	report, err := reportOf(response)
	return answer{report: report}, err
}

// explain adds what firmware and VMM said to the error of a request.
func explain(r Response, err error) error {
	if r.VMMError == VMMErrorBusy {
		return tsm.ErrBusy
	}
	if errors.Is(err, syscall.ENOTTY) {
		return fmt.Errorf("%w: the device takes no requests; after a failed one the driver wipes its key, until the guest is started again", err)
	}
	if r.FirmwareError == 0 && r.VMMError == 0 {
		return err
	}
	return fmt.Errorf("%w (firmware error %#x, VMM error %#x)", err, r.FirmwareError, r.VMMError)
}

// pageSize is the unit of certificate tables in bytes.
const pageSize = 4096

// Offsets in MSG_REPORT_RSP in bytes (SEV-SNP ABI 56860, "MSG_REPORT_RSP").
const (
	offStatus = 0x00
	offSize   = 0x04
	offReport = 0x20
)

// statusInvalid is the status of a request with a parameter that the firmware
// refuses: REPORT_DATA takes anything, so it is the VMPL.
const statusInvalid = 0x16

// reportOf returns the report in a firmware's message.
func reportOf(r Response) ([]byte, error) {
	status := binary.LittleEndian.Uint32(r.Message[offStatus:])
	size := binary.LittleEndian.Uint32(r.Message[offSize:])
	switch {
	case status == statusInvalid:
		return nil, errors.New("the firmware refuses the request as invalid (status 0x16): most likely the VMPL, which must not be below the guest's own")
	case status != 0:
		return nil, fmt.Errorf("the firmware refuses the request with status %#x", status)
	case size > MessageSize-offReport:
		return nil, fmt.Errorf("the firmware's message says that its report has %d bytes", size)
	}
	return r.Message[offReport : offReport+size], nil
}

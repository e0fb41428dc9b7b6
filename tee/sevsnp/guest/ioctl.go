package guest

import "encoding/binary"

// The requests of linux/sev-guest.h as numbers: _IOWR('S', n, struct
// snp_guest_request_ioctl).
const (
	getReport         = 0xc020_5300
	getExtendedReport = 0xc020_5302
)

// messageVersion is the version of MSG_REPORT_REQ (SEV-SNP ABI 56860).
const messageVersion = 1

// Sizes in bytes, and offsets, of structures of linux/sev-guest.h, which is for
// 64-bit machines.
const (
	sizeReportRequest   = 96  // struct snp_report_req: user_data, vmpl, 28 reserved
	sizeExtendedRequest = 112 // struct snp_ext_report_req: the same, certs_address, certs_len, padding
	offCertsAddress     = 96
	offCertsLength      = 104
	sizeGuestRequest    = 32 // struct snp_guest_request_ioctl: msg_version, req_data, resp_data, exitinfo2
	offRequestData      = 8
	offResponseData     = 16
	offFirmwareError    = 24
	offVMMError         = 28
)

// command returns the number of a request.
func (r Request) command() uintptr {
	if len(r.Certificates) > 0 {
		return getExtendedReport
	}
	return getReport
}

// marshal writes struct snp_report_req or, for certificates that lie at this
// address, struct snp_ext_report_req.
func (r Request) marshal(certificates uint64) []byte {
	size := sizeReportRequest
	if len(r.Certificates) > 0 {
		size = sizeExtendedRequest
	}
	b := make([]byte, size)
	copy(b, r.ReportData[:])
	binary.LittleEndian.PutUint32(b[len(r.ReportData):], r.VMPL)
	if len(r.Certificates) > 0 {
		binary.LittleEndian.PutUint64(b[offCertsAddress:], certificates)
		binary.LittleEndian.PutUint32(b[offCertsLength:], uint32(len(r.Certificates)))
	}
	return b
}

// guestRequest writes struct snp_guest_request_ioctl with the addresses of
// request and response.
func guestRequest(request, response uint64) []byte {
	b := make([]byte, sizeGuestRequest)
	b[0] = messageVersion
	binary.LittleEndian.PutUint64(b[offRequestData:], request)
	binary.LittleEndian.PutUint64(b[offResponseData:], response)
	return b
}

// take reads what the kernel wrote into the two structures.
func (r *Response) take(call, request []byte) {
	r.FirmwareError = binary.LittleEndian.Uint32(call[offFirmwareError:])
	r.VMMError = binary.LittleEndian.Uint32(call[offVMMError:])
	if len(request) == sizeExtendedRequest {
		r.CertificatesLength = binary.LittleEndian.Uint32(request[offCertsLength:])
	}
}

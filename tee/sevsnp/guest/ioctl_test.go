package guest

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// The layouts of linux/sev-guest.h on a 64-bit machine, and the numbers that
// _IOWR('S', 0 or 2, 32 bytes) gives.
func TestLayouts(t *testing.T) {
	r := Request{ReportData: [64]byte(bytes.Repeat([]byte{0xd1}, 64)), VMPL: 3}
	common := strings.Repeat("d1", 64) + "03000000" + strings.Repeat("00", 28)
	if got := hex.EncodeToString(r.marshal(0)); got != common || r.command() != 3<<30|32<<16|'S'<<8 {
		t.Errorf("snp_report_req: %s, number %#x", got, r.command())
	}
	r.Certificates = make([]byte, 0x4000)
	extended := common + "efcdab8967452301" + "00400000" + "00000000"
	if got := hex.EncodeToString(r.marshal(0x0123456789abcdef)); got != extended || r.command() != 3<<30|32<<16|'S'<<8|2 {
		t.Errorf("snp_ext_report_req: %s, number %#x", got, r.command())
	}
	call := guestRequest(0x0123456789abcdef, 0xfedcba9876543210)
	if got := hex.EncodeToString(call); got != "0100000000000000"+"efcdab8967452301"+"1032547698badcfe"+"0000000000000000" {
		t.Errorf("snp_guest_request_ioctl: %s", got)
	}
}

func TestResponseTakesWhatTheKernelWrote(t *testing.T) {
	request := Request{Certificates: make([]byte, 0x4000)}.marshal(1)
	copy(request[104:], "\x00\x50\x00\x00")
	call := guestRequest(1, 2)
	copy(call[24:], "\xff\x00\x00\x00\x01\x00\x00\x00") // 1<<32 is SNP_GUEST_VMM_ERR_INVALID_LEN
	var r Response
	r.take(call, request)
	if r.FirmwareError != 0xff || r.VMMError != VMMErrorLength || r.CertificatesLength != 0x5000 {
		t.Errorf("got %#x, %#x, %#x", r.FirmwareError, r.VMMError, r.CertificatesLength)
	}
	r = Response{}
	if r.take(call, Request{}.marshal(0)); r.CertificatesLength != 0 {
		t.Errorf("a plain request got %d bytes of certificates", r.CertificatesLength)
	}
}

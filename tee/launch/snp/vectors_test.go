package snp

import (
	"encoding/hex"
	"testing"
)

// The vectors are measurements that the tests of virtee/sev-snp-measure and
// virtee/sev state for the last page of EDK II's two builds. That page is not
// here: what of it counts beside its own digest is its metadata, which amdSev and
// ovmfX64 rebuild. The digests of the pages are the published one, and for the
// second the one that FirmwareDigest gives for the published page.
const (
	amdSevDigest  = "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"
	ovmfX64Digest = "b91e6fec73d2bcc57ad5fd400a426ce02731c22ea92bc894ce675e7c9921a822977d6cf025b85f8ef4f264bff8839d20"
)

func TestPublishedMeasurements(t *testing.T) {
	empty := kernel(t, "")
	console := kernel(t, "console=ttyS0 loglevel=7")
	for _, test := range []struct {
		name     string
		firmware build
		digest   string
		kernel   *Kernel
		vcpus    int
		vmm      VMM
		features uint64
		want     string
	}{
		{"kernel", amdSev(), amdSevDigest, empty, 1, QEMU, 0x1, "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5"},
		{"kernel, debug swap", amdSev(), amdSevDigest, empty, 1, QEMU, 0x21, "329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198"},
		{"command line", amdSev(), amdSevDigest, console, 1, QEMU, 0x1, "6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b08fa"},
		{"command line, debug swap", amdSev(), amdSevDigest, console, 1, QEMU, 0x21, "803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977"},
		{"no kernel", amdSev(), amdSevDigest, nil, 1, QEMU, 0x1, "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d"},
		{"no kernel, debug swap", amdSev(), amdSevDigest, nil, 1, QEMU, 0x21, "e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b"},
		{"four processors", amdSev(), amdSevDigest, empty, 4, QEMU, 0x1, "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5"},
		{"four processors, debug swap", amdSev(), amdSevDigest, empty, 4, QEMU, 0x21, "4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631942"},
		{"EC2", amdSev(), amdSevDigest, empty, 1, EC2, 0x1, "0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab985443bbcc65c086b9c15e8a0bd8811050dec7e24964e5056"},
		{"EC2, debug swap", amdSev(), amdSevDigest, empty, 1, EC2, 0x21, "0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b71052498ab52b2f1aa415db338033946ef93aa8278c0d67fb"},
		{"GCE", amdSev(), amdSevDigest, empty, 1, GCE, 0x1, "5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0c08e7827b04b688ea8b4e403c8404efed4397ea5d5d0722e"},
		{"GCE, four processors", amdSev(), amdSevDigest, empty, 4, GCE, 0x1, "5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2e6c7a6c3370b2452a15a00eae11886a93d6fd1e7ab81e29d"},
		{"without hashes", ovmfX64(), ovmfX64Digest, nil, 1, QEMU, 0x1, "da0296de8193586a5512078dcd719eccecbd87e2b825ad4148c44f665dc87df21e5b49e21523a9ad993afdb6a30b4005"},
		{"without hashes, debug swap", ovmfX64(), ovmfX64Digest, nil, 1, QEMU, 0x21, "28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66f146aaae26ff291eed7b493d8a64c385"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Measure(Options{
				Firmware: test.firmware.image(), FirmwareDigest: unhex(t, test.digest), Kernel: test.kernel,
				VCPUs: test.vcpus, VCPU: signature(t, "EPYC-v4"), VMM: test.vmm, Features: test.features,
			})
			if err != nil || hex.EncodeToString(got[:]) != test.want {
				t.Errorf("%x, %v", got, err)
			}
		})
	}
}

func kernel(t *testing.T, commandLine string) *Kernel {
	t.Helper()
	k, err := HashKernel(nil, nil, commandLine)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signature(t *testing.T, s string) Signature {
	t.Helper()
	got, err := ParseSignature(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

package policies

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// tcbFloor is the least TCB that is accepted. TCBs are compared component by
// component, never as a number: a high microcode level must not hide a low
// firmware level.
type tcbFloor struct {
	evidence.SNPTCB
	want string
}

func (s source) readTCB(n *yaml.Node, what string) *tcbFloor {
	f := s.mapping(n, what)
	if f == nil {
		return nil
	}
	part := func(key string) uint8 {
		return uint8(s.number(f.need(key, "give every component, 0 where any will do"), 255))
	}
	t := &tcbFloor{SNPTCB: evidence.SNPTCB{
		Bootloader: part("bootloader"), TEE: part("tee"), SNP: part("snp"), Microcode: part("microcode"),
	}}
	if n := f.take("fmc"); n != nil {
		fmc := uint8(s.number(n, 255))
		t.FMC = &fmc
	}
	f.done()
	t.want = "at least " + tcbText(t.SNPTCB)
	return t
}

// reachedBy reports whether every component of tcb reaches the floor. A
// component that the floor has and tcb lacks is not reached.
func (t *tcbFloor) reachedBy(tcb *evidence.SNPTCB) bool {
	return tcb.Bootloader >= t.Bootloader && tcb.TEE >= t.TEE && tcb.SNP >= t.SNP && tcb.Microcode >= t.Microcode &&
		(t.FMC == nil || tcb.FMC != nil && *tcb.FMC >= *t.FMC)
}

func tcbText(t evidence.SNPTCB) string {
	text := fmt.Sprintf("bootloader %d, tee %d, snp %d, microcode %d", t.Bootloader, t.TEE, t.SNP, t.Microcode)
	if t.FMC != nil {
		text = fmt.Sprintf("fmc %d, %s", *t.FMC, text)
	}
	return text
}

func sameTCB(a, b *evidence.SNPTCB) bool {
	sameFMC := (a.FMC == nil) == (b.FMC == nil) && (a.FMC == nil || *a.FMC == *b.FMC)
	return sameFMC && a.Bootloader == b.Bootloader && a.TEE == b.TEE && a.SNP == b.SNP && a.Microcode == b.Microcode
}

// floor is the least number that is accepted.
type floor struct {
	least uint64
	want  string
}

func newFloor(least uint64) *floor {
	return &floor{least, "at least " + strconv.FormatUint(least, 10)}
}

// feature is a property of a guest policy or platform that a document may require.
type feature[T any] struct {
	name string
	has  func(*T) bool
}

// features are required properties.
type features[T any] struct {
	list []feature[T]
	want string
}

// missing names the features that claims lack.
func (f *features[T]) missing(claims *T) []string {
	if f == nil {
		return nil
	}
	var names []string
	for _, feature := range f.list {
		if !feature.has(claims) {
			names = append(names, feature.name)
		}
	}
	return names
}

// readFeatures reads a list of features' names; a nil node gives nil.
func readFeatures[T any](s source, n *yaml.Node, what string, known []feature[T]) *features[T] {
	if n == nil {
		return nil
	}
	names := make([]string, len(known))
	for i, feature := range known {
		names[i] = feature.name
	}
	out := &features[T]{}
	required := s.words(n, what, names)
	for _, feature := range known {
		for _, name := range required {
			if name == feature.name {
				out.list = append(out.list, feature)
			}
		}
	}
	out.want = strings.Join(required, ", ")
	return out
}

// snpGuestFeatures are what a document may require of the guest policy: bits
// that the guest's owner set at launch and the firmware holds the host to.
var snpGuestFeatures = []feature[evidence.SNPPolicy]{
	{"smt-disabled", func(p *evidence.SNPPolicy) bool { return !p.SMT }},
	{"single-socket", func(p *evidence.SNPPolicy) bool { return p.SingleSocket }},
	{"aes-256-xts", func(p *evidence.SNPPolicy) bool { return p.AES256XTS }},
	{"rapl-disabled", func(p *evidence.SNPPolicy) bool { return p.RAPLDisabled }},
	{"ciphertext-hiding", func(p *evidence.SNPPolicy) bool { return p.CiphertextHiding }},
	{"page-swap-disabled", func(p *evidence.SNPPolicy) bool { return p.PageSwapDisabled }},
}

// snpPlatformFeatures are what a document may require of the platform.
var snpPlatformFeatures = []feature[evidence.SNPPlatform]{
	{"smt-disabled", func(p *evidence.SNPPlatform) bool { return !p.SMT }},
	{"tsme", func(p *evidence.SNPPlatform) bool { return p.TSME }},
	{"ecc", func(p *evidence.SNPPlatform) bool { return p.ECC }},
	{"rapl-disabled", func(p *evidence.SNPPlatform) bool { return p.RAPLDisabled }},
	{"ciphertext-hiding", func(p *evidence.SNPPlatform) bool { return p.CiphertextHiding }},
	{"alias-check-complete", func(p *evidence.SNPPlatform) bool { return p.AliasCheckComplete }},
}

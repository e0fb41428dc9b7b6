package policies_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// withAddresses is a policy whose identity has these addresses, as written.
func withAddresses(list string) string {
	return replace(snpWith(), "ttl: 30m", "ip_addresses: "+list+", ttl: 30m")
}

func TestIPAddresses(t *testing.T) {
	set := load(t, withAddresses("[192.0.2.1, '2001:db8::1']"))
	d := evaluate(set, goodSNP())
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	if !slices.Equal(d.Identity.IPAddresses, want) {
		t.Fatalf("granted %v (%s), want %v", d.Identity.IPAddresses, d.Verdict, want)
	}
	d.Identity.IPAddresses[0] = netip.MustParseAddr("192.0.2.99")
	if again := evaluate(set, goodSNP()); !slices.Equal(again.Identity.IPAddresses, want) {
		t.Errorf("a decision changed the policy: %v", again.Identity.IPAddresses)
	}
	if d.Identity.Equal(evaluate(set, goodSNP()).Identity) {
		t.Error("identities with different addresses are equal")
	}
	for _, text := range []string{
		"''", "web.example.org", "192.0.2.0/24", "192.0.2.1:443", "0.0.0.0", "127.0.0.1", "'::1'", "169.254.1.1", "224.0.0.1", "fe80::1%eth0",
		"'2001:DB8::1'", "'2001:db8:0:0::1'", "'::ffff:192.0.2.1'", "010.0.0.1", "0x0a000001",
	} {
		if err := loadErr(t, withAddresses("["+text+"]")); !strings.Contains(err, "policy.value") && !strings.Contains(err, "policy.type") {
			t.Errorf("%s: %s", text, err)
		}
	}
	if err := loadErr(t, withAddresses("[192.0.2.1, 192.0.2.1]")); !strings.Contains(err, "twice") {
		t.Error(err)
	}
	var many []string
	for i := range 17 {
		many = append(many, fmt.Sprintf("192.0.2.%d", i))
	}
	if err := loadErr(t, withAddresses("["+strings.Join(many, ", ")+"]")); !strings.Contains(err, "more than 16") {
		t.Error(err)
	}
}

package evidence

import (
	"reflect"
	"testing"
)

// TestBootClaimsCloneSharesNothing is TestCloneSharesNothing for claims of a boot.
func TestBootClaimsCloneSharesNothing(t *testing.T) {
	var b BootClaims
	fill(t, reflect.ValueOf(&b).Elem())
	b.Registers = map[int]BootRegister{1: {Status: RegisterReproduced}}
	clone := b.clone()
	if !reflect.DeepEqual(*clone, b) {
		t.Fatalf("got %+v, want %+v", clone, b)
	}
	theirs := map[uintptr]string{}
	walk(reflect.ValueOf(b), "claims", func(at uintptr, path string) { theirs[at] = path })
	if len(theirs) < 40 {
		t.Fatalf("found only %d places", len(theirs))
	}
	walk(reflect.ValueOf(*clone), "claims", func(at uintptr, path string) {
		if _, shared := theirs[at]; shared {
			t.Errorf("%s is shared", path)
		}
	})
	if (*BootClaims)(nil).clone() != nil {
		t.Error("absent became present")
	}
}

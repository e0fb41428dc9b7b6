package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestCodes(t *testing.T) {
	codes := Codes()
	for i, code := range codes {
		if i > 0 && codes[i-1].String() >= code.String() {
			t.Errorf("%v comes after %v", code, codes[i-1])
		}
		if d := code.Description(); !strings.HasSuffix(d, ".") || strings.ContainsAny(d, "\n") {
			t.Errorf("%v: the description is no sentence: %q", code, d)
		}
		text, err := json.Marshal(code)
		var again Code
		if err != nil || json.Unmarshal(text, &again) != nil || again != code {
			t.Errorf("%v does not survive JSON: %s, %v", code, text, err)
		}
	}
	var code Code
	if err := json.Unmarshal([]byte(`"no.such-code"`), &code); err == nil || !code.IsZero() {
		t.Errorf("an unregistered code was read as %v", code)
	}
}

func TestDefineRefuses(t *testing.T) {
	for _, test := range [][2]string{
		{CodeBinding.String(), "Repeated."}, {"nodot", "X."}, {"a.B", "X."}, {"a..b", "X."}, {"a.b-", "X."}, {"a.b c", "X."}, {"test.undescribed", ""},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was defined", test[0])
				}
			}()
			define(test[0], test[1])
		}()
	}
}

func TestErrors(t *testing.T) {
	err := fmt.Errorf("while reading: %w", Errorf(CodeKeyMalformed, "csr", "cannot read it: %w", io.ErrUnexpectedEOF))
	if CodeOf(err) != CodeKeyMalformed || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("code or cause is lost in %v", err)
	}
	if want := "while reading: key.malformed: csr: cannot read it: unexpected EOF"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if !CodeOf(io.EOF).IsZero() || !CodeOf(nil).IsZero() {
		t.Error("an error without code has one")
	}
}

func TestChecks(t *testing.T) {
	var c Checks
	c.Pass(CodeBinding, "x")
	c.NotApplicable(CodeBinding, "x")
	c.NotPerformed(CodeBinding, "x", "y")
	if !c.Judge(true, CodeBinding, "", "") || len(c.Failed()) != 0 {
		t.Errorf("without a failure: %v", c)
	}
	if c.Judge(false, CodeKeyMismatch, "a", "b") || len(c.Failed()) != 1 {
		t.Errorf("with a failure: %v", c)
	}
	if got, ok := c.Get(CodeKeyMismatch); !ok || got.Want != "a" || got.Got != "b" {
		t.Errorf("got %v", got)
	}
	if _, ok := c.Get(CodeKeyMalformed); ok {
		t.Error("found a check that was not made")
	}
}

func TestHex(t *testing.T) {
	var h Hex
	if err := h.UnmarshalText([]byte("00fFaB")); err != nil || h.String() != "00ffab" {
		t.Errorf("%v, %v", h, err)
	}
	for _, text := range []string{"0", "zz", "0x00", strings.Repeat("z", 1000)} {
		if err := h.UnmarshalText([]byte(text)); CodeOf(err) != CodeHexMalformed || len(err.Error()) > 200 {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}

func TestParseKind(t *testing.T) {
	for text, want := range map[string]Kind{"snp": KindSEVSNP, "sev-snp": KindSEVSNP, "tdx": KindTDX, "tpm": KindTPM} {
		if got, err := ParseKind(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "sgx", "TDX", "tdx "} {
		if _, err := ParseKind(text); CodeOf(err) != CodeKindUnknown {
			t.Errorf("%q: %v", text, err)
		}
	}
}

package tokens

import (
	"bytes"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/verifier/verifiertest"
)

func TestForgedCWTBaseline(t *testing.T) {
	h := newHouse(t)
	if _, err := h.verifier.VerifyCWT(h.cwtWith(t, h.goodProtected(), map[int]any{}, h.claimsCBOR(t))); err != nil {
		t.Fatalf("what the tests below change is not good: %v", err)
	}
}

func TestAttack_K13_CriticalHeaders(t *testing.T) {
	h := newHouse(t)
	payload := h.claimsCBOR(t)
	for name, crit := range map[string]any{
		"unknown": []any{-70000}, "text": []any{"x"}, "known": []any{1}, "empty": []any{}, "not a list": 1, "present itself": []any{2},
	} {
		protected := h.goodProtected()
		protected[2], protected[-70000] = crit, 1
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, payload))
		refused(t, name, err, evidence.CodeTokenHeader)
		_, err = h.verifier.VerifyCWT(h.cwtWith(t, h.goodProtected(), map[int]any{2: crit}, payload))
		refused(t, name+", unprotected", err, evidence.CodeTokenHeader)
	}
}

func TestAttack_K14_Algorithms(t *testing.T) {
	h := newHouse(t)
	payload := h.claimsCBOR(t)
	for name, alg := range map[string]any{
		"ES384": -35, "ES512": -36, "EdDSA": -8, "HMAC": 5, "zero": 0, "text": "ES256", "big": uint64(1) << 63, "fraction": -7.0, "null": nil, "ES256K": -47,
	} {
		protected := h.goodProtected()
		protected[1] = alg
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, payload))
		refused(t, name, err, evidence.CodeTokenHeader)
	}
	for _, label := range []int{1, 4, 16} {
		protected := h.goodProtected()
		moved := map[int]any{label: protected[label]}
		delete(protected, label)
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, payload))
		refused(t, "absent", err, evidence.CodeTokenHeader, evidence.CodeTokenKey)
		_, err = h.verifier.VerifyCWT(h.cwtWith(t, protected, moved, payload))
		refused(t, "unprotected", err, evidence.CodeTokenHeader)
	}
	for name, kid := range map[string]any{"empty": []byte{}, "unknown": make([]byte, 32), "text": h.issuer.key.ID(), "longer": append(bytes.Clone(h.issuer.key.id[:]), 0)} {
		protected := h.goodProtected()
		protected[4] = kid
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, payload))
		refused(t, name, err, evidence.CodeTokenKey, evidence.CodeTokenHeader)
	}
	for name, typ := range map[string]any{"JWT": MediaTypeJWT, "number": 263, "empty": ""} {
		protected := h.goodProtected()
		protected[16] = typ
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, payload))
		refused(t, name, err, evidence.CodeTokenHeader)
	}
	for _, label := range []int{3, 5, 33, 34, 35, 15, 256, -65537} { // content type, IV, x5chain, x5t, x5u, CWT claims, …
		protected := h.goodProtected()
		protected[label] = []byte{1}
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, payload))
		refused(t, "further label", err, evidence.CodeTokenHeader)
	}
}

func TestAttack_K15_OtherCOSEMessages(t *testing.T) {
	h := newHouse(t)
	good := h.issue(t, verifiertest.Request{}).CWT
	var parts []any
	if err := cbor.Unmarshal(good[1:], &parts); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string][]byte{
		"untagged":       good[1:],
		"Mac0":           encode(t, cbor.Tag{Number: 17, Content: parts}),
		"Encrypt0":       encode(t, cbor.Tag{Number: 16, Content: parts}),
		"Sign":           encode(t, cbor.Tag{Number: 98, Content: parts}),
		"CWT tag":        append([]byte{0xd8, 61}, good...),
		"tagged twice":   append([]byte{tagSign1}, good...),
		"self-described": append([]byte{0xd9, 0xd9, 0xf7}, good...),
		"tag in 2 bytes": append([]byte{0xd8, 18}, good[1:]...),
		"three parts":    encode(t, cbor.Tag{Number: 18, Content: parts[:3]}),
		"five parts":     encode(t, cbor.Tag{Number: 18, Content: append(parts[:4:4], []byte{})}),
		"a map":          encode(t, cbor.Tag{Number: 18, Content: map[int]any{0: parts}}),
		"trailing":       append(bytes.Clone(good), 0),
		"empty":          {},
		"tag alone":      {tagSign1},
	} {
		_, err := h.verifier.VerifyCWT(token)
		refused(t, name, err, evidence.CodeTokenMalformed)
	}
}

func TestAttack_K16_NothingWhereSomethingIsSigned(t *testing.T) {
	h := newHouse(t)
	header := encode(t, h.goodProtected())
	payload := h.claimsCBOR(t)
	signature := signRaw(t, h.private(), toBeSigned(header, payload))
	empty := signRaw(t, h.private(), toBeSigned(header, nil))
	for name, parts := range map[string][]any{
		"detached payload":       {header, map[int]any{}, nil, empty},
		"empty payload":          {header, map[int]any{}, []byte{}, empty},
		"payload as text":        {header, map[int]any{}, string("x"), signature},
		"no signature":           {header, map[int]any{}, payload, nil},
		"empty signature":        {header, map[int]any{}, payload, []byte{}},
		"zero signature":         {header, map[int]any{}, payload, make([]byte, 64)},
		"no protected header":    {nil, map[int]any{}, payload, signature},
		"empty protected header": {[]byte{}, map[int]any{}, payload, signature},
		"protected as a map":     {h.goodProtected(), map[int]any{}, payload, signature},
		"no unprotected header":  {header, nil, payload, signature},
		"all nil":                {nil, nil, nil, nil},
	} {
		_, err := h.verifier.VerifyCWT(encode(t, cbor.Tag{Number: 18, Content: parts}))
		refused(t, name, err, malformed...)
	}
}

// CBOR that has another form is refused, under a good signature as well.
func TestAttack_K17_CBORInOtherForms(t *testing.T) {
	h := newHouse(t)
	good := h.claimsCBOR(t)
	if good[0] != 0xae {
		t.Fatalf("the claims begin with %x, the cases below expect a map of 14", good[0])
	}
	deep := append(bytes.Repeat([]byte{0x81}, 200), 0)
	for name, payload := range map[string][]byte{
		"indefinite map":   append(append([]byte{0xbf}, good[1:]...), 0xff),
		"length in 2":      append([]byte{0xb8, 14}, good[1:]...),
		"length in 8":      append([]byte{0xbb, 0, 0, 0, 0, 0, 0, 0, 14}, good[1:]...),
		"huge length":      append([]byte{0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, good[1:]...),
		"duplicate key":    append(append([]byte{0xaf}, good[1:]...), 0x02, 0x61, 'x'),
		"unsorted key":     append(append([]byte{0xaf}, good[1:]...), 0x00, 0x00),
		"key in 2 bytes":   bytes.Replace(good, []byte{0xae, 0x01}, []byte{0xae, 0x18, 0x01}, 1),
		"tagged":           append([]byte{0xc1}, good...),
		"trailing":         append(bytes.Clone(good), 0),
		"truncated":        good[:len(good)-1],
		"null":             {0xf6},
		"undefined":        {0xf7},
		"array":            {0x80},
		"not a number":     {0xf9, 0x7e, 0x00},
		"deep":             append(append([]byte{0xaf}, good[1:]...), append([]byte{0x3a, 0x00, 0x01, 0xff, 0xff}, deep...)...),
		"a billion zeroes": append(append([]byte{0xaf}, good[1:]...), 0x3a, 0x00, 0x01, 0xff, 0xff, 0x9a, 0x3b, 0x9a, 0xca, 0x00),
		"empty":            {},
	} {
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, h.goodProtected(), map[int]any{}, payload))
		refused(t, name, err, evidence.CodeTokenMalformed)
	}
	header := encode(t, h.goodProtected())
	for name, protected := range map[string][]byte{
		"indefinite":    append(append([]byte{0xbf}, header[1:]...), 0xff),
		"longer length": append([]byte{0xb8, 3}, header[1:]...),
		"duplicate alg": append(append([]byte{0xa4}, header[1:]...), 0x01, 0x26),
		"trailing":      append(bytes.Clone(header), 0),
		"alg longer":    bytes.Replace(header, []byte{0x01, 0x26}, []byte{0x01, 0x38, 0x06}, 1),
	} {
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, protected, map[int]any{}, good))
		refused(t, name, err, evidence.CodeTokenHeader)
	}
}

// changedCBOR returns the claims of a good token after a change, deterministic.
func (h *house) changedCBOR(tb testing.TB, change func(map[any]any)) []byte {
	tb.Helper()
	var tree map[any]any
	if err := strictCBOR.Unmarshal(h.claimsCBOR(tb), &tree); err != nil {
		tb.Fatal(err)
	}
	change(tree)
	return encode(tb, tree)
}

// The claims of a CWT are judged as those of a JWT are.
func TestCWTClaims(t *testing.T) {
	h := newHouse(t)
	submodule := func(o map[any]any) map[any]any { return o[uint64(266)].(map[any]any)["sev-snp"].(map[any]any) }
	own := func(o map[any]any) map[any]any { return o[int64(-80000)].(map[any]any) }
	for name, c := range map[string]struct {
		code   evidence.Code
		change func(map[any]any)
	}{
		"no exp":             {evidence.CodeTokenClaims, func(o map[any]any) { delete(o, uint64(4)) }},
		"exp as text":        {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(4)] = "1" }},
		"exp as float":       {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(4)] = 1795334700.5 }},
		"exp too large":      {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(4)] = uint64(1 << 63) }},
		"exp far away":       {evidence.CodeTokenExpired, func(o map[any]any) { o[uint64(4)] = uint64(1 << 62) }},
		"other audience":     {evidence.CodeTokenAudience, func(o map[any]any) { o[uint64(3)] = "x" }},
		"audiences":          {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(3)] = []any{audience} }},
		"other issuer":       {evidence.CodeTokenIssuer, func(o map[any]any) { o[uint64(1)] = "x" }},
		"short identifier":   {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(7)] = make([]byte, 15) }},
		"long identifier":    {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(7)] = make([]byte, 17) }},
		"unknown tier":       {evidence.CodeTokenClaims, func(o map[any]any) { o[uint64(1000)] = 7 }},
		"tier out of range":  {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(1000)] = 1000 }},
		"better than worst":  {evidence.CodeTokenClaims, func(o map[any]any) { submodule(o)[uint64(1000)] = 96 }},
		"simulated not said": {evidence.CodeTokenClaims, func(o map[any]any) { delete(own(o), uint64(3)) }},
		"simulated null":     {evidence.CodeTokenMalformed, func(o map[any]any) { own(o)[uint64(3)] = nil }},
		"private key":        {evidence.CodeTokenMalformed, func(o map[any]any) { cnfKey(o)[int64(-4)] = make([]byte, 32) }},
		"further label":      {evidence.CodeTokenMalformed, func(o map[any]any) { cnfKey(o)[uint64(2)] = []byte{1} }},
		"off the curve":      {evidence.CodeTokenMalformed, func(o map[any]any) { cnfKey(o)[int64(-2)] = make([]byte, 32) }},
		"sign bit only":      {evidence.CodeTokenMalformed, func(o map[any]any) { cnfKey(o)[int64(-3)] = true }},
		"second key":         {evidence.CodeTokenMalformed, func(o map[any]any) { o[uint64(8)].(map[any]any)[uint64(3)] = []byte{1} }},
		"null":               {evidence.CodeTokenMalformed, func(o map[any]any) { o[int64(-90000)] = []any{nil} }},
		"name in capitals":   {evidence.CodeTokenMalformed, func(o map[any]any) { o["Sub"] = "x" }},
		"no nonce":           {evidence.CodeTokenClaims, func(o map[any]any) { delete(o, uint64(10)) }},
	} {
		_, err := h.verifier.VerifyCWT(h.cwtWith(t, h.goodProtected(), map[int]any{}, h.changedCBOR(t, c.change)))
		refused(t, name, err, c.code)
	}
	unknown := h.changedCBOR(t, func(o map[any]any) { o[int64(-90000)] = map[any]any{"a": []any{true, 1.5}} })
	if _, err := h.verifier.VerifyCWT(h.cwtWith(t, h.goodProtected(), map[int]any{}, unknown)); err != nil {
		t.Errorf("an unknown claim: %v", err)
	}
}

func cnfKey(o map[any]any) map[any]any { return o[uint64(8)].(map[any]any)[uint64(1)].(map[any]any) }

package strictjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/quotary/quotary/internal/strictjson"
)

var rules = strictjson.Rules{Depth: 3, Elements: 4, Text: 16}

// ambiguous are texts that some readers take and others read differently.
var ambiguous = map[string]string{
	"repeated member":       `{"a":1,"a":1}`,
	"repeated by an escape": `{"a":1,"\u0061":1}`,
	"two values":            `{"a":1}{"a":1}`,
	"something behind":      `{"a":1}]`,
	"invalid UTF-8":         "{\"a\":\"\xff\"}",
	"truncated":             `{"a":1`,
	"empty":                 ``,
	"trailing comma":        `{"a":1,}`,
	"comment":               `{"a":1}//`,
	"byte order mark":       "\xef\xbb\xbf{\"a\":1}",
}

func TestRefuses(t *testing.T) {
	for name, text := range ambiguous {
		if _, err := strictjson.Members([]byte(text), 4); err == nil {
			t.Errorf("Members takes %s", name)
		}
		if err := strictjson.Check([]byte(text), rules); err == nil {
			t.Errorf("Check takes %s", name)
		}
	}
}

func TestMembers(t *testing.T) {
	members, err := strictjson.Members([]byte(" {\"b\" : {\"x\": 1} , \"A\":[ ],\"a\":null}\n"), 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []strictjson.Member{{"b", json.RawMessage(`{"x": 1}`)}, {"A", json.RawMessage(`[ ]`)}, {"a", json.RawMessage(`null`)}}
	for i, m := range members {
		if m.Name != want[i].Name || !bytes.Equal(m.Value, want[i].Value) {
			t.Errorf("member %d is %q: %s, want %q: %s", i, m.Name, m.Value, want[i].Name, want[i].Value)
		}
	}
	if len(members) != 3 || strictjson.Get(members, "c") != nil || string(strictjson.Get(members, "A")) != "[ ]" {
		t.Errorf("got %v", members)
	}
	for name, text := range map[string]string{"no object": `[1]`, "too many members": `{"a":1,"b":2,"c":3,"d":4}`} {
		if _, err := strictjson.Members([]byte(text), 3); err == nil {
			t.Errorf("Members takes %s", name)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, text := range []string{`{}`, `[]`, `null`, `1e400`, `{"a":{"b":[1,2,3,4]}}`, `"0123456789abcdef"`} {
		if err := strictjson.Check([]byte(text), rules); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for name, text := range map[string]string{
		"differ in case":          `{"a":{"tcb":1,"TCB":1}}`,
		"Kelvin sign":             "{\"k\":1,\"\u212a\":1}",
		"long s":                  "{\"s\":1,\"\u017f\":1}",
		"repeated deep inside":    `[[{"a":1,"a":1}]]`,
		"too deep":                `[[[[]]]]`,
		"too many members":        `{"a":1,"b":1,"c":1,"d":1,"e":1}`,
		"too many elements":       `[1,1,1,1,1]`,
		"long text":               `"0123456789abcdefg"`,
		"long name":               `{"0123456789abcdefg":1}`,
		"lone surrogate":          `"\ud800"`,
		"lone surrogate in names": `{"\udc00":1}`,
	} {
		if err := strictjson.Check([]byte(text), rules); err == nil {
			t.Errorf("Check takes a text with %s", name)
		}
	}
	narrow := rules
	narrow.NoNull, narrow.Name = true, func(name string) bool { return name == "a" }
	for _, text := range []string{`{"a":null}`, `{"b":1}`} {
		if err := strictjson.Check([]byte(text), narrow); err == nil {
			t.Errorf("Check takes %s against its rules", text)
		}
	}
}

// FuzzCheck holds Check to what it promises: whoever decodes a checked text
// gets the same, and encoding it again loses nothing.
func FuzzCheck(f *testing.F) {
	for _, text := range ambiguous {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"a":{"b":[1,2.5e3,true,null,"x"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if strictjson.Check(data, strictjson.Rules{Depth: 8, Elements: 16, Text: 64}) != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatal("what is no JSON was taken")
		}
		if members, err := strictjson.Members(data, 16); err == nil {
			for _, m := range members {
				if !json.Valid(m.Value) || !bytes.Contains(data, m.Value) {
					t.Fatalf("the value of %q is not in the text", m.Name)
				}
			}
		} else if strings.HasPrefix(string(bytes.TrimSpace(data)), "{") {
			t.Fatalf("Check takes what Members refuses: %v", err)
		}
	})
}

package strictjson_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

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
	"high surrogate alone":  `{"a":"\ud800"}`,
	"low surrogate alone":   `{"a":["\udc00x"]}`,
	"two high surrogates":   `{"a":"\ud800\ud800"}`,
	"surrogate in a name":   `{"\ud83d":1}`,
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

// standard is what the standard library reads, as values of this package.
func standard(t *testing.T, data []byte) strictjson.Value {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var read func() (strictjson.Value, bool)
	read = func() (v strictjson.Value, more bool) {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case string:
			return strictjson.Value{Kind: strictjson.Text, Text: x}, true
		case json.Number:
			return strictjson.Value{Kind: strictjson.Number, Text: x.String()}, true
		case bool:
			return strictjson.Value{Kind: strictjson.Bool, Text: strconv.FormatBool(x)}, true
		case json.Delim:
			if x == '}' || x == ']' {
				return v, false
			}
			for v.Kind = strictjson.Array; ; {
				var item strictjson.Item
				inner, more := read()
				if !more {
					break
				}
				if x == '{' {
					item.Name = inner.Text
					inner, _ = read()
				}
				item.Value = inner
				v.Items = append(v.Items, item)
			}
			if x == '{' {
				v.Kind = strictjson.Object
			}
		}
		return v, true
	}
	v, _ := read()
	return v
}

// FuzzParse compares with the standard library: nothing is taken that is no JSON,
// all is read the same, and what is JSON is refused for a rule only.
func FuzzParse(f *testing.F) {
	for _, text := range ambiguous {
		f.Add([]byte(text))
	}
	for _, text := range []string{
		`{"a":{"b":[1,-2.5e3,0,-0.0e-1,true,false,null,"x\u00e9\n\ud83d\ude00"]},"c":[]}`, `01`, `-`, `1.`, `1e`, `+1`, `.5`, "\"\x1f\"", `"\x"`, `[1,]`, `{"a" : 1}`,
		`{"a":1 "b":2}`, `tru`, "\"\\", `{"` + strings.Repeat(`a":1,"`, 20) + `b":1}`, `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"r":1,"s":1,"R":1}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := strictjson.Parse(data, strictjson.Rules{Depth: 64, Elements: 1 << 20, Text: 1 << 20})
		valid := json.Valid(data) && utf8.Valid(data)
		if err == nil {
			if !valid {
				t.Fatal("what is no JSON was taken")
			}
			if want := standard(t, data); !equal(v, want) {
				t.Fatalf("got %+v, want %+v", v, want)
			}
		} else if text := err.Error(); valid && !strings.Contains(text, "is there twice") && !strings.Contains(text, "was not encoded") && !strings.Contains(text, "nested deeper") {
			t.Fatalf("what is JSON was refused: %v", err)
		}
		if members, err := strictjson.Members(data, 1<<20); err == nil && (!valid || len(members) != len(standard(t, data).Items)) {
			t.Fatal("Members takes something else")
		}
	})
}

// equal compares without telling no items from none.
func equal(a, b strictjson.Value) bool {
	return a.Kind == b.Kind && a.Text == b.Text && slices.EqualFunc(a.Items, b.Items, func(x, y strictjson.Item) bool {
		return x.Name == y.Name && equal(x.Value, y.Value)
	})
}

// TestParse reads one text of everything.
func TestParse(t *testing.T) {
	v, err := strictjson.Parse([]byte(` {"a":[1,"x",{}],"b":null,"c":true}`), rules)
	if err != nil || v.Kind != strictjson.Object || len(v.Items) != 3 || v.Get("d") != nil || v.Get("a").Get("x") != nil {
		t.Fatalf("%+v: %v", v, err)
	}
	if a := v.Get("a"); a.Kind != strictjson.Array || len(a.Items) != 3 || a.Items[0].Text != "1" || a.Items[1].Text != "x" || a.Items[2].Kind != strictjson.Object {
		t.Errorf("%+v", a)
	}
	if v.Get("b").Kind != strictjson.Null || v.Get("c").Text != "true" {
		t.Errorf("%+v", v)
	}
}

// TestNesting: no depth of nesting is too much for the reader itself.
func TestNesting(t *testing.T) {
	deep := []byte(`{"a":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + `}`)
	if _, err := strictjson.Members(deep, 1); err == nil {
		t.Error("Members takes a million arrays")
	}
	if err := strictjson.Check(deep, rules); err == nil {
		t.Error("Check takes a million arrays")
	}
}

// TestManyNames: repeated members are found among many, too.
func TestManyNames(t *testing.T) {
	var b strings.Builder
	for i := range 100 {
		b.WriteString(`"name` + strconv.Itoa(i) + `":1,`)
	}
	wide := strictjson.Rules{Depth: 1, Elements: 200, Text: 16}
	for last, ok := range map[string]bool{"other": true, "name5": false, "NAME99": false, "name100": true} {
		if err := strictjson.Check([]byte(`{`+b.String()+`"`+last+`":1}`), wide); (err == nil) != ok {
			t.Errorf("%s: %v", last, err)
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

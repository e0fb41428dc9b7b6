package server

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/internal/store"
	"github.com/quotary/quotary/internal/strictjson"
	"github.com/quotary/quotary/policies"
)

// decodeCall reads the object that a call of an administrator sends.
func (x *exchange) decodeCall(most int64, may ...string) (object, error) {
	body, err := x.readUpTo(most)
	if err != nil {
		return nil, err
	}
	return decodeObject(body, may...)
}

// number returns a member that is a whole number from least on, or otherwise if
// it is not there.
func (o object) number(name string, least, most, otherwise int64) (int64, error) {
	raw, ok := o[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < least || n > most || strconv.FormatInt(n, 10) != string(raw) {
		if most == math.MaxInt64 {
			return 0, malformed(name, "this is not a whole number from %d on", least)
		}
		return 0, malformed(name, "this is not a whole number from %d to %d", least, most)
	}
	return n, nil
}

// needed is a number that names something.
func (o object) needed(name string) (int64, error) {
	if _, given := o[name]; !given {
		return 0, malformed(name, "it is missing")
	}
	return o.number(name, 1, math.MaxInt64, 0)
}

// attestationID returns the name of an attestation.
func (o object) attestationID() (string, error) {
	id, err := o.text("attestation_id")
	if err == nil && id == "" {
		err = malformed("attestation_id", "name an attestation")
	}
	return id, err
}

// limit returns how many rows are asked for.
func (o object) limit() (int, error) {
	n, err := o.number("limit", 1, store.MaxPage, defaultPage)
	return int(n), err
}

// truth returns a member that is true or false, or nil if it is not there.
func (o object) truth(name string) (*bool, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	var b *bool
	if json.Unmarshal(raw, &b) != nil || b == nil {
		return nil, malformed(name, "this is neither true nor false")
	}
	return b, nil
}

// dryRun returns whether a change is only to be tried: it is, unless the caller
// says otherwise.
func (o object) dryRun() (bool, error) {
	b, err := o.truth("dry_run")
	return b == nil || *b, err
}

// time returns a time in RFC 3339, zero if it is not there.
func (o object) time(name string) (time.Time, error) {
	text, err := o.text(name)
	if _, given := o[name]; !given || err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}, malformed(name, "this is no time in RFC 3339")
	}
	return t, nil
}

// into sets texts by the names of their members.
func (o object) into(texts map[string]*string) (err error) {
	for name, text := range texts {
		if *text, err = o.text(name); err != nil {
			return err
		}
	}
	return nil
}

// cursor reads what [newCursor] made, into what it was made of.
func (o object) cursor(v any) (given bool, err error) {
	text, err := o.text("cursor")
	if _, given = o["cursor"]; !given || err != nil {
		return false, err
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || json.Unmarshal(data, v) != nil {
		return false, malformed("cursor", "send it as an answer brought it")
	}
	return true, nil
}

// before reads a cursor that is a number.
func (o object) before() (n int64, err error) {
	given, err := o.cursor(&n)
	if err == nil && given && n < 1 {
		err = malformed("cursor", "send it as an answer brought it")
	}
	return n, err
}

// newCursor makes the place where a list goes on opaque.
func newCursor(v any) (string, error) {
	data, err := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(data), err
}

const memberDocuments = "documents"

// documents returns the policy documents of a call; given is false without the
// member.
func (o object) documents() (files []policies.File, given bool, err error) {
	raw, given := o[memberDocuments]
	if !given {
		return nil, false, nil
	}
	rules := strictjson.Rules{Depth: 2, Elements: store.MaxPolicyDocuments, Text: store.MaxPolicySize, NoNull: true}
	list, err := strictjson.Parse(raw, rules)
	if err != nil {
		return nil, true, malformed(memberDocuments, "%w", err)
	}
	if list.Kind != strictjson.Array {
		return nil, true, malformed(memberDocuments, "this is not an array of documents")
	}
	total, seen := 0, map[string]bool{}
	for i := range list.Items {
		at := fmt.Sprintf("%s[%d]", memberDocuments, i)
		file, err := readDocument(at, &list.Items[i].Value)
		if err != nil {
			return nil, true, err
		}
		if seen[file.Name] {
			return nil, true, malformed(at+".name", "two documents have this name")
		}
		seen[file.Name] = true
		if total += len(file.Data); total > store.MaxPolicySize {
			return nil, true, evidence.Errorf(evidence.CodePolicyTooLarge, memberDocuments, "the documents together take more than %d bytes", store.MaxPolicySize)
		}
		files = append(files, file)
	}
	return files, true, nil
}

// neededDocuments are those of a call that is about them.
func (o object) neededDocuments() ([]policies.File, error) {
	files, given, err := o.documents()
	if err == nil && !given {
		err = malformed(memberDocuments, "it is missing")
	}
	return files, err
}

// readDocument reads one document.
func readDocument(at string, v *strictjson.Value) (policies.File, error) {
	name, content := v.Get("name"), v.Get("content")
	if v.Kind != strictjson.Object || len(v.Items) != 2 || name == nil || content == nil || name.Kind != strictjson.Text || content.Kind != strictjson.Text {
		return policies.File{}, malformed(at, "a document is an object with the texts name and content")
	}
	if !isDocumentName(name.Text) {
		return policies.File{}, malformed(at+".name", "a document's name takes 1 to %d of the characters A-Z a-z 0-9 . _ -, begins with one but . and - and ends in .yaml, .yml, .dsse.json or .cose; this is %.80q", maxDocumentName, name.Text)
	}
	return policies.File{Name: name.Text, Data: []byte(content.Text)}, nil
}

// isDocumentName reports whether a file of this name can be written into any
// folder, and nowhere else.
func isDocumentName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	stem, ok := policies.FileStem(name)
	return ok && stem != "" && len(name) <= maxDocumentName && name[0] != '.' && name[0] != '-' && strings.Trim(name, letters) == ""
}

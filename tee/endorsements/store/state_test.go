package store

import (
	"reflect"
	"testing"
	"time"

	"github.com/quotary/quotary/evidence"
)

// FuzzState reads any state file without a panic; what it accepts it writes in a
// form that it reads as the same, and joining that with itself changes nothing.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":1,"names":[]}`))
	f.Add([]byte(`{"version":1,"names":[{"type":"crl","id":"root","sequence":5,"issued":"2000-01-01T00:00:00Z","fetched":"2000-01-02T00:00:00Z",
		"checked":"2000-01-03T00:00:00Z","failed":"2000-01-04T00:00:00Z","code":"endorsements.not-found","error":"no"}]}`))
	f.Add([]byte(`{"version":1,"names":[{"type":"a","id":"b"},{"type":"a","id":"b","sequence":2}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseState(data)
		if err != nil {
			return
		}
		once := s.merge(state{})
		text, err := once.encode()
		if err != nil {
			t.Skip() // a date that JSON cannot say
		}
		again, err := parseState(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		twice := again.merge(again)
		other, err := twice.encode()
		if err != nil || string(other) != string(text) {
			t.Fatalf("%s\n%s, %v", text, other, err)
		}
		for _, n := range again.Names {
			_ = n.failure()
		}
	})
}

// Joining what two processes know does not depend on which one writes.
func TestMergeState(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2000, 1, 1, hour, 0, 0, 0, time.UTC) }
	one := state{1, []nameState{
		{Type: "crl", ID: "a", Sequence: 5, Issued: at(1), Fetched: at(2), Checked: at(9)},
		{Type: "crl", ID: "b", Failed: at(5), Code: evidence.CodeEndorsementNotFound.String(), Error: "no"},
		{Type: "doc", ID: "c", Sequence: 2, Issued: at(8)},
		{Type: "doc", ID: "d", Failed: at(5), Code: evidence.CodeEndorsementNotFound.String(), Error: "no"},
	}}
	two := state{1, []nameState{
		{Type: "crl", ID: "a", Sequence: 4, Issued: at(7), Fetched: at(3), Checked: at(4), Failed: at(8), Code: "x", Error: "y"},
		{Type: "crl", ID: "b", Sequence: 1, Issued: at(1), Checked: at(4)},
		{Type: "doc", ID: "c", Sequence: 2, Issued: at(7), Checked: at(6)},
		{Type: "doc", ID: "d", Simulated: true, Sequence: 1, Issued: at(1), Checked: at(6)}, // a success, whatever root it rests on
	}}
	want := state{1, []nameState{
		{Type: "crl", ID: "a", Sequence: 5, Issued: at(1), Fetched: at(3), Checked: at(9)},
		{Type: "crl", ID: "b", Sequence: 1, Issued: at(1), Checked: at(4), Failed: at(5), Code: evidence.CodeEndorsementNotFound.String(), Error: "no"},
		{Type: "doc", ID: "c", Sequence: 2, Issued: at(8), Checked: at(6)},
		{Type: "doc", ID: "d", Simulated: true, Sequence: 1, Issued: at(1), Checked: at(6)},
	}}
	for _, got := range []state{one.merge(two), two.merge(one)} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	}
}

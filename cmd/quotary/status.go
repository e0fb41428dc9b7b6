package main

import (
	"fmt"
	"time"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/endorsements"
	"github.com/quotary/quotary/tee/endorsements/store"
)

const statusHelp = `usage: quotary endorsements status --store DIR [FLAG]…

Show what a store holds and lacks: of each endorsement its state, age, end, when
it was last found to be the newest (checked) and is looked at again at the latest
(refresh), and why the last fetch failed. Nobody is asked, and nothing changed.

states:
  current     held, and not expired
  expired     held, and handed to verifiers for the grace, who see that it expired
  superseded  an older list that is kept for what it revoked
  missing     every verification may draw on it, and it is not there

A store is taken to be for the vendors, and of AMD's for the product lines, of which
it holds something or was asked for something in vain. Of the others nothing counts
as missing; they are listed as unused. Where nothing is held, everything counts: of
all vendors, of one that was asked in vain, or of one that --vendor names.

flags:
` + storeFlagsHelp + `  --vendor NAME   show what is this vendor's alone; amd or intel; repeatable
  -o text|json    output format

exit codes: 0 everything is current, 3 something that counts is missing, or anything
expired or unusable, 1 usage or internal error: the store cannot be read

examples:
  quotary endorsements status --store /var/lib/quotary/collateral
  quotary endorsements status --store ./collateral --vendor intel
  quotary endorsements status --store ./collateral -o json | jq '.endorsements[] | select(.error)'
`

// storeReport is status's answer, as JSON has it.
type storeReport struct {
	Store string    `json:"store"`
	At    time.Time `json:"at"`
	// How many names are in which state.
	Current    int `json:"current"`
	Expired    int `json:"expired"`
	Superseded int `json:"superseded"`
	Missing    int `json:"missing"`

	Endorsements []storeEntry `json:"endorsements"`
	// Unused lists the vendors and product lines that the store was never used for.
	Unused []string `json:"unused,omitempty"`
	// Unusable lists files of the directory that hold nothing authentic.
	Unusable []endorsements.Source `json:"unusable,omitempty"`
}

// storeEntry is one name. Times are to the second, and absent if there are none.
type storeEntry struct {
	Type   string      `json:"type"`
	ID     string      `json:"id"`
	Vendor string      `json:"vendor"`
	State  store.State `json:"state"`

	Size     int64     `json:"size,omitempty"` // bytes
	Sequence uint64    `json:"sequence,omitempty"`
	Issued   time.Time `json:"issued,omitzero"`
	Age      int64     `json:"age_seconds,omitempty"` // since it was issued
	Expires  time.Time `json:"expires,omitzero"`
	Fetched  time.Time `json:"fetched,omitzero"`
	Checked  time.Time `json:"checked,omitzero"`
	Refresh  time.Time `json:"refresh,omitzero"`

	Failed time.Time    `json:"failed,omitzero"`
	Error  *reportError `json:"error,omitempty"`
}

func status(s streams, args []string) (exit, error) {
	fs := flagSet("endorsements status")
	var f storeFlags
	var named vendorList
	f.define(fs)
	fs.Var(&named, "vendor", "")
	output := outputFlag(fs, "text", "json")
	if err := parseWithout(fs, args); err != nil {
		return exitFailed, err
	}
	if err := f.check(fs); err != nil {
		return exitFailed, err
	}
	_, r, err := readStore(f, named)
	if err != nil {
		return exitFailed, err
	}
	if output.value == "json" {
		return r.exit(), writeJSON(s, r)
	}
	r.writeText(s.out)
	return r.exit(), nil
}

// readStore opens a store to read it, and says how things stand. It is left as it
// is: nobody closes it, which would write.
func readStore(f storeFlags, named vendorList) (*store.Store, storeReport, error) {
	if err := f.checkThere(); err != nil {
		return nil, storeReport{}, err
	}
	authorities, err := f.authorities()
	if err != nil {
		return nil, storeReport{}, err
	}
	at := f.now()
	c := f.config(new(vendorFlags).services(authorities))
	c.Now = func() time.Time { return at }
	c.Random = func() float64 { return 0 } // the latest time of a refresh
	opened, err := openStore(c)
	if err != nil {
		return nil, storeReport{}, err
	}
	r := storeReport{Store: f.dir, At: second(at), Unusable: opened.Directory().Unusable}
	var kept []store.Status
	kept, r.Unused = ofInterest(opened.Status(), named)
	for _, one := range kept {
		r.add(one)
	}
	return opened, r, nil
}

func (r *storeReport) add(one store.Status) {
	switch one.State {
	case store.StateCurrent:
		r.Current++
	case store.StateExpired:
		r.Expired++
	case store.StateSuperseded:
		r.Superseded++
	case store.StateMissing:
		r.Missing++
	}
	e := storeEntry{
		Type: one.Name.Type, ID: one.Name.ID, Vendor: vendorOf(one.Vendor), State: one.State, Size: one.Size, Sequence: one.Sequence,
		Issued: second(one.Issued), Expires: second(one.Expires), Fetched: second(one.Fetched), Checked: second(one.Checked),
		Refresh: second(one.Next), Failed: second(one.Failed), Error: errorOf(one.Error),
	}
	if !one.Issued.IsZero() {
		e.Age = int64(r.At.Sub(one.Issued) / time.Second)
	}
	r.Endorsements = append(r.Endorsements, e)
}

// exit is exitAccepted only if there is nothing to do.
func (r *storeReport) exit() exit {
	if r.Expired > 0 || r.Missing > 0 || len(r.Unusable) > 0 {
		return exitUndecided
	}
	return exitAccepted
}

// errorOf is an error as JSON has it, or nil for none.
func errorOf(err error) *reportError {
	if err == nil {
		return nil
	}
	return &reportError{Code: evidence.CodeOf(err), Detail: detail(err)}
}

// second is a time that people can read.
func second(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Round(time.Second)
}

// summary says in a line how things stand.
func (r *storeReport) summary() string {
	text := fmt.Sprintf("%d current, %d expired, %d missing", r.Current, r.Expired, r.Missing)
	if r.Superseded > 0 {
		text += fmt.Sprintf(", %d superseded", r.Superseded)
	}
	if n := len(r.Unusable); n > 0 {
		text += fmt.Sprintf(", %d files unusable", n)
	}
	return text
}

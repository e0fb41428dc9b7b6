package evidence

import "fmt"

// Status is the outcome of one check.
type Status string

// The statuses of a check. Absent is never pass.
const (
	Pass          Status = "pass"
	Fail          Status = "fail"
	Warn          Status = "warn"           // worth acting on, but nothing in force denies it
	NotApplicable Status = "not-applicable" // the technology or version has no such thing
	NotPerformed  Status = "not-performed"  // something needed for it is missing, or an earlier failure made it unsafe
)

// Check is one thing that a verifier or a policy examined: what it wanted, what
// it got, and the outcome.
type Check struct {
	Code   Code   `json:"code"`
	Kind   Kind   `json:"kind,omitempty"` // the item that it is about, or empty for the bundle as a whole
	Status Status `json:"status"`
	Want   string `json:"want"`
	Got    string `json:"got"`
}

func (c Check) String() string {
	return fmt.Sprintf("%s %s: want %s, got %s", c.Status, c.Code, c.Want, c.Got)
}

// Checks is a report of checks in the order in which they were made. The zero
// value is an empty report. Its methods append.
type Checks []Check

// Pass records that code holds; got says with what.
func (c *Checks) Pass(code Code, got string) { c.add(code, Pass, "", got) }

// Fail records that code does not hold.
func (c *Checks) Fail(code Code, want, got string) { c.add(code, Fail, want, got) }

// NotApplicable records that code has no meaning here; why says the reason.
func (c *Checks) NotApplicable(code Code, why string) { c.add(code, NotApplicable, "", why) }

// NotPerformed records that code could not be examined; why says the reason.
func (c *Checks) NotPerformed(code Code, want, why string) { c.add(code, NotPerformed, want, why) }

// Judge records Pass if ok and Fail if not, and returns ok.
func (c *Checks) Judge(ok bool, code Code, want, got string) bool {
	status := Fail
	if ok {
		status = Pass
	}
	c.add(code, status, want, got)
	return ok
}

func (c *Checks) add(code Code, status Status, want, got string) {
	*c = append(*c, Check{Code: code, Status: status, Want: want, Got: got})
}

// Failed returns the checks with status Fail.
func (c Checks) Failed() Checks { return c.with(Fail) }

// Get returns the first check with this code.
func (c Checks) Get(code Code) (Check, bool) {
	for _, check := range c {
		if check.Code == code {
			return check, true
		}
	}
	return Check{}, false
}

func (c Checks) with(status Status) Checks {
	var out Checks
	for _, check := range c {
		if check.Status == status {
			out = append(out, check)
		}
	}
	return out
}

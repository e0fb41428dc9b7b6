package guest

import (
	"strings"

	"github.com/quotary/quotary/evidence"
)

// noneOf puts together why no interface can be used. One that is there but
// denied says more than one that is not there.
func noneOf(refused []*evidence.Error) *evidence.Error {
	if len(refused) == 1 {
		return refused[0]
	}
	code := evidence.CodeAttesterAbsent
	var details []string
	for _, e := range refused {
		if e.Code == evidence.CodeAttesterDenied {
			code = e.Code
		}
		details = append(details, e.Field+": "+e.Detail)
	}
	return evidence.Errorf(code, "", "%s", strings.Join(details, "; "))
}

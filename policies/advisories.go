package policies

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quotary/quotary/evidence"
)

// Advisory is something that a security bulletin asks of a machine and that its
// evidence does not show. A machine that is behind in several components has
// several of one bulletin.
type Advisory struct {
	// ID is the bulletin, such as "AMD-SB-3019", or [UnknownPlatform].
	ID    string `json:"id"`
	Title string `json:"title"`
	// Component is the claim that falls short, such as "reported_tcb.snp".
	Component string `json:"component"`
	Have      string `json:"have"`
	Need      string `json:"need"`
	// VerifiedBy says who was read to state what is needed: "amd" itself, or
	// "several" independent sources that quote the bulletin, or "one". Empty for
	// [UnknownPlatform].
	VerifiedBy string `json:"verified_by,omitempty"`
}

// UnknownPlatform is the ID of the finding that no advisory knows the machine's
// product line, so that nothing can be said of it.
const UnknownPlatform = "advisory.unknown-platform"

// The ways in which what a bulletin asks is known.
const (
	verifiedByVendor = "amd"
	verifiedByMany   = "several"
	verifiedByOne    = "one"
)

// advisory is a bulletin and what it asks of each product line that it is about.
type advisory struct {
	id      string
	title   string
	demands map[string][]demand
}

// size counts the demands.
func (a *advisory) size() int {
	n := 0
	for _, demands := range a.demands {
		n += len(demands)
	}
	return n
}

// advisoryTable is the advisories that a set knows.
type advisoryTable struct {
	asOf time.Time
	rows []*advisory // by id
	want string
	// replaced are the built-in advisories that a document put others in the place of.
	replaced []string
}

func (t *advisoryTable) has(id string) bool {
	return slices.ContainsFunc(t.rows, func(row *advisory) bool { return row.id == id })
}

func (t *advisoryTable) ids() []string {
	ids := make([]string, len(t.rows))
	for i, row := range t.rows {
		ids[i] = row.id
	}
	return ids
}

// findings are the advisories that apply to a machine.
type findings struct {
	list []Advisory
	want string // for checks
}

// find returns what the machine falls short of. Of a product line that the table
// does not know it says so.
func (t *advisoryTable) find(c *evidence.SNPClaims) *findings {
	found := &findings{want: t.want}
	if !slices.Contains(snpProducts, c.Product) {
		found.list = append(found.list, Advisory{
			ID: UnknownPlatform, Title: "No advisory knows this product line.",
			Component: "product", Have: shownText(c.Product), Need: orList(snpProducts),
		})
		return found
	}
	for _, row := range t.rows {
		for _, d := range row.demands[c.Product] {
			if !d.met(c) {
				found.list = append(found.list, Advisory{
					ID: row.id, Title: row.title, Component: d.component, Have: d.have(c), Need: d.need, VerifiedBy: d.verifiedBy,
				})
			}
		}
	}
	return found
}

// String names the advisories, and the first components that fall short.
func (f *findings) String() string {
	var ids, parts []string
	for _, a := range f.list {
		if !slices.Contains(ids, a.ID) {
			ids = append(ids, a.ID)
		}
		if part := a.Component + " " + a.Have + ", needs " + a.Need; !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	more := ""
	if n := len(parts) - maxWantValues; n > 0 {
		more = "; and " + strconv.Itoa(n) + " more"
		parts = parts[:maxWantValues]
	}
	return strings.Join(ids, ", ") + " (" + strings.Join(parts, "; ") + more + ")"
}

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
	// lines are what is asked of each product line, by row.
	lines map[string][]advisoryDemands
	// replaced are the built-in advisories that a document put others in the place of.
	replaced []string
}

// advisoryDemands are what one row asks of one product line.
type advisoryDemands struct {
	row     *advisory
	demands []demand
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
	m := newMachine(c)
	for _, asked := range t.lines[c.Product] {
		for i := range asked.demands {
			if d := &asked.demands[i]; !d.met(m) {
				found.add(asked.row, d, c)
			}
		}
	}
	return found
}

func (f *findings) add(row *advisory, d *demand, c *evidence.SNPClaims) {
	const usual = 16 // of a machine that missed an update
	if f.list == nil {
		f.list = make([]Advisory, 0, usual)
	}
	f.list = append(f.list, Advisory{
		ID: row.id, Title: row.title, Component: d.component, Have: d.have(c), Need: d.need, VerifiedBy: d.verifiedBy,
	})
}

// String names the advisories, and the first components that fall short.
func (f *findings) String() string {
	const usual, enough = 16, 256
	parts := make([]*Advisory, 0, usual)
	var b strings.Builder
	b.Grow(enough)
	for i := range f.list {
		a := &f.list[i]
		switch { // those of one bulletin follow each other
		case i == 0:
			b.WriteString(a.ID)
		case a.ID != f.list[i-1].ID:
			b.WriteString(", ")
			b.WriteString(a.ID)
		}
		if !slices.ContainsFunc(parts, a.likePart) {
			parts = append(parts, a)
		}
	}
	for i, a := range parts[:min(len(parts), maxWantValues)] {
		for _, text := range [...]string{yesNo(i == 0, " (", "; "), a.Component, " ", a.Have, ", needs ", a.Need} {
			b.WriteString(text)
		}
	}
	if n := len(parts) - maxWantValues; n > 0 {
		b.WriteString("; and " + strconv.Itoa(n) + " more")
	}
	b.WriteString(")")
	return b.String()
}

// likePart reports whether two bulletins ask the same.
func (a *Advisory) likePart(other *Advisory) bool {
	return a.Component == other.Component && a.Need == other.Need && a.Have == other.Have
}

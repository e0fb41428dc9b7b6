package scenarios

import (
	"regexp"
	"strings"

	"github.com/quotary/quotary/policies"
	"github.com/quotary/quotary/simulators/fleet"
)

// placeholder stands for a machine's requirement.
var placeholder = regexp.MustCompile(`\$\{requirement ([a-z0-9-]+)\}`)

// placeholders lists the machines whose requirements a text wants.
func placeholders(text string) (names []string) {
	for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, match[1])
	}
	return names
}

// documents are the policy documents of machines, filled in.
func (p *Policy) documents(all *fleet.Fleet, trustDomain string) ([]policies.File, error) {
	var files []policies.File
	for _, name := range p.Machines {
		m, err := all.Find(name)
		if err != nil {
			return nil, err
		}
		files = append(files, m.Workload(trustDomain))
	}
	for _, d := range p.Documents {
		text, err := d.filled(all)
		if err != nil {
			return nil, err
		}
		files = append(files, policies.File{Name: d.Name, Data: []byte(text)})
	}
	return files, nil
}

// filled is the text with the requirements, whose further lines are indented as the
// first one is.
func (d Document) filled(all *fleet.Fleet) (string, error) {
	var out strings.Builder
	for line := range strings.Lines(d.Text) {
		for _, name := range placeholders(line) {
			m, err := all.Find(name)
			if err != nil {
				return "", err
			}
			column := strings.Index(line, "${")
			indented := strings.ReplaceAll(m.Requirement(), "\n", "\n"+strings.Repeat(" ", column))
			line = strings.Replace(line, "${requirement "+name+"}", indented, 1)
		}
		out.WriteString(line)
	}
	return out.String(), nil
}

package policies

import (
	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// lintDebug refuses to have machines accepted that their host can debug: whatever
// they are given, the host can read. Such a set loads, for those who try things out
// with files.
func lintDebug(documents []document, refused *problems) {
	for _, d := range documents {
		if d.kind != kindWorkload {
			continue
		}
		for _, alternative := range d.fields.values["any_of"].Content {
			for _, kind := range []string{"sev_snp", "tdx"} {
				if asked := mappingOf(alternative)[kind]; asked != nil {
					lintAllow(d.source, kind, mappingOf(asked)["allow"], refused)
				}
			}
		}
	}
}

func lintAllow(s source, kind string, allow *yaml.Node, refused *problems) {
	if allow == nil {
		return
	}
	for _, word := range allow.Content {
		if word.Value == allowDebug {
			refused.add(s.place(word).with(evidence.CodePolicyUnsafe, kind+".allow: debug accepts machines that their host can read; leave it out"))
		}
	}
}

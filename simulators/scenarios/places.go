package scenarios

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/quotary/quotary/evidence"
)

// places finds where in a file something stands, for errors about what is well-formed.
type places struct {
	file string
	root *yaml.Node
}

func newPlaces(file string, data []byte) places {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil || len(document.Content) == 0 {
		return places{file, &yaml.Node{}}
	}
	return places{file, document.Content[0]}
}

// of returns the place of what a path leads to: keys, and indexes of lists. Where there is
// no such thing, it is that of the last part that there is.
func (p places) of(path ...any) *yaml.Node {
	at := p.root
	for _, part := range path {
		next := child(at, part)
		if next == nil {
			break
		}
		at = next
	}
	return at
}

func child(n *yaml.Node, part any) *yaml.Node {
	switch part := part.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && part < len(n.Content) {
			return n.Content[part]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == part {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// wrong is an error at a place.
func (p places) wrong(path []any, format string, args ...any) error {
	at := p.of(path...)
	return evidence.Errorf(evidence.CodeConfigMalformed, fmt.Sprintf("%s:%d:%d", p.file, at.Line, at.Column), format, args...)
}

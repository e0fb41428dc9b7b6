package scenarios

import (
	"embed"
	"path"
)

//go:embed library/*.yaml
var library embed.FS

// Library returns the scenarios that come along, by name.
func Library() ([]*Scenario, error) {
	var all []*Scenario
	entries, err := library.ReadDir("library")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		data, err := library.ReadFile(path.Join("library", entry.Name()))
		if err != nil {
			return nil, err
		}
		s, err := Parse(entry.Name(), data)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

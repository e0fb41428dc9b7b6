package daemon

import (
	"path/filepath"

	"github.com/quotary/quotary/internal/strictyaml"
)

// ReadConfig reads a configuration file.
func ReadConfig(path string) (Config, error) {
	data, err := readBounded(path, "configuration", maxConfig)
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := strictyaml.Parse(path, data, &c); err != nil {
		return Config{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, err
	}
	c.resolve(dir)
	return c, nil
}

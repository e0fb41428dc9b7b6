//go:build !linux

package endpoint

func (Config) checkNobody() error { return nil }

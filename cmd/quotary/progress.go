package main

import (
	"fmt"
	"sync"
	"time"
)

// waiting tells people at a terminal what is waited for, once it takes more than a
// second, until stop is called. What it wrote is gone then.
func (s streams) waiting(what string) (stop func()) {
	if !s.attended {
		return func() {}
	}
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for seconds := 1; ; seconds++ {
			select {
			case <-ticker.C:
				fmt.Fprintf(s.err, "\r\x1b[Kquotary: %s … %d s", what, seconds)
			case <-ended:
				if seconds > 1 {
					fmt.Fprint(s.err, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(ended); <-gone })
}

package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaiting(t *testing.T) {
	for name, tc := range map[string]struct {
		attended bool
		after    time.Duration
		want     string
	}{
		"nobody is there":       {false, 10 * time.Second, ""},
		"it is quick":           {true, 900 * time.Millisecond, ""},
		"it takes some seconds": {true, 2500 * time.Millisecond, "\r\x1b[Kquotary: waiting … 1 s\r\x1b[Kquotary: waiting … 2 s\r\x1b[K"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var notes bytes.Buffer
				stop := streams{err: &notes, attended: tc.attended}.waiting("waiting")
				time.Sleep(tc.after) // in the bubble's time
				synctest.Wait()
				stop()
				stop()
				if notes.String() != tc.want {
					t.Errorf("got %q", notes.String())
				}
			})
		})
	}
}

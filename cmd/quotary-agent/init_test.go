package main

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Of many who end together everybody is reaped, and the one that counts is not missed.
func TestReap(t *testing.T) {
	var children []int
	for _, code := range []string{"0", "0", "3", "0"} {
		child := exec.Command("sh", "-c", "exit "+code)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child.Process.Pid)
	}
	for _, pid := range children {
		for t.Context().Err() == nil && !ended(t, pid) {
			time.Sleep(time.Millisecond)
		}
	}
	if code, ended := reap(children[2]); !ended || code != 3 {
		t.Errorf("code %d, ended: %v", code, ended)
	}
	if _, ended := reap(children[2]); ended {
		t.Error("it ended twice")
	}
	for _, pid := range children {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
			t.Errorf("%d is there still", pid)
		}
	}
}

// ended reports whether a process waits to be reaped (proc_pid_stat(5)).
func ended(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" Z"))
}

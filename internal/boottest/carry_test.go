//go:build boot

package boottest_test

import (
	"io"
	"net"
	"os"
	"testing"
)

// carryTo is the variable with the service's address: a process that has it is no test.
const carryTo = "BOOTTEST_CARRY_TO"

// TestMain is also the program that QEMU starts for each connection to the service.
func TestMain(m *testing.M) {
	address := os.Getenv(carryTo)
	if address == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		os.Exit(1)
	}
	go func() {
		io.Copy(conn, os.Stdin)
		conn.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(os.Stdout, conn)
}

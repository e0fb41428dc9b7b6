package endpoint

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// nobody is the user as whom the kernel reports callers that have no number in the agent's user
// namespace (user_namespaces(7), overflowuid).
const nobody = 65534

// checkNobody refuses to let in nobody where that may be anybody.
func (c Config) checkNobody() error {
	if c.Everybody || !slices.Contains(c.Allowed, nobody) {
		return nil
	}
	users, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return err
	}
	if !hasAllUsers(string(users)) {
		return fmt.Errorf("workload_api.allow_users names the user %d, as whom the users of other namespaces appear in that of the agent; name another", nobody)
	}
	return nil
}

// hasAllUsers reports whether a namespace is the first one, which has all users.
func hasAllUsers(uidMap string) bool {
	return slices.Equal(strings.Fields(uidMap), []string{"0", "0", "4294967295"})
}

package daemon

import (
	"os/user"
	"strconv"

	"github.com/quotary/quotary/internal/agent/endpoint"
)

// owner returns the numbers of a user and a group, by name or number; nil where there is
// none given.
func owner(field, name, group string) (uid, gid *int, err error) {
	if name != "" {
		n, err := userID(field+".owner", name)
		if err != nil {
			return nil, nil, err
		}
		uid = new(int(n))
	}
	if group == "" {
		return uid, nil, nil
	}
	text := group
	if found, err := user.LookupGroup(group); err == nil {
		text = found.Gid
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, nil, malformed(field+".group", "there is no group %q", group)
	}
	return uid, new(int(n)), nil
}

// userID returns the number of a user.
func userID(field, name string) (uint32, error) {
	text := name
	if found, err := user.Lookup(name); err == nil {
		text = found.Uid
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, malformed(field, "there is no user %q", name)
	}
	return uint32(n), nil
}

// everybody stands for all users.
const everybody = "*"

// endpoint returns the socket's configuration.
func (w WorkloadAPI) endpoint() (endpoint.Config, error) {
	const field = "workload_api"
	c := endpoint.Config{Path: w.Socket}
	var err error
	if c.Mode, err = mode(field+".mode", w.Mode); err != nil {
		return c, err
	}
	if c.UID, c.GID, err = owner(field, w.Owner, w.Group); err != nil {
		return c, err
	}
	c.Allowed, c.Everybody, err = users(field+".allow_users", w.AllowUsers)
	return c, err
}

// users returns the numbers of users, and whether everybody is among them.
func users(field string, names []string) (allowed []uint32, all bool, err error) {
	for _, name := range names {
		if name == everybody {
			all = true
			continue
		}
		uid, err := userID(field, name)
		if err != nil {
			return nil, false, err
		}
		allowed = append(allowed, uid)
	}
	return allowed, all, nil
}

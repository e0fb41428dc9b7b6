package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/quotary/quotary/internal/admin"
)

const adminHelp = `usage: quotaryd admin issue --data DIR --name NAME --role ROLE --out FILE [--days N] [--csr FILE]
       quotaryd admin revoke --data DIR (--serial SERIAL… | --name NAME)
       quotaryd admin list --data DIR

Issue, revoke and list administrators' certificates. The service may run meanwhile:
it takes what was issued and refuses what was revoked at once. Whoever can do this can
read the data directory; nobody else can.

  --data DIR       the data directory (needed)
  --name NAME      whose certificate: a-z, 0-9 and, between them, ".", "-", "_"
  --role ROLE      viewer (sees everything), operator (prepares changes) or owner
                   (makes them)
  --out FILE       where it goes, with its key unless there is a request; a new file
  --days N         how long it lasts: 1 to 90 (default: 30)
  --csr FILE       a certificate request in PEM, from whoever has the key; only its
                   key counts, and it must ask for nothing else
  --serial SERIAL  which certificate, as list shows it

examples:
  quotaryd admin issue --data /var/lib/quotary --name alice --role owner --out alice.pem
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / -keyout bob.key -out bob.csr
  quotaryd admin issue --data /var/lib/quotary --name bob --role viewer --csr bob.csr --out bob.crt
  quotaryd admin revoke --data /var/lib/quotary --name bob

docs/administrators.md has the rest.
`

// adminCommand runs one of the commands on administrators' certificates.
func adminCommand(args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New("admin needs issue, revoke or list; try: quotaryd admin --help")
	}
	switch args[0] {
	case "issue":
		return adminIssue(args[1:], stdout)
	case "revoke":
		return adminRevoke(args[1:], stdout)
	case "list":
		return adminList(args[1:], stdout)
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	return fmt.Errorf("%q is not issue, revoke or list; try: quotaryd admin --help", args[0])
}

// openAdministrators opens the administrators' CA of a data directory. It is made
// for the trust domain that the service's first start has fixed.
func openAdministrators(data string) (*admin.Authority, error) {
	dir := filepath.Join(data, admin.DirName)
	authority, err := admin.OpenAuthority(dir, "", time.Now)
	if !errors.Is(err, fs.ErrNotExist) {
		return authority, err
	}
	trustDomain, err := admin.TrustDomainOf(filepath.Join(data, "ca", "root.crt"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has neither an administrators' CA nor a service's; start the service there first", data)
	}
	if err != nil {
		return nil, err
	}
	return admin.OpenAuthority(dir, trustDomain, time.Now)
}

// adminList shows the certificates on record.
func adminList(args []string, stdout io.Writer) error {
	var data string
	flags := flag.NewFlagSet("admin list", flag.ContinueOnError)
	flags.StringVar(&data, "data", "", "")
	if err := parse(flags, args, &data); err != nil {
		return err
	}
	authority, err := openAdministrators(data)
	if err != nil {
		return err
	}
	list, err := authority.Issued()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERIAL\tNAME\tROLE\tUNTIL\tSTATE")
	now := time.Now()
	for _, c := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", c.Serial, c.Name, c.Role, c.NotAfter.Format(time.RFC3339), c.State(now))
	}
	return table.Flush()
}

// adminRevoke revokes certificates by their serial numbers, or all of a name.
func adminRevoke(args []string, stdout io.Writer) error {
	var data, name string
	var serials []string
	flags := flag.NewFlagSet("admin revoke", flag.ContinueOnError)
	flags.StringVar(&data, "data", "", "")
	flags.StringVar(&name, "name", "", "")
	flags.Func("serial", "", func(text string) error {
		serial, err := admin.ParseSerial(text)
		serials = append(serials, serial)
		return err
	})
	if err := parse(flags, args, &data); err != nil {
		return err
	}
	if (name == "") == (len(serials) == 0) {
		return errors.New("either --serial SERIAL or --name NAME is needed; try: quotaryd admin --help")
	}
	authority, err := openAdministrators(data)
	if err != nil {
		return err
	}
	known, err := authority.Issued()
	if err != nil {
		return err
	}
	if name != "" {
		if serials = validOf(known, name); len(serials) == 0 {
			return fmt.Errorf("%q has no valid certificate on record here", name)
		}
	}
	for _, serial := range serials {
		if err := revokeOne(authority, known, serial, stdout); err != nil {
			return err
		}
	}
	return nil
}

// validOf lists the serial numbers of a name's certificates that are still good.
func validOf(known []admin.Issued, name string) (serials []string) {
	now := time.Now()
	for _, c := range known {
		if c.Name == name && c.State(now) == "valid" {
			serials = append(serials, c.Serial)
		}
	}
	return serials
}

// revokeOne says whose certificate it was, so that a wrong number is noticed.
func revokeOne(authority *admin.Authority, known []admin.Issued, serial string, stdout io.Writer) error {
	whose := "not on record here: compare the number"
	for _, c := range known {
		if c.Serial == serial {
			whose = fmt.Sprintf("%s %s, until %s", c.Role, c.Name, c.NotAfter.Format(time.RFC3339))
		}
	}
	revoked, err := authority.Revoke(serial)
	if err != nil {
		return err
	}
	did := "revoked"
	if !revoked {
		did = "was revoked before"
	}
	fmt.Fprintf(stdout, "%s %s (%s)\n", serial, did, whose)
	return nil
}

package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/quotary/quotary/ca"
	"github.com/quotary/quotary/internal/daemon"
)

const caHelp = `usage: quotaryd ca show --data DIR [--pem | --revoked]
       quotaryd ca prepare --data DIR [--new-root] [--config FILE]
       quotaryd ca activate --data DIR [--now]
       quotaryd ca taint --data DIR
       quotaryd ca revoke --data DIR
       quotaryd ca rotate --data DIR --emergency [--config FILE]
       quotaryd ca csr --data DIR --out FILE
       quotaryd ca install --data DIR --cert FILE [--root FILE]
       quotaryd ca sign --root-key FILE --root FILE --csr FILE --out FILE [--days N] [--config FILE]
       quotaryd ca sign-list --root-key FILE --root FILE [--previous FILE] [--revoked FILE]… [--serial HEX]…
                --out FILE [--days N] [--config FILE]
       quotaryd ca install-list --data DIR --list FILE

Have one authority of the trust domain succeed another. There are two slots, A and B.
The service may run meanwhile: it goes by a change within seconds. By default it
prepares, activates and retires authorities itself, by their age.

  show       the authorities: their slots, states and certificates
  prepare    make the next authority: an issuing CA below the same root, or with
             --new-root one with a root of its own. Its root is in the trust bundle from
             now on; it issues nothing yet
  activate   have the prepared authority issue; the active one becomes old. A new root
             must have been in the bundle for 25 minutes, or --now
  taint      mark the old authority as one that is not to be relied on
  revoke     take the prepared, tainted or ended authority out of the bundle and
             destroy its keys: what it issued is worth nothing from then on
  rotate     with --emergency, after a theft: a new authority with a new root issues at
             once, the one before is tainted. Revoke it as soon as machines have attested anew
  csr        a certificate request for an issuing CA, where the root's key is elsewhere
  sign       sign such a request with the root's key, where that is. Needs no data directory
  install    prepare the authority whose certificate was so signed, below the same root
             or the one in --root
  sign-list  sign the root's revocation list with its key, where that is: of the issuing CAs
             in --revoked (what show --revoked prints) and --serial, and of all that the list
             before, in --previous, has. Needs no data directory
  install-list  have the service publish the list that was so signed

  --data DIR     the data directory (needed)
  --config FILE  the service's configuration: how long an issuing CA lives, and where keys
                 are. Every command needs it if they are in a TPM or a token
  --days N       how long it lives: an issuing CA 1 to 1825 (default: 730), a list 1 to 366 (90)

examples:
  quotaryd ca show --data /var/lib/quotary
  quotaryd ca rotate --data /var/lib/quotary --emergency
  quotaryd ca csr --data /var/lib/quotary --out issuing.csr
  quotaryd ca sign --root-key /media/root.key --root root.crt --csr issuing.csr --out issuing.crt
  quotaryd ca install --data /var/lib/quotary --cert issuing.crt
  quotaryd ca show --data /var/lib/quotary --revoked >revoked.pem
  quotaryd ca sign-list --root-key /media/root.key --root root.crt --revoked revoked.pem --previous last.crl --out root.crl
  quotaryd ca install-list --data /var/lib/quotary --list root.crl

docs/operations.md (Authorities) has the rest.
`

// caCommand runs one of the commands on authorities.
func caCommand(args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New("ca needs show, prepare, activate, taint, revoke, rotate, csr, sign, install, sign-list or install-list; try: quotaryd ca --help")
	}
	command := caFlags{FlagSet: flag.NewFlagSet("ca "+args[0], flag.ContinueOnError), stdout: stdout}
	run, ok := map[string]func(*caFlags, []string) error{
		"show": caShow, "prepare": caPrepare, "activate": caActivate, "taint": caTaint, "revoke": caRevoke,
		"rotate": caRotate, "csr": caRequest, "sign": caSign, "install": caInstall,
		"sign-list": caSignList, "install-list": caInstallList,
	}[args[0]]
	switch {
	case ok:
		return run(&command, args[1:])
	case args[0] == "help", args[0] == "-h", args[0] == "-help", args[0] == "--help":
		return flag.ErrHelp
	}
	return fmt.Errorf("%q is no command on authorities; try: quotaryd ca --help", args[0])
}

// caFlags are what the commands have in common.
type caFlags struct {
	*flag.FlagSet
	stdout       io.Writer
	data, config string
}

// open reads the flags and opens the authorities.
func (f *caFlags) open(args []string) (*ca.Slots, error) {
	f.StringVar(&f.data, "data", "", "")
	f.StringVar(&f.config, "config", "", "")
	if err := parse(f.FlagSet, args, &f.data); err != nil {
		return nil, err
	}
	c, err := f.configuration()
	if err != nil {
		return nil, err
	}
	slots, err := daemon.OpenSlots(f.data, c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no authority; start the service there first", f.data)
	}
	return slots, err
}

// configuration is the service's, or the default without --config.
func (f *caFlags) configuration() (daemon.Config, error) {
	if f.config == "" {
		return daemon.Config{}, nil
	}
	return daemon.ReadConfig(f.config)
}

// caShow shows the authorities, or in PEM their roots, or the issuing CAs that were revoked.
func caShow(f *caFlags, args []string) error {
	var pem, revoked bool
	f.BoolVar(&pem, "pem", false, "")
	f.BoolVar(&revoked, "revoked", false, "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	if revoked {
		list, err := slots.Revoked()
		if err != nil {
			return err
		}
		_, err = f.stdout.Write(list)
		return err
	}
	status, err := slots.Status()
	if err != nil {
		return err
	}
	if pem {
		_, err := f.stdout.Write(status.PEM())
		return err
	}
	table := tabwriter.NewWriter(f.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SLOT\tAUTHORITY\tSTATE\tSINCE\tUNTIL\tKEYS\tROOT")
	for _, s := range status.Slots {
		root := sha256.Sum256(s.Root.Raw)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%x\n", s.Name, s.Authority, s.State, s.Since.UTC().Format(time.RFC3339), s.Issuing.NotAfter.UTC().Format(time.RFC3339), daemon.WhereKeysAre(s.Keys), root)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	where := "here"
	if !status.RootKey {
		where = "elsewhere: the next issuing CA is made with csr, sign and install"
	}
	fmt.Fprintf(f.stdout, "\nbundle sequence  %d\nroot key         %s\nroot list        %s\nnext             prepared from %s, active from %s\n",
		status.Sequence, where, rootListText(status), status.PrepareAt.UTC().Format(time.RFC3339), status.ActivateAt.UTC().Format(time.RFC3339))
	return nil
}

// did says what was changed, also if the command failed halfway.
func (f *caFlags) did(changes []ca.Change, err error) error {
	for _, c := range changes {
		fmt.Fprintf(f.stdout, "%-8s  %s (root %s, bundle sequence %d)\n", c.Step, c.Authority, c.Root, c.Sequence)
	}
	return err
}

func caPrepare(f *caFlags, args []string) error {
	var newRoot bool
	f.BoolVar(&newRoot, "new-root", false, "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	return f.did(slots.Prepare(newRoot))
}

func caActivate(f *caFlags, args []string) error {
	var now bool
	f.BoolVar(&now, "now", false, "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	return f.did(slots.Activate(now))
}

func caTaint(f *caFlags, args []string) error {
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	return f.did(slots.Taint())
}

func caRevoke(f *caFlags, args []string) error {
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	return f.did(slots.Revoke())
}

func caRotate(f *caFlags, args []string) error {
	var emergency bool
	f.BoolVar(&emergency, "emergency", false, "")
	slots, err := f.open(args)
	if err != nil {
		return err
	}
	if !emergency {
		return errors.New("rotate needs --emergency, because machines that do not attest anew lose their identity with the next revoke; otherwise prepare, and activate later")
	}
	return f.did(slots.Emergency())
}

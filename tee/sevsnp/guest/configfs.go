package guest

import (
	"fmt"
	"strconv"

	"github.com/google/go-configfs-tsm/configfs/configfsi"

	"github.com/quotary/quotary/evidence"
	"github.com/quotary/quotary/tee/internal/tsm"
)

// provider is what configfs-tsm calls the driver of SNP guests.
const provider = "sev_guest"

// ConfigFS is the interface configfs-tsm, reached through client.
func ConfigFS(client configfsi.Client) Interface { return configFS{client} }

type configFS struct{ client configfsi.Client }

func (configFS) name() string { return tsm.Name }

// report asks for report and table: the kernel makes both on the first read.
func (c configFS) report(data [64]byte, vmpl uint) (got answer, err error) {
	err = tsm.Report(c.client, provider, data, func(entry *tsm.Entry) error {
		if floor, err := entry.PrivilegeLevelFloor(); err == nil && vmpl < floor {
			return evidence.Errorf(evidence.CodeAttesterVMPL, tsm.Name, "the kernel gives reports of VMPL %d and above only, not of VMPL %d", floor, vmpl)
		}
		if err := entry.Write("privlevel", strconv.AppendUint(nil, uint64(vmpl), 10)); err != nil {
			return err
		}
		if got.report, err = entry.Read("outblob"); err != nil {
			return err
		}
		if got.table, err = entry.Read("auxblob"); err != nil && !tsm.IsPassing(err) {
			got.lost, err = fmt.Errorf("the host's certificate table cannot be read: %w", err), nil
		}
		return err
	})
	return got, err
}

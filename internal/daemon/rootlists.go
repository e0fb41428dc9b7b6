package daemon

import (
	"maps"
	"slices"
	"time"
)

// noticeRootLists logs that a root's revocation list which was signed elsewhere ends soon, and that it
// ended, once each: nobody but the keeper of the root's key can sign another one.
func (d *Daemon) noticeRootLists() {
	notice, lists := "", d.revocations.Lists()
	for _, until := range slices.SortedFunc(maps.Values(lists.RootsUntil), time.Time.Compare) {
		switch now := d.now(); {
		case until.Equal(lists.NextUpdate): // the service signs it
		case !now.Before(until):
			notice = "has ended: who asks for a list of every CA accepts nothing"
		case until.Sub(now) < rootListNotice:
			notice = "ends soon"
		}
		if notice != "" {
			notice += " (" + until.UTC().Format(time.RFC3339) + ")"
			break // the first to end
		}
	}
	if last := d.notice.Swap(&notice); notice != "" && (last == nil || *last != notice) {
		d.logger.Warn("the revocation list of a root " + notice + "; sign and install another one (quotaryd ca sign-list, install-list)")
	}
}

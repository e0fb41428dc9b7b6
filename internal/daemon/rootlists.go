package daemon

import "time"

// noticeRootLists logs that a root's revocation list cannot be made or read, and that one which was signed
// elsewhere ends soon or ended, once each: nobody but the keeper of the root's key can sign another one.
func (d *Daemon) noticeRootLists() {
	lists := d.revocations.Lists()
	until := lists.InstalledUntil
	var notice string
	switch now := d.now(); {
	case lists.RootFault != nil:
		notice = "is the last one that could be had, or left out (" + lists.RootFault.Error() + ")"
	case until.IsZero() || until.Sub(now) >= rootListNotice:
	case now.Before(until):
		notice = "ends soon (" + until.UTC().Format(time.RFC3339) + ")"
	default:
		notice = "has ended (" + until.UTC().Format(time.RFC3339) + "): who asks for a list of every CA accepts nothing"
	}
	if last := d.notice.Swap(&notice); notice != "" && (last == nil || *last != notice) {
		d.logger.Warn("the revocation list of a root " + notice + "; sign and install another one (quotaryd ca sign-list, install-list)")
	}
}

package endorsements

import "github.com/quotary/quotary/evidence"

// auxiliaryEntrySize is the size of an entry of an auxiliary certificate table in bytes.
const auxiliaryEntrySize = 24

// isAuxiliaryTable reports whether data begins with an entry that AMD defined.
func isAuxiliaryTable(data []byte) bool {
	return len(data) >= auxiliaryEntrySize && evidence.AuxiliaryGUID(data[:16]).Known()
}

// recogniseAuxiliaryTable reads the certificates and CRLs of the table that a
// host hands its SNP guests. Entries with other GUIDs are left alone.
func recogniseAuxiliaryTable(data []byte) (found, error) {
	entries, err := evidence.ParseAuxiliaryTable(data)
	if err != nil {
		return found{}, err
	}
	var all found
	for _, entry := range entries {
		if !entry.GUID.Known() {
			continue
		}
		one, err := recogniseX509(entry.Blob)
		if err != nil {
			return found{}, err
		}
		if err := all.merge(one); err != nil {
			return found{}, err
		}
	}
	return all, nil
}

package policies

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"go.yaml.in/yaml/v3"
)

// digestVersion separates these digests from others and from later formats.
const digestVersion = "quotary/policy/v1"

// digest identifies what documents say: the hash of the sorted hashes of the
// documents, each encoded without layout, comments and the order of its keys.
func digest(documents []document) string {
	sums := make([][]byte, len(documents))
	for i, d := range documents {
		sum := sha256.Sum256(appendNode(nil, d.root))
		sums[i] = sum[:]
	}
	slices.SortFunc(sums, bytes.Compare)
	h := sha256.New()
	h.Write([]byte(digestVersion))
	for _, sum := range sums {
		h.Write(sum)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// appendNode encodes a node so that two nodes have one encoding only if they
// say the same: its kind, its size and its content. Keys are sorted.
func appendNode(b []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		entries := make([][]byte, 0, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			entries = append(entries, appendNode(appendText(nil, 'k', n.Content[i].Value), n.Content[i+1]))
		}
		slices.SortFunc(entries, bytes.Compare)
		b = appendSize(b, 'm', len(entries))
		return append(b, bytes.Join(entries, nil)...)
	case yaml.SequenceNode:
		b = appendSize(b, 's', len(n.Content))
		for _, entry := range n.Content {
			b = appendNode(b, entry)
		}
		return b
	}
	return appendText(b, 'v', n.Value)
}

func appendText(b []byte, kind byte, text string) []byte {
	return append(appendSize(b, kind, len(text)), text...)
}

func appendSize(b []byte, kind byte, size int) []byte {
	return binary.BigEndian.AppendUint64(append(b, kind), uint64(size))
}

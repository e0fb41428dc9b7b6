package corim

import (
	"strings"
	"time"
)

// manifest is a CoRIM as far as it is understood.
type manifest struct {
	id                  string
	profile             string // a URI, an OID's contents, or empty
	notBefore, notAfter time.Time
	creators            []string
	modules             []module
}

// module is a CoMID: a tag of a CoRIM that holds triples.
type module struct {
	id       string
	creators []string
	triples  []triple
}

// triple says what an environment measures.
type triple struct {
	item
	class, instance, group *item // nil if it is not there
	measurements           []measurement
}

// measurement is one measured element of an environment.
type measurement struct {
	item
	key          *item // nil if it is not there
	value        item
	authorizedBy *item // nil if it is not there
}

// Names of keys, by the CDDL of draft-ietf-rats-corim.
var (
	corimKeys       = map[int64]string{0: "id", 1: "tags", 3: "profile", 4: "rim-validity", 5: "entities"}
	validityKeys    = map[int64]string{0: "not-before", 1: "not-after"}
	entityKeys      = map[int64]string{0: "entity-name", 1: "reg-id", 2: "role"}
	comidKeys       = map[int64]string{0: "language", 1: "tag-identity", 2: "entities", 4: "triples"}
	identityKeys    = map[int64]string{0: "tag-id", 1: "tag-version"}
	triplesKeys     = map[int64]string{0: "reference-triples"}
	environmentKeys = map[int64]string{0: "class", 1: "instance", 2: "group"}
	measurementKeys = map[int64]string{0: "mkey", 1: "mval", 2: "authorized-by"}
)

// roleCreator is the role of a manifest's creator, and that of a tag's.
const (
	roleManifestCreator = 1
	roleTagCreator      = 0
)

// readManifest reads a tagged unsigned CoRIM.
func readManifest(data []byte) (m manifest, err error) {
	tagged, err := root("corim", data)
	if err != nil {
		return m, err
	}
	top, err := tagged.under(tagCoRIM)
	if err != nil {
		return m, err
	}
	f, err := top.need(corimKeys, "id", "tags")
	if err != nil {
		return m, err
	}
	if m.id, err = f["id"].name(); err != nil {
		return m, err
	}
	if profile, ok := f["profile"]; ok {
		if m.profile, err = profile.profile(); err != nil {
			return m, err
		}
	}
	if validity, ok := f["rim-validity"]; ok {
		if m.notBefore, m.notAfter, err = validity.validity(); err != nil {
			return m, err
		}
	}
	if entities, ok := f["entities"]; ok {
		if m.creators, err = entities.creators(roleManifestCreator); err != nil {
			return m, err
		}
	}
	m.modules, err = f["tags"].modules()
	return m, err
}

// profile reads a profile; earlier drafts have a list of them.
func (i item) profile() (string, error) {
	if i.is(majorArray) {
		one, err := i.tuple(1)
		if err != nil {
			return "", err
		}
		i = one[0]
	}
	if number, _, err := i.tagged(); err == nil && number == tagOID {
		return i.oid()
	}
	return i.uri()
}

func (i item) validity() (notBefore, notAfter time.Time, err error) {
	f, err := i.need(validityKeys, "not-after")
	if err != nil {
		return notBefore, notAfter, err
	}
	if begin, ok := f["not-before"]; ok {
		if notBefore, err = begin.time(); err != nil {
			return notBefore, notAfter, err
		}
	}
	notAfter, err = f["not-after"].time()
	return notBefore, notAfter, err
}

// creators returns the names of the entities with this role.
func (i item) creators(role uint64) ([]string, error) {
	entries, err := i.list()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		f, err := entry.need(entityKeys, "entity-name", "role")
		if err != nil {
			return nil, err
		}
		name, err := f["entity-name"].text()
		if err != nil {
			return nil, err
		}
		if id, ok := f["reg-id"]; ok {
			if _, err := id.uri(); err != nil {
				return nil, err
			}
		}
		has, err := f["role"].hasRole(role)
		if err != nil {
			return nil, err
		}
		if has {
			names = append(names, name)
		}
	}
	return names, nil
}

func (i item) hasRole(wanted uint64) (has bool, err error) {
	entries, err := i.list()
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		role, err := entry.uint()
		if err != nil {
			return false, err
		}
		has = has || role == wanted
	}
	return has, nil
}

func (i item) modules() ([]module, error) {
	entries, err := i.list()
	if err != nil {
		return nil, err
	}
	modules := make([]module, len(entries))
	for n, entry := range entries {
		content, err := entry.under(tagCoMID)
		if err != nil {
			return nil, err
		}
		encoded, err := content.bytes(0)
		if err != nil {
			return nil, err
		}
		if modules[n], err = readModule(entry.at, encoded); err != nil {
			return nil, err
		}
	}
	return modules, nil
}

func readModule(at string, encoded []byte) (m module, err error) {
	top, err := root(at, encoded)
	if err != nil {
		return m, err
	}
	f, err := top.need(comidKeys, "tag-identity", "triples")
	if err != nil {
		return m, err
	}
	if language, ok := f["language"]; ok {
		if _, err := language.text(); err != nil {
			return m, err
		}
	}
	if m.id, err = f["tag-identity"].identity(); err != nil {
		return m, err
	}
	if entities, ok := f["entities"]; ok {
		if m.creators, err = entities.creators(roleTagCreator); err != nil {
			return m, err
		}
	}
	triples, err := f["triples"].need(triplesKeys, "reference-triples")
	if err != nil {
		return m, err
	}
	m.triples, err = triples["reference-triples"].triples()
	return m, err
}

func (i item) identity() (string, error) {
	f, err := i.need(identityKeys, "tag-id")
	if err != nil {
		return "", err
	}
	if version, ok := f["tag-version"]; ok {
		if _, err := version.uint(); err != nil {
			return "", err
		}
	}
	return f["tag-id"].name()
}

func (i item) triples() ([]triple, error) {
	entries, err := i.list()
	if err != nil {
		return nil, err
	}
	triples := make([]triple, len(entries))
	for n, entry := range entries {
		if triples[n], err = entry.triple(); err != nil {
			return nil, err
		}
	}
	return triples, nil
}

func (i item) triple() (t triple, err error) {
	t.item = i
	pair, err := i.tuple(2)
	if err != nil {
		return t, err
	}
	environment, err := pair[0].need(environmentKeys, "class")
	if err != nil {
		return t, err
	}
	t.class, t.instance, t.group = optional(environment, "class"), optional(environment, "instance"), optional(environment, "group")
	t.measurements, err = pair[1].measurements()
	return t, err
}

func (i item) measurements() (out []measurement, err error) {
	claims, err := i.list()
	if err != nil {
		return nil, err
	}
	for _, claim := range claims {
		f, err := claim.need(measurementKeys, "mval")
		if err != nil {
			return nil, err
		}
		out = append(out, measurement{claim, optional(f, "mkey"), f["mval"], optional(f, "authorized-by")})
	}
	return out, nil
}

func optional(f map[string]item, name string) *item {
	if value, ok := f[name]; ok {
		return &value
	}
	return nil
}

// createdBy names who made a module, or what can be said of it.
func (m manifest) createdBy(of module) string {
	for _, names := range [][]string{m.creators, of.creators} {
		if len(names) > 0 {
			return strings.Join(names, ", ")
		}
	}
	return "not named in the CoRIM"
}

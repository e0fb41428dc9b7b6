package policies

import _ "embed" // for the schema

// Schema is the JSON Schema (draft 2020-12) of one document of any kind, for
// editors. It knows every key and the form of every value; what belongs together,
// and what is unsafe, [Load] and [Lint] know alone.
//
//go:embed policy.schema.json
var Schema []byte

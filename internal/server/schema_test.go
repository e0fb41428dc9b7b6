package server_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// schema is a JSON schema, as far as openapi.json uses the language. A keyword
// that is not here is an error, so that nothing is written there that is not checked.
type schema map[string]any

// checker resolves references within one document.
type checker struct{ document schema }

// check returns what is wrong with value, or "".
func (c checker) check(s schema, value any, at string) (wrong string) {
	for keyword, argument := range s {
		if wrong = c.keyword(keyword, argument, s, value, at); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (c checker) keyword(keyword string, argument any, s schema, value any, at string) string {
	text, isText := value.(string)
	object, isObject := value.(map[string]any)
	list, isList := value.([]any)
	number, isNumber := value.(float64)
	switch keyword {
	case "description":
	case "$ref":
		return c.check(c.resolve(argument.(string)), value, at)
	case "type":
		if got := typeOf(value); got != argument && !(argument == "number" && got == "integer") {
			return fmt.Sprintf("%s is %s, want %s", at, got, argument)
		}
	case "const":
		if !reflect.DeepEqual(argument, value) {
			return fmt.Sprintf("%s is %v, want %v", at, value, argument)
		}
	case "enum":
		if !slices.ContainsFunc(argument.([]any), func(a any) bool { return reflect.DeepEqual(a, value) }) {
			return fmt.Sprintf("%s is %v, want one of %v", at, value, argument)
		}
	case "pattern":
		if isText && !regexp.MustCompile(argument.(string)).MatchString(text) {
			return fmt.Sprintf("%s is %q, which does not match %s", at, text, argument)
		}
	case "format":
		if _, err := time.Parse(time.RFC3339, text); isText && argument == "date-time" && err != nil {
			return fmt.Sprintf("%s is %q, no date-time", at, text)
		}
	case "minLength":
		if isText && float64(len(text)) < argument.(float64) {
			return at + " is too short"
		}
	case "maxLength":
		if isText && float64(len(text)) > argument.(float64) {
			return at + " is too long"
		}
	case "minimum":
		if isNumber && number < argument.(float64) {
			return at + " is too small"
		}
	case "maximum":
		if isNumber && number > argument.(float64) {
			return at + " is too large"
		}
	case "maxItems":
		if isList && float64(len(list)) > argument.(float64) {
			return at + " has too many items"
		}
	case "uniqueItems":
		for i := range list {
			if slices.Contains(list[:i], list[i]) {
				return at + " has an item twice"
			}
		}
	case "items":
		for i, item := range list {
			if wrong := c.check(argument.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
				return wrong
			}
		}
	case "required":
		for _, name := range argument.([]any) {
			if _, there := object[name.(string)]; isObject && !there {
				return fmt.Sprintf("%s has no %s", at, name)
			}
		}
	case "properties":
		for name, property := range argument.(map[string]any) {
			if member, there := object[name]; there {
				if wrong := c.check(property.(map[string]any), member, at+"."+name); wrong != "" {
					return wrong
				}
			}
		}
	case "additionalProperties":
		properties, _ := s["properties"].(map[string]any)
		for name := range object {
			if _, known := properties[name]; argument == false && !known {
				return fmt.Sprintf("%s has an unknown member %s", at, name)
			}
		}
	case "anyOf", "oneOf":
		matches := 0
		for _, alternative := range argument.([]any) {
			if c.check(alternative.(map[string]any), value, at) == "" {
				matches++
			}
		}
		if matches == 0 || keyword == "oneOf" && matches > 1 {
			return fmt.Sprintf("%s matches %d of the alternatives", at, matches)
		}
	default:
		return fmt.Sprintf("the schema of %s uses %q, which this checker does not know", at, keyword)
	}
	return ""
}

func (c checker) resolve(ref string) schema {
	node := map[string]any(c.document)
	for _, step := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := node[step].(map[string]any)
		if !ok {
			panic("openapi.json: nothing at " + ref)
		}
		node = next
	}
	return node
}

func typeOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case float64:
		if v == math.Trunc(v) {
			return "integer"
		}
		return "number"
	}
	return "unknown"
}

// decode reads JSON as the checker wants it.
func decode(data []byte) (value any, err error) { return value, json.Unmarshal(data, &value) }

package cases

import (
	"encoding/xml"
	"io"
)

// The elements of JUnit's XML, as build servers read it: testsuites, testsuite,
// testcase, failure and error, with the attributes that their schemas have in common.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Error     *junitTrouble `xml:"error,omitempty"`
		Failure   *junitTrouble `xml:"failure,omitempty"`
	}
	junitTrouble struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes reports as JUnit XML, a testsuite for each. Characters that XML 1.0
// cannot hold become U+FFFD. There are no times: a decision takes no time worth telling.
func JUnit(w io.Writer, reports ...Report) error {
	all := junitSuites{Name: "policy"}
	for i := range reports {
		suite := reports[i].junit()
		all.Tests, all.Failures, all.Errors = all.Tests+suite.Tests, all.Failures+suite.Failures, all.Errors+suite.Errors
		all.Suites = append(all.Suites, suite)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	return err
}

func (r *Report) junit() junitSuite {
	suite := junitSuite{
		Name: r.File, Tests: len(r.Results), Failures: r.Count(Failed), Errors: r.Count(Errored),
		Properties: []junitProperty{{"policy", r.Policy}},
	}
	for i := range r.Results {
		result := &r.Results[i]
		c := junitCase{Name: result.Name, Classname: r.File}
		switch trouble := (&junitTrouble{Text: result.details("")}); result.Outcome {
		case Failed:
			trouble.Message, trouble.Type = result.Differences[0].String(), "decision"
			c.Failure = trouble
		case Errored:
			trouble.Message, trouble.Type = result.Error, "claims"
			c.Error = trouble
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}

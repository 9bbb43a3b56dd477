package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/test/cases/testdata"
	"github.com/open-policy-agent/opa/v1/util"
)

// wrapper is the package of the one rule that stands for a query which is no plain `data.path = variable`.
const wrapper = "planner_query"

// planned is one case: what to evaluate and what OPA's authors expect.
type planned struct {
	Folder string `json:"folder"`
	Note   string `json:"note"`
	Query  string `json:"query"`

	Unplanned string          `json:"unplanned,omitempty"` // why OPA cannot plan it
	Plan      json.RawMessage `json:"plan,omitempty"`
	Path      []string        `json:"path"`               // what to evaluate, below `data`
	Variable  string          `json:"variable,omitempty"` // the variable the value is bound to
	Wrapped   bool            `json:"wrapped,omitempty"`  // the value is the array of all bindings

	Data      *map[string]any   `json:"data,omitempty"`
	Input     *any              `json:"input,omitempty"`
	InputTerm *ast.Term         `json:"input_term,omitempty"` // OPA's own JSON of terms: sets and keys of any type
	Strict    bool              `json:"strict,omitempty"`
	Env       map[string]string `json:"env,omitempty"`

	Want      *[]map[string]any `json:"want,omitempty"`
	Error     *string           `json:"error,omitempty"`
	ErrorCode *string           `json:"error_code,omitempty"`
	Sort      bool              `json:"sort,omitempty"`
}

func writeCases(out *bufio.Writer) error {
	files, err := fs.Glob(testdata.V1, "v1/*/*")
	if err != nil {
		return err
	}
	sort.Strings(files)
	for _, file := range files {
		text, err := testdata.V1.ReadFile(file)
		if err != nil {
			return err
		}
		var set cases.Set
		if err := util.Unmarshal(text, &set); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, one := range set.Cases {
			if err := writeLine(out, planCase(path.Base(path.Dir(file)), one)); err != nil {
				return fmt.Errorf("%s: %w", one.Note, err)
			}
		}
	}
	return nil
}

func planCase(folder string, one cases.TestCase) planned {
	result := planned{
		Folder: folder, Note: one.Note, Query: one.Query, Data: one.Data, Input: one.Input,
		Strict: one.StrictError, Env: one.Env,
		Want: one.WantResult, Error: one.WantError, ErrorCode: one.WantErrorCode, Sort: one.SortBindings,
	}
	if one.InputTerm != nil {
		term, err := ast.ParseTerm(*one.InputTerm)
		if err != nil {
			result.Unplanned = err.Error()
			return result
		}
		result.InputTerm = term
	}
	if err := planQuery(&result, one); err != nil {
		result.Unplanned = err.Error()
		result.Plan = nil
	}
	return result
}

func planQuery(result *planned, one cases.TestCase) error {
	capabilities := ast.CapabilitiesForThisVersion()
	if one.ExperimentalKeywords {
		capabilities = ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(true))
	}
	options := ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities}
	sources := map[string]string{}
	for i, text := range one.Modules {
		sources[fmt.Sprintf("test-%d.rego", i)] = text
	}
	modules, err := parse(sources, options)
	if err != nil {
		return err
	}
	query, err := ast.ParseBody(one.Query)
	if err != nil {
		return err
	}
	if result.Path, result.Variable = plainPath(query); result.Path != nil {
		entrypoints := []string{strings.Join(result.Path, "/")}
		if len(result.Path) == 0 {
			entrypoints = packages(modules)
		}
		if result.Plan, err = plan(modules, entrypoints, capabilities); err == nil {
			return nil
		}
		if !strings.Contains(err.Error(), "does not refer to a rule or policy decision") {
			return err
		}
	}
	result.Path, result.Wrapped = []string{wrapper, "answers"}, true
	modules["wrapper.rego"], err = ast.ParseModuleWithOpts("wrapper.rego", wrap(one.Query, query), options)
	if err != nil {
		return err
	}
	result.Plan, err = plan(modules, []string{wrapper + "/answers"}, capabilities)
	return err
}

// plainPath is the path of `data.a.b = x`, nil for every other query.
func plainPath(query ast.Body) ([]string, string) {
	if len(query) != 1 || !query[0].IsEquality() || len(query[0].With) > 0 || query[0].Negated {
		return nil, ""
	}
	ref, isRef := query[0].Operand(0).Value.(ast.Ref)
	if query[0].Operand(0).Equal(ast.DefaultRootDocument) {
		ref, isRef = ast.DefaultRootRef, true
	}
	variable, isVar := query[0].Operand(1).Value.(ast.Var)
	if !isRef || !isVar || !ref.HasPrefix(ast.DefaultRootRef) || variable.Equal(ast.InputRootDocument.Value) {
		return nil, ""
	}
	keys := []string{}
	for _, term := range ref[1:] {
		key, isString := term.Value.(ast.String)
		if !isString || strings.Contains(string(key), "/") {
			return nil, ""
		}
		keys = append(keys, string(key))
	}
	return keys, string(variable)
}

func packages(modules map[string]*ast.Module) []string {
	names := []string{}
	for _, name := range util.KeysSorted(modules) {
		path, err := modules[name].Package.Path.Ptr()
		if err == nil && len(modules[name].Rules) > 0 {
			names = append(names, path)
		}
	}
	return names
}

var identifier = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// wrap makes a rule whose value is the array of all bindings that the query has.
func wrap(text string, query ast.Body) string {
	bindings := []string{}
	for _, name := range query.Vars(ast.VarVisitorParams{SkipRefCallHead: true, SkipClosures: true}).Sorted() {
		if text := string(name); identifier.MatchString(text) && text != "data" && text != "input" {
			bindings = append(bindings, fmt.Sprintf("%q: %s", text, text))
		}
	}
	return fmt.Sprintf("package %s\n\nanswers := [{%s} | %s]\n", wrapper, strings.Join(bindings, ", "), text)
}

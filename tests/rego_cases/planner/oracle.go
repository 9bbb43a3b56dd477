package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/util"
)

// request asks to plan modules and evaluate every entrypoint on every input, or to call one builtin.
type request struct {
	Modules     map[string]string `json:"modules"`
	Entrypoints []string          `json:"entrypoints"`
	Data        map[string]any    `json:"data"`
	Inputs      []any             `json:"inputs"`

	Builtin string      `json:"builtin"`
	Args    []*ast.Term `json:"args"`

	Now    int64 `json:"now"` // nanoseconds since 1970
	Strict bool  `json:"strict"`
	Plain  bool  `json:"plain"` // without rule index and early exit, which pass over errors that plans come to
}

// response answers in the order asked: Results[i][j] is entrypoint i on input j.
type response struct {
	Plan    json.RawMessage `json:"plan,omitempty"`
	Results [][]outcome     `json:"results,omitempty"`
	Call    *outcome        `json:"call,omitempty"`
	Refused string          `json:"refused,omitempty"` // the modules do not compile or cannot be planned
}

// outcome has exactly one field set; all absent means undefined.
type outcome struct {
	Result *any      `json:"result,omitempty"` // plain JSON: sets are sorted arrays, as OPA's API answers
	Term   *ast.Term `json:"term,omitempty"`   // a builtin's result, in OPA's JSON of terms
	Error  string    `json:"error,omitempty"`
	Code   string    `json:"code,omitempty"`
}

func answer(in io.Reader, out *bufio.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(strings.TrimSpace(string(line))) > 0 {
			var asked request
			if err := util.UnmarshalJSON(line, &asked); err != nil {
				return err
			}
			if err := writeLine(out, respond(asked)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func respond(asked request) response {
	if asked.Builtin != "" {
		result := call(asked)
		return response{Call: &result}
	}
	capabilities := ast.CapabilitiesForThisVersion()
	modules, err := parse(asked.Modules, ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities})
	if err != nil {
		return response{Refused: err.Error()}
	}
	var done response
	if done.Plan, err = plan(modules, asked.Entrypoints, capabilities); err != nil {
		return response{Refused: err.Error()}
	}
	for _, entrypoint := range asked.Entrypoints {
		row, err := evaluate(asked, modules, entrypoint)
		if err != nil {
			return response{Refused: err.Error()}
		}
		done.Results = append(done.Results, row)
	}
	return done
}

func evaluate(asked request, modules map[string]*ast.Module, entrypoint string) ([]outcome, error) {
	data := asked.Data
	if data == nil {
		data = map[string]any{}
	}
	reference := "data"
	for _, key := range strings.Split(entrypoint, "/") {
		reference += fmt.Sprintf("[%q]", key)
	}
	options := []func(*rego.Rego){
		rego.Query("x = " + reference),
		rego.Store(inmem.NewFromObject(data)),
		rego.StrictBuiltinErrors(asked.Strict),
		rego.Time(time.Unix(0, asked.Now)),
	}
	for _, module := range modules {
		options = append(options, rego.ParsedModule(module.Copy()))
	}
	ctx := context.Background()
	prepared, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	row := make([]outcome, 0, len(asked.Inputs))
	for _, input := range asked.Inputs {
		found, err := prepared.Eval(ctx, rego.EvalInput(input), rego.EvalTime(time.Unix(0, asked.Now)),
			rego.EvalRuleIndexing(!asked.Plain), rego.EvalEarlyExit(!asked.Plain))
		switch {
		case err != nil:
			row = append(row, failure(err))
		case len(found) == 0:
			row = append(row, outcome{})
		default:
			value := found[0].Bindings["x"]
			row = append(row, outcome{Result: &value})
		}
	}
	return row, nil
}

func failure(err error) outcome {
	var known *topdown.Error
	if errors.As(err, &known) {
		return outcome{Error: known.Message, Code: known.Code}
	}
	return outcome{Error: err.Error(), Code: "other"}
}

// call is one builtin on given arguments; a result of `false` from a relation such as `walk` is its first one.
func call(asked request) (result outcome) {
	defer func() {
		if panicked := recover(); panicked != nil {
			result = outcome{Error: fmt.Sprint(panicked), Code: "panic"}
		}
	}()
	function := topdown.GetBuiltin(asked.Builtin)
	if function == nil {
		return outcome{Error: "no such builtin", Code: "no_such_builtin"}
	}
	at := ast.NumberTerm(json.Number(fmt.Sprint(asked.Now)))
	scope := topdown.BuiltinContext{
		Context: context.Background(), Time: at, Seed: rand.Reader, Cancel: topdown.NewCancel(),
		Cache: builtins.Cache{}, Capabilities: ast.CapabilitiesForThisVersion(),
	}
	err := function(scope, asked.Args, func(term *ast.Term) error {
		if result.Term == nil {
			result.Term = term
		}
		return nil
	})
	if err != nil {
		return outcome{Error: err.Error(), Code: "eval_builtin_error"}
	}
	return result
}

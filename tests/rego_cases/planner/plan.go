package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/util"
)

func parse(modules map[string]string, options ast.ParserOptions) (map[string]*ast.Module, error) {
	parsed := make(map[string]*ast.Module, len(modules))
	for name, text := range modules {
		module, err := ast.ParseModuleWithOpts(name, text, options)
		if err != nil {
			return nil, err
		}
		parsed[name] = module
	}
	return parsed, nil
}

// plan is what `opa build -t plan -e ENTRYPOINT…` writes to plan.json.
func plan(modules map[string]*ast.Module, entrypoints []string, capabilities *ast.Capabilities) (json.RawMessage, error) {
	source := &bundle.Bundle{Data: map[string]any{}}
	source.SetRegoVersion(ast.RegoV1)
	source.Manifest.Init()
	for _, name := range util.KeysSorted(modules) {
		// Compiling rewrites a module in place; the caller may evaluate it too.
		source.Modules = append(source.Modules, bundle.ModuleFile{URL: name, Path: name, Parsed: modules[name].Copy()})
	}
	compiler := compile.New().
		WithTarget(compile.TargetPlan).
		WithEntrypoints(entrypoints...).
		WithBundle(source).
		WithRegoVersion(ast.RegoV1).
		WithCapabilities(capabilities)
	if err := compiler.Build(context.Background()); err != nil {
		return nil, err
	}
	planned := compiler.Bundle().PlanModules
	if len(planned) != 1 {
		return nil, fmt.Errorf("%d plans instead of one", len(planned))
	}
	return planned[0].Raw, nil
}

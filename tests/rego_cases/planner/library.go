package main

import (
	"bufio"
	"io/fs"
	"strings"

	checks "github.com/aquasecurity/trivy-checks"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"
)

// The library's policies call two functions of the program they were written for; these stand in for them, and
// tests/rego_cases/test_library.py registers the same two here.
func init() {
	rego.RegisterBuiltin2(
		&rego.Function{Name: "result.new", Decl: types.NewFunction(types.Args(types.S, types.A), types.A)},
		func(_ rego.BuiltinContext, message, cause *ast.Term) (*ast.Term, error) {
			return ast.ObjectTerm(ast.Item(ast.StringTerm("msg"), message), ast.Item(ast.StringTerm("cause"), cause)), nil
		},
	)
	rego.RegisterBuiltin1(
		&rego.Function{Name: "isManaged", Decl: types.NewFunction(types.Args(types.A), types.B)},
		func(rego.BuiltinContext, *ast.Term) (*ast.Term, error) { return ast.BooleanTerm(true), nil },
	)
}

// writeLibrary writes every policy of a public library for admission control and infrastructure code, by file name.
func writeLibrary(out *bufio.Writer) error {
	modules := map[string]string{}
	for _, files := range []fs.FS{checks.EmbeddedPolicyFileSystem, checks.EmbeddedLibraryFileSystem} {
		err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".rego") {
				return err
			}
			text, err := fs.ReadFile(files, name)
			modules[name] = string(text)
			return err
		})
		if err != nil {
			return err
		}
	}
	return writeLine(out, modules)
}

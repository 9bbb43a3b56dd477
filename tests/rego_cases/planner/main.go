// Command planner puts the real OPA beside maestro.rego in our tests: it links the pinned OPA module.
//
//	planner cases    OPA's own compliance cases, planned by OPA, one JSON document a line
//	planner library  a public library of policies, from its own module: file name to text
//	planner oracle   requests from stdin, one a line: plan these modules and evaluate them, or call one builtin
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "planner:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	switch {
	case len(args) == 1 && args[0] == "cases":
		return writeCases(out)
	case len(args) == 1 && args[0] == "library":
		return writeLibrary(out)
	case len(args) == 1 && args[0] == "oracle":
		return answer(os.Stdin, out)
	}
	return fmt.Errorf("usage: planner cases|library|oracle")
}

// writeLine writes one document and flushes it, so that a peer at the other end of a pipe can go on.
func writeLine(out *bufio.Writer, document any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(document); err != nil {
		return err
	}
	return out.Flush()
}

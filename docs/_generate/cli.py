"""docs/reference/cli.md from the parsers: every command's own help, as it prints it."""

import argparse
from collections.abc import Iterator

from maestro_sidecar.cli.commands import command_line
from maestro_sidecar.cli.parsing import Parser

HEAD = """\
<!-- Made from the parsers by docs/_generate/cli.py; change those and run: make docs -->

# Command line

Every command takes `--json`: exactly one JSON document on stdout, nothing else. Progress and logs go to
stderr.

| exit code | means |
|---|---|
| 0 | yes, or done |
| 1 | a failure of ours, or of a store or server that we stand on |
| 2 | bad usage, a file that cannot be read, malformed input |
| 3 | the command worked and the answer is no: denied, violations found, conformance failed |
| 130 | ended by Ctrl-C |

With `--json`, 1 and 2 print a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) with a
`code` from [the reasons](reasons.md) and, where it helps, `field`, `value` and `remedy`.

What others may build on (fields may be added, none is removed):

| command | document |
|---|---|
| `limits explain` | the decision: `allowed`, `denies`, `retryAfter`, `opensAt`, `source`, `policyRevision`, `tzdata`, `evaluatedAt`, `explanation`, `shadowDenies`; with `--calendar` also `openings` |
| `limits replay` | `events`, `admitted`, `violated`, `ratio`, `shadowDenied`, `violations` |
| `edge keygen` | `keys`, `keyEpoch`, `bundleKey`, `roles` |
| `edge publish`, `edge rotate --bundle-key` | `revision`, `digest`, `fileDigest`, `changed`, `deltas`, `written` |
| `edge refresh`, `edge rotate` | `written` |
| `edge verify` | `trusted`, `reasons`, `revision`, `digest`, `fileDigest`, `notChecked`, `findings`; with `--repo` also `freshUntil`, `keyEpoch`, `tzdata` |
| `edge delta`, `edge apply-delta` | `revision`, `bytes`, `file`; `base`, `target`, `baseRevision`, or `digest` |
| `edge inspect` | `kind` `bundle` or `delta` and what it says of itself |
| `edge serve-repo` | `address`, `folder`, once it is ready |
| `policy eval` | `{"result": …}`, or `{}` when undefined |
| `policy test` | `passed`, `counts`, `tests` |
| `policy bench` | `count`, `p50Microseconds`, `p95Microseconds`, `readySeconds` |
| `policy show-code` | `source`, `functions`, `builtins`, `constants` |
| `contracts check` | `compatible`, `violations` and `advice` (each `path`, `rule`, `message`, `remedy`, `direction`; `version`, `file` where there are several), `mode` |
| `contracts register` | `registered`, `subject`, `version`, `id`; refused: `reason`, `message` |
| `contracts log` | `changes` (each `number`, `at`, `by`, `change`, `subject` …), `owners` |
| `conformance` | `port`, `capabilities`, `ran`, `failed`, `refused`, `seconds`, `failures` |
| `demo` | `runs`, `completed`, `denies`, `admitted`, `violations`, `ratio`, `decisions`, `decisionMicroseconds`, `seconds`, `store`, `tenants`; with `--trace` also `trace` |
| `serve` | `addresses`, `tokenFile`, `store`, once it is ready |
"""


def parsers(parser: Parser) -> Iterator[Parser]:
    """The parser and all below it, in the order of the help."""
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to its sub-parsers
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                yield from parsers(below)


def render() -> dict[str, str]:
    sections = [
        f"## {parser.prog}\n\n```text\n{parser.format_help()}```\n" for parser in parsers(command_line())
    ]
    return {"docs/reference/cli.md": "\n".join([HEAD, *sections])}

"""The command line ``maestro``: one file a command, each loading what it needs only when it runs.

Exit codes: 0 yes or done; 3 the command worked and the answer is no; 2 bad usage, a file that cannot be read,
malformed input; 1 a failure of ours; 130 interrupted. With ``--json`` stdout holds exactly one document: the answer,
or for 1 and 2 a problem (RFC 9457).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from maestro.kernel.errors import BadInputError, MaestroError
from maestro_sidecar.cli import answers
from maestro_sidecar.cli.commands import command_line
from maestro_sidecar.cli.parsing import HelpGivenError

__all__ = ["main"]

INTERRUPTED = 130
"""128 + SIGINT, what a shell reports for a program that Ctrl-C ended."""
UNREAD = 141
"""128 + SIGPIPE, likewise for one whose reader went away."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code. Never raises, but for what ends the interpreter."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments, as_json="--json" in arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read our output has had enough (`| head`): no fault, and nobody is left to be told of one.
        answers.abandon_stdout()
        return UNREAD


def _run(arguments: Sequence[str], *, as_json: bool) -> int:
    try:
        chosen = command_line().parse_args(arguments)
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except HelpGivenError:
        sys.stdout.flush()
        return answers.DONE
    except BadInputError as error:
        answers.tell_error(error, as_json=as_json)
        return answers.BAD_USAGE
    except MaestroError as error:
        answers.tell_error(error, as_json=as_json)
        return answers.FAILURE
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person never gets a traceback
        answers.tell_defect(error, as_json=as_json)
        return answers.FAILURE
    return code

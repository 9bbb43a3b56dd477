"""Which package a Rego file declares: what roots are checked against, no more of the language."""

from __future__ import annotations

import json
import re

from maestro.formats.reasons import BundleReason, refused

__all__ = ["package_of"]

_BLANK = re.compile(r"(?:\s|#[^\n]*(?:\n|$))*")
_PACKAGE = re.compile(r"package[ \t\r\n]+(?P<head>[A-Za-z_]\w*)", re.ASCII)
_STEP = re.compile(r'\.(?P<name>[A-Za-z_]\w*)|\[\s*(?P<text>"(?:[^"\\\n]|\\.)*")\s*\]', re.ASCII)


def package_of(name: str, content: bytes) -> tuple[str, ...]:
    """The path of the package that the file's first statement declares.

    Raises:
        UntrustedError: ``policy_malformed``, there is none.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(BundleReason.POLICY_MALFORMED, f"{name!r} is not UTF-8.") from error
    blank = _BLANK.match(text)
    found = _PACKAGE.match(text, blank.end() if blank else 0)
    if not found:
        raise refused(BundleReason.POLICY_MALFORMED, f"{name!r} does not begin with a package.")
    path, at = [found["head"]], found.end()
    while step := _STEP.match(text, at):
        path.append(step["name"] or json.loads(step["text"]))
        at = step.end()
    return tuple(path)

"""A compiled policy, and the questions that it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict, TypeVar, Unpack

import attrs

from maestro.formats import opa_bundle
from maestro.kernel.errors import BadInputError, MaestroError
from maestro.rego import documents, numbers
from maestro.rego.analysis import Needs
from maestro.rego.builtins import standard
from maestro.rego.builtins.registry import Registry
from maestro.rego.compiler import Compiled, compile_policy
from maestro.rego.errors import EvaluationError, EvaluationLimitError, PlanError
from maestro.rego.limits import DEFAULT_LIMITS, Limits
from maestro.rego.plan import read_plan
from maestro.rego.runtime import MISSING, Evaluation, merge
from maestro.rego.values import UNDEFINED, Undefined, lookup

__all__ = ["Data", "Options", "Program", "compile_plan", "parse_path"]

T = TypeVar("T")
Path = tuple[str, ...]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_STEP = re.compile(r"""\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\["(?P<quoted>[^"\\]*)"\]""")
_HIDDEN: Final = "system"
"""OPA keeps its own documents below ``data.system``; nobody asks for them."""


def parse_path(text: str) -> Path:
    """The steps of a path as OPA writes it: ``data.a.b``, ``data.a["b-c"]``; ``a/b`` as in its URLs.

    Raises:
        BadInputError: neither form.
    """
    if text == "data" or text.startswith(("data.", "data[")):
        steps = list(_STEP.finditer(text, 4))
        if "".join(step.group() for step in steps) == text[4:]:
            return tuple(step["name"] if step["name"] is not None else step["quoted"] for step in steps)
    elif text and not re.search(r'[."\[\]]', text):
        return tuple(step for step in text.split("/") if step)
    raise BadInputError(
        "is no path.", value=text, code="no_such_entrypoint", remedy='Write it as data.a.b or data.a["b-c"].'
    )


class Options(TypedDict, total=False):
    """How to evaluate.

    Attributes:
        monotonic: clock that ``limits.deadline`` is read by, in seconds.
        seed: what random builtins draw from.
        strict_builtin_errors: whether a failing builtin ends the evaluation instead of being undefined.
        limits: bounds.
    """

    monotonic: Callable[[], float] | None
    seed: bytes
    strict_builtin_errors: bool
    limits: Limits


@attrs.frozen(eq=False)
class Data:
    """Base documents, made ready once for all evaluations of one program.

    Attributes:
        document: the documents as a Rego value; shared, never changed.
        kept: results of rules that depend on nothing else, filled in as they are first asked for.
    """

    document: dict[str, Any] = attrs.field(repr=False)
    kept: list[Any] = attrs.field(repr=False)


class Program:
    """A policy that runs in process. Immutable and thread-safe; it has no state but what `Data` keeps.

    Attributes:
        compiled: the code.
        data: base documents of the bundle it came from, or none.
        revision: of the bundle's manifest, or empty.
    """

    def __init__(self, compiled: Compiled, *, data: Any = None, revision: str = "") -> None:
        self.compiled = compiled
        self.revision = revision
        self._entrypoints = {
            tuple(part for part in name.split("/") if part): found
            for name, found in compiled.entrypoints.items()
        }
        self._resolved: dict[Path, _Question] = {}
        self.data = self.prepare({} if data is None else data)

    @classmethod
    def from_bundle(
        cls,
        bundle: bytes | str | opa_bundle.Bundle,
        *,
        registry: Registry | None = None,
    ) -> Program:
        """Compile a bundle that ``opa build -t plan`` made. No signature is checked: see `maestro.edge`.

        Args:
            bundle: bytes of the archive, the path of its file, or a bundle read already.
            registry: builtins, unless the standard ones.

        Raises:
            UntrustedError: not a bundle.
            PlanError: it has no plan, or one that cannot be compiled.
        """
        if isinstance(bundle, str):
            with open(bundle, "rb") as file:  # noqa: PTH123 - pathlib is not for pure rooms; this is the one file read
                bundle = file.read()
        if isinstance(bundle, bytes):
            bundle = opa_bundle.read_bundle(bundle)
        if bundle.plan is None:
            raise PlanError(
                "The bundle has no plan.json.", code="no_plan", remedy="Build it with opa build -t plan."
            )
        return compile_plan(
            bundle.plan,
            data=opa_bundle.merge_data(bundle.files, numbers.number),
            revision=bundle.revision,
            registry=registry,
        )

    @property
    def source(self) -> str:
        """The generated Python."""
        return self.compiled.source

    @property
    def entrypoints(self) -> tuple[Path, ...]:
        """Paths of rules and packages that the plan was made for."""
        return tuple(sorted(self._entrypoints))

    def prepare(self, data: Any) -> Data:
        """Make base documents ready: once a revision, not once an evaluation.

        Args:
            data: JSON text, or an object as ``json.loads`` makes it. It must not be changed afterwards.

        Raises:
            BadInputError: not a JSON object.
        """
        document = documents.parse(data) if isinstance(data, bytes) else documents.value_of(data)
        if type(document) is not dict:
            raise BadInputError(
                "Base documents are no object.", field="data", code="bad_json", remedy="Send an object."
            )
        kept: list[Any] = [None, *[MISSING] * self.compiled.rules]
        kept[0] = kept
        return Data(document, kept)

    def evaluate(
        self,
        path: str | Sequence[str],
        input: Any = UNDEFINED,  # noqa: A002 - Rego's own word
        data: Any = None,
        now: datetime | int | None = None,
        **options: Unpack[Options],
    ) -> Any:
        """The value at a path of ``data``, as JSON in Python; UNDEFINED if it has none.

        Args:
            path: ``data.a.b``, ``a/b``, or its steps.
            input: JSON text as bytes, or a document as ``json.loads`` makes it; UNDEFINED is no input.
            data: what `prepare` made, or base documents; None for the bundle's.
            now: aware datetime, or nanoseconds since 1970; may be None if the answer does not depend on time.
            options: see `Options`.

        Returns:
            Sets are sorted lists; numbers are int, or float where they have a fraction or exponent: `evaluate_json`
            is exact. It may share parts with ``data`` and ``input`` and must not be changed.

        Raises:
            BadInputError: ``no_such_entrypoint``, input or data that are not JSON, ``now`` missing.
            EvaluationError: no decision: a conflict, a limit, a builtin's error when strict.
        """
        value = self.value(path, input, data, now, **options)
        return value if value is UNDEFINED else _guarded(lambda: documents.plain(value))

    def evaluate_json(
        self,
        path: str | Sequence[str],
        input: Any = UNDEFINED,  # noqa: A002 - Rego's own word
        data: Any = None,
        now: datetime | int | None = None,
        **options: Unpack[Options],
    ) -> bytes | Undefined:
        """As `evaluate`, but JSON text, each number as OPA prints it."""
        value = self.value(path, input, data, now, **options)
        return UNDEFINED if value is UNDEFINED else _guarded(lambda: documents.encode(value))

    def value(
        self,
        path: str | Sequence[str],
        input: Any = UNDEFINED,  # noqa: A002 - Rego's own word
        data: Any = None,
        now: datetime | int | None = None,
        **options: Unpack[Options],
    ) -> Any:
        """As `evaluate`, but the Rego value itself (`maestro.rego.values`)."""
        ready = self._ready(data)
        return _run(self._question(path, ready), input, ready, now, options)

    def results(
        self,
        entrypoint: str,
        input: Any = UNDEFINED,  # noqa: A002 - Rego's own word
        data: Any = None,
        now: datetime | int | None = None,
        **options: Unpack[Options],
    ) -> list[dict[str, Any]]:
        """All bindings of a query that was planned under a name: ``opa eval`` may have several, a rule has one."""
        function, needs = self.compiled.entrypoints[entrypoint]
        found: list[dict[str, Any]] = _run(_Query(needs, function), input, self._ready(data), now, options)
        return found

    def _ready(self, data: Any) -> Data:
        if data is None:
            return self.data
        return data if type(data) is Data else self.prepare(data)

    def dependencies(self, path: str | Sequence[str]) -> Needs:
        """What the answer at a path depends on, beside base documents.

        Raises:
            BadInputError: ``no_such_entrypoint``.
        """
        return self._question(path, self.data).needs

    def _question(self, path: str | Sequence[str], ready: Data) -> _Question:
        steps = parse_path(path) if isinstance(path, str) else tuple(path)
        question = self._resolved.get(steps)
        if question is None:
            question = self._resolve(steps, ready)
            if question.plans:
                # Which entrypoints a path means is a matter of the plan alone.
                self._resolved[steps] = question
        return question

    def _resolve(self, steps: Path, ready: Data) -> _Question:
        hidden = steps[:1] == (_HIDDEN,)
        above = [
            steps[:length] for length in range(len(steps), -1, -1) if steps[:length] in self._entrypoints
        ]
        if above and not hidden:
            function, needs = self._entrypoints[above[0]]
            return _Question(needs, {(): function}, below=steps[len(above[0]) :])
        under = sorted(
            path for path in self._entrypoints if path[: len(steps)] == steps and path[:1] != (_HIDDEN,)
        )
        tops = [
            path
            for path in under
            if not any(path[:length] in self._entrypoints for length in range(len(steps), len(path)))
        ]
        base: Any = ready.document
        for step in steps:
            base = lookup(base, step)
        if hidden or (not tops and base is UNDEFINED):
            raise BadInputError(
                "is neither a rule or package of the policy nor one of its documents.",
                field="path",
                value="/".join(("data", *steps)),
                code="no_such_entrypoint",
                remedy="Ask for one of its entrypoints.",
            )
        needs = Needs(data=True)
        for path in tops:
            needs |= self._entrypoints[path][1]
        return _Question(needs, {path[len(steps) :]: self._entrypoints[path][0] for path in tops}, base=steps)


@attrs.frozen
class _Question:
    """What to run for a path.

    Attributes:
        needs: what the answer depends on.
        plans: entrypoints, by their place in the answer.
        below: steps into the answer of the only one.
        base: where the documents are that the answers are merged into; None without.
    """

    needs: Needs
    plans: Mapping[Path, Callable[..., Any]]
    below: Path = ()
    base: Path | None = None

    def answer(self, c: Evaluation, m: list[Any], given: Any, data: dict[str, Any]) -> Any:
        if self.base is None:
            (function,) = self.plans.values()
            found = function(c, m, given, data)
            value = found[0]["result"] if found else UNDEFINED
            for step in self.below:
                value = lookup(value, step)
            return value
        value = data
        for step in self.base:
            value = lookup(value, step)
        if not self.base and type(value) is dict and _HIDDEN in value:
            value = {name: item for name, item in value.items() if name != _HIDDEN}
        tree = self.tree(c, m, given, data)
        return merge(value, tree) if self.plans else value

    def tree(self, c: Evaluation, m: list[Any], given: Any, data: dict[str, Any]) -> dict[str, Any]:
        """The answers of all entrypoints below, each in its place; packages are there even when empty."""
        result: dict[str, Any] = {}
        for path, function in self.plans.items():
            at = result
            for step in path[:-1]:
                at = at.setdefault(step, {})
            found = function(c, m, given, data)
            if found:
                at[path[-1]] = found[0]["result"]
        return result


@attrs.frozen
class _Query:
    """A planned query, whose answer are all its bindings."""

    needs: Needs
    function: Callable[..., Any]

    def answer(self, c: Evaluation, m: list[Any], given: Any, data: dict[str, Any]) -> Any:
        return self.function(c, m, given, data)


def _run(
    question: _Question | _Query, given: Any, ready: Data, now: datetime | int | None, options: Options
) -> Any:
    if type(given) is bytes:
        given = documents.parse(given)
    elif given is not UNDEFINED:
        given = documents.value_of(given)
    c = Evaluation(
        options.get("limits", DEFAULT_LIMITS),
        now_ns=_instant(now, question.needs),
        seed=options.get("seed", b""),
        strict=options.get("strict_builtin_errors", False),
        monotonic=options.get("monotonic"),
    )
    return _guarded(lambda: question.answer(c, list(ready.kept), given, ready.document))


def _instant(now: datetime | int | None, needs: Needs) -> int:
    """``now`` in nanoseconds since 1970."""
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise BadInputError("has no zone.", field="now", value=now, remedy="Pass an aware datetime.")
        return (now - _EPOCH) // _MICROSECOND * 1000
    if now is not None:
        return now
    if "now" in needs.others:
        raise BadInputError("is missing.", field="now", remedy="Pass it: the answer depends on the time.")
    return 0


def _guarded(run: Callable[[], T]) -> T:
    """Whatever goes wrong is an error by name, never half an answer."""
    try:
        return run()
    except MaestroError:
        raise
    except RecursionError as error:
        raise EvaluationLimitError(
            "The evaluation, or a value in it, nests too deeply.", code="depth_limit"
        ) from error
    except MemoryError as error:
        raise EvaluationLimitError("The evaluation ran out of memory.", code="size_limit") from error
    except Exception as error:
        raise EvaluationError(f"The evaluation failed: {type(error).__name__}: {error}") from error


def compile_plan(
    plan: bytes | dict[str, Any],
    *,
    data: Any = None,
    revision: str = "",
    registry: Registry | None = None,
) -> Program:
    """Compile a plan (``plan.json``, its bytes or parsed) to a program.

    Raises:
        PlanError: not a plan that this version knows, or one that needs a builtin that is not there.
    """
    return Program(compile_policy(read_plan(plan), registry or standard()), data=data, revision=revision)

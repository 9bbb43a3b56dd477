"""What may go wrong with a plan or an evaluation; each has a stable ``code``. None of them is ever a decision."""

from __future__ import annotations

from maestro.kernel.errors import BadInputError, MaestroError

__all__ = ["BuiltinError", "EvaluationConflictError", "EvaluationError", "EvaluationLimitError", "PlanError"]


class PlanError(BadInputError):
    """The plan is not one that OPA makes, or needs what is not there. Codes: ``bad_plan``, ``unsupported_builtin``."""

    code = "bad_plan"


class EvaluationError(MaestroError):
    """The evaluation ended without a decision; whoever asked must treat it as a denial."""

    code = "evaluation_failed"


class EvaluationConflictError(EvaluationError):
    """A complete rule, function or object key has two values (OPA: ``eval_conflict_error``)."""

    code = "eval_conflict_error"


class EvaluationLimitError(EvaluationError):
    """A bound of :class:`maestro.rego.limits.Limits` was reached.

    Codes: ``step_limit``, ``size_limit``, ``number_limit``, ``depth_limit``, ``deadline``.
    """

    code = "step_limit"


class BuiltinError(EvaluationError):
    """A builtin refuses its operands: the expression is undefined, or fails under ``strict_builtin_errors``.

    Raised by builtins with OPA's own words, as ``operand 1 must be number but got string``.
    """

    code = "eval_builtin_error"

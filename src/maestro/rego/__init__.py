"""Any OPA policy in process: the plan that ``opa build -t plan`` makes, compiled to Python."""

from maestro.rego.errors import (
    BuiltinError,
    EvaluationConflictError,
    EvaluationError,
    EvaluationLimitError,
    PlanError,
)
from maestro.rego.limits import Limits
from maestro.rego.program import Data, Program, compile_plan
from maestro.rego.values import UNDEFINED

__all__ = [
    "UNDEFINED",
    "BuiltinError",
    "Data",
    "EvaluationConflictError",
    "EvaluationError",
    "EvaluationLimitError",
    "Limits",
    "PlanError",
    "Program",
    "compile_plan",
]

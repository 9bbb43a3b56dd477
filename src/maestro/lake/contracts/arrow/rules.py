"""The rules of Arrow and Parquet schemas, which the field lacks (ADR-1123)."""

from __future__ import annotations

from maestro.lake.contracts.verdict import Rule

__all__ = ["ArrowRule"]


class ArrowRule(Rule):
    """Changes of an Arrow or Parquet schema. The reader is the new schema under BACKWARD, the old one under FORWARD."""

    REQUIRED_COLUMN_ADDED = (
        "required_column_added",
        "The reader has a non-nullable column that the writer does not write.",
        "Declare the column nullable, or add it nullable first and fill it.",
    )
    TYPE_CHANGED = (
        "column_type_changed",
        "The column's type is another one, and the change is not one of the safe promotions.",
        "Keep the type, or add a new column of the new type beside it.",
    )
    TYPE_NARROWED = (
        "column_type_narrowed",
        "The reader's type is narrower than the writer's, so that values could be cut.",
        "Keep the wider type.",
    )
    NULLS_FORBIDDEN = (
        "column_nulls_forbidden",
        "The writer may write null where the reader's column is not nullable.",
        "Keep the column nullable.",
    )
    TYPE_PROMOTED = (
        "column_type_promoted",
        "A safe promotion: int to long, float to double, or a decimal of the same scale with more digits.",
    )
    COLUMN_DROPPED = (
        "column_dropped",
        "The reader does not ask for a column that the writer writes; its values are not read.",
    )
    COLUMN_ADDED = (
        "nullable_column_added",
        "The reader has a nullable column that the writer does not write; it reads null.",
    )
    POSSIBLE_RENAME = (
        "possible_rename",
        "One column went and one of the same type came. A rename is a drop and an add: the old values stay behind.",
        "Keep the old name, or write both columns until no reader needs the old one.",
        "advice",
    )
    NULLS_ALLOWED = ("column_nulls_allowed", "The reader's column is nullable and the writer's is not.")
    CASE_DIFFERS = (
        "column_case_differs",
        "Two columns differ in case alone; engines that ignore case take them for one.",
        "Keep one spelling.",
        "advice",
    )

"""The rules of Avro schemas: where Avro's own checker has a name for it, that is the code."""

from __future__ import annotations

from maestro.lake.contracts.verdict import Rule

__all__ = ["AvroRule"]


class AvroRule(Rule):
    """Changes of an Avro schema. The reader is the new schema under BACKWARD, the old one under FORWARD."""

    NAME_MISMATCH = (
        "name_mismatch",
        "The reader's record, enumeration or fixed type has another name than the writer's.",
        'Keep the name, or add the old full name to the type\'s "aliases".',
    )
    TYPE_MISMATCH = (
        "type_mismatch",
        "The reader's type cannot read the writer's; only int → long → float → double and string ↔ bytes are promoted.",
        "Keep the type, or add a new field of the new type with a default.",
    )
    FIXED_SIZE_MISMATCH = (
        "fixed_size_mismatch",
        "The reader's fixed type has another size than the writer's.",
        "Keep the size, or add a new field of another fixed type.",
    )
    MISSING_ENUM_SYMBOLS = (
        "missing_enum_symbols",
        "The reader's enumeration lacks symbols of the writer's and has no default for unknown ones.",
        'Keep the symbols, or give the enumeration a "default" symbol.',
    )
    READER_FIELD_MISSING_DEFAULT_VALUE = (
        "reader_field_missing_default_value",
        "The reader has a field that the writer does not write, and no default for it.",
        'Give the field a "default", or an alias if it is an old field under a new name.',
    )
    MISSING_UNION_BRANCH = (
        "missing_union_branch",
        "The writer may write a type that no branch of the reader's union reads.",
        "Keep the branch in the union.",
    )
    DECIMAL_CHANGED = (
        "decimal_changed",
        "The reader's decimal has another scale, or less precision, than the writer's: bytes would be read as other numbers.",
        "Keep the scale; precision may grow.",
    )
    LOGICAL_TYPE_CHANGED = (
        "logical_type_changed",
        "The reader takes the same bytes for another logical type, for example microseconds for milliseconds.",
        "Keep the logical type, or add a new field.",
    )
    LOGICAL_TYPE_CAME_OR_WENT = (
        "logical_type_came_or_went",
        "One of the two names a logical type and the other does not; the bytes are the same.",
        "See that both sides mean the same.",
        "advice",
    )
    TYPE_PROMOTED = ("type_promoted", "The reader's type is wider, and Avro promotes values to it.")
    FIELD_ADDED = (
        "field_added",
        "The reader has a field that the writer does not write, and a default for it.",
    )
    FIELD_REMOVED = ("field_removed", "The reader has no field for what the writer writes; it is skipped.")
    FIELD_RENAMED = ("field_renamed", "The reader reads an old field by its alias.")
    ENUM_SYMBOLS_ADDED = (
        "enum_symbols_added",
        "The reader's enumeration has symbols that the writer's lacks.",
    )
    UNION_EXTENDED = ("union_extended", "The reader's union has branches that the writer does not write.")
    DEFAULT_CHANGED = (
        "default_changed",
        "The reader has another default; it is used for data without the field.",
    )

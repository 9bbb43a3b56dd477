"""The rules of JSON Schemas: those of the field's registry by their own names, and a few that it lacks (ADR-1124)."""

from __future__ import annotations

import re
from typing import Any

from maestro.lake.contracts.verdict import Rule

__all__ = ["BOUNDS", "BoundRule", "JsonSchemaRule", "bound_rule"]

_LOWER = ("minLength", "minimum", "exclusiveMinimum", "minProperties", "minItems", "minContains")
_UPPER = ("maxLength", "maximum", "exclusiveMaximum", "maxProperties", "maxItems", "maxContains")
BOUNDS = _LOWER + _UPPER


class JsonSchemaRule(Rule):
    """Changes of a JSON Schema. The reader validates; the writer's instances are what it must accept."""

    TYPE_CHANGED = (
        "type_changed",
        "The reader expects another type than the writer's.",
        'Keep the type, or widen it: "type": ["old", "new"].',
    )
    TYPE_NARROWED = (
        "type_narrowed",
        "The reader takes integers where the writer's may be any number.",
        'Keep "number".',
    )
    TYPE_EXTENDED = ("type_extended", "The reader takes any number where the writer's are integers.")
    TYPE_ASSERTED = (
        "type_asserted",
        "The reader demands a type that the writer's schema only spoke of; the field's rules let that pass.",
        'Leave "type" out, or be sure that no other type was ever written.',
        "advice",
    )
    PATTERN_ADDED = (
        "pattern_added",
        "The reader demands a pattern that the writer's texts need not match.",
        "Leave the pattern out, or check it in the consumer.",
    )
    PATTERN_CHANGED = (
        "pattern_changed",
        "The reader's pattern differs from the writer's; whether it accepts more is not decided.",
        'Keep the old pattern, or allow both: "old|new".',
    )
    PATTERN_REMOVED = ("pattern_removed", "The reader demands no pattern any more.")
    FORMAT_ADDED = (
        "format_added",
        "The reader demands a format that the writer's texts need not have.",
        "Leave the format out.",
    )
    FORMAT_CHANGED = (
        "format_changed",
        "The reader's format differs from the writer's.",
        "Keep the old format.",
    )
    FORMAT_REMOVED = ("format_removed", "The reader demands no format any more.")
    CONTENT_ADDED = (
        "content_added",
        "The reader expects encoded content that the writer need not write.",
        "Leave it out.",
    )
    CONTENT_CHANGED = (
        "content_changed",
        "The reader expects content of another encoding or media type.",
        "Keep the old one, or add a new property.",
    )
    CONTENT_REMOVED = ("content_removed", "The reader expects no particular content any more.")
    MULTIPLE_OF_ADDED = (
        "multiple_of_added",
        "The reader demands multiples of a number; the writer's need not be.",
        "Leave multipleOf out.",
    )
    MULTIPLE_OF_EXPANDED = (
        "multiple_of_expanded",
        "The reader demands multiples of a greater number than the writer's.",
        "Keep multipleOf, or divide it.",
    )
    MULTIPLE_OF_CHANGED = (
        "multiple_of_changed",
        "The reader's multipleOf does not divide the writer's.",
        "Keep multipleOf, or divide it.",
    )
    MULTIPLE_OF_REDUCED = ("multiple_of_reduced", "The reader's multipleOf divides the writer's.")
    MULTIPLE_OF_REMOVED = ("multiple_of_removed", "The reader demands no multiples any more.")

    ENUM_ARRAY_NARROWED = (
        "enum_array_narrowed",
        "The reader lacks values that the writer may write.",
        "Keep the values, and stop writing them first.",
    )
    ENUM_ARRAY_CHANGED = (
        "enum_array_changed",
        "The reader's values are others than the writer's.",
        "Keep the old values beside the new ones.",
    )
    ENUM_ARRAY_EXTENDED = ("enum_array_extended", "The reader takes more values than the writer writes.")

    REQUIRED_ATTRIBUTE_ADDED = (
        "required_attribute_added",
        "The reader requires a property that the writer may leave out.",
        "Make it optional, or give it a default.",
    )
    REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED = (
        "required_attribute_with_default_added",
        "The reader requires a property that the writer may leave out, and has a default for it; a plain validator still refuses instances without it.",
        "Fill in defaults before validating.",
        "advice",
    )
    REQUIRED_ATTRIBUTE_UNNAMED = (
        "required_attribute_unnamed",
        "The reader requires a property that it does not name; the field's rules let that pass, a validator refuses instances without it.",
        "Name the property, or do not require it.",
        "advice",
    )
    REQUIRED_ATTRIBUTE_REMOVED = ("required_attribute_removed", "The reader no longer requires a property.")

    REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL = (
        "required_property_added_to_open_content_model",
        "The reader requires a property that the writer does not name.",
        "Make it optional, and close the old content model (additionalProperties: false) before properties are added.",
    )
    REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL = (
        "required_property_with_default_added_to_open_content_model",
        "The reader constrains a property that the writer does not name but, being open, may have written with any value.",
        "Give it no constraint ({}), or add properties only to a closed content model (additionalProperties: false).",
    )
    OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL = (
        "optional_property_added_to_open_content_model",
        "The reader constrains a property that the writer does not name but, being open, may have written with any value.",
        "Give it no constraint ({}), or add properties only to a closed content model (additionalProperties: false).",
    )
    PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL = (
        "property_with_empty_schema_added_to_open_content_model",
        "The reader names a property and takes any value for it.",
    )
    REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL = (
        "required_property_added_to_unopen_content_model",
        "The reader requires a property that the writer does not write.",
        "Make it optional, or give it a default.",
    )
    REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL = (
        "required_property_with_default_added_to_unopen_content_model",
        "The reader requires a property that the writer does not write, and has a default for it; a plain validator still refuses instances without it.",
        "Fill in defaults before validating.",
        "advice",
    )
    OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL = (
        "optional_property_added_to_unopen_content_model",
        "The reader knows an optional property that the writer cannot have written.",
    )
    PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL = (
        "property_removed_from_open_content_model",
        "The reader no longer names a property and takes any.",
    )
    PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL = (
        "property_removed_from_closed_content_model",
        "The reader refuses a property that the writer may write.",
        "Keep the property, or open the content model (additionalProperties: true).",
    )
    PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL = (
        "property_with_false_removed_from_closed_content_model",
        "The reader no longer names a property that could never be written.",
    )
    PROPERTY_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "property_removed_is_covered_by_partially_open_content_model",
        "The reader no longer names a property; what it allows unnamed properties covers it.",
    )
    PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "property_removed_not_covered_by_partially_open_content_model",
        "The reader no longer names a property, and what it allows unnamed properties does not cover it.",
        "Keep the property, or widen additionalProperties or patternProperties.",
    )
    PROPERTY_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "property_added_is_covered_by_partially_open_content_model",
        "The reader names a property and takes all that the writer could write under that name.",
    )
    PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "property_added_not_covered_by_partially_open_content_model",
        "The reader names a property and does not take all that the writer could write under that name.",
        "Give it the schema that additionalProperties or patternProperties had for it.",
    )

    ADDITIONAL_PROPERTIES_REMOVED = (
        "additional_properties_removed",
        "The reader refuses unnamed properties, which the writer may write.",
        "Keep additionalProperties as it was.",
    )
    ADDITIONAL_PROPERTIES_NARROWED = (
        "additional_properties_narrowed",
        "The reader constrains unnamed properties, which the writer does not.",
        "Keep additionalProperties as it was.",
    )
    ADDITIONAL_PROPERTIES_ADDED = (
        "additional_properties_added",
        "The reader takes unnamed properties, which the writer does not write.",
    )
    ADDITIONAL_PROPERTIES_EXTENDED = (
        "additional_properties_extended",
        "The reader takes any unnamed properties.",
    )
    UNEVALUATED_PROPERTIES_REMOVED = (
        "unevaluated_properties_removed",
        "The reader refuses unevaluated properties, which the writer may write.",
        "Keep unevaluatedProperties as it was.",
    )
    UNEVALUATED_PROPERTIES_NARROWED = (
        "unevaluated_properties_narrowed",
        "The reader constrains unevaluated properties, which the writer does not.",
        "Keep unevaluatedProperties as it was.",
    )
    UNEVALUATED_PROPERTIES_ADDED = (
        "unevaluated_properties_added",
        "The reader takes unevaluated properties, which the writer does not write.",
    )
    UNEVALUATED_PROPERTIES_EXTENDED = (
        "unevaluated_properties_extended",
        "The reader takes any unevaluated properties.",
    )
    PATTERN_PROPERTY_ADDED = (
        "pattern_property_added",
        "The reader constrains properties of a pattern, which the writer may have written with any value.",
        "Give the pattern no constraint, or add it only to a closed content model.",
    )
    PATTERN_PROPERTY_REMOVED = (
        "pattern_property_removed",
        "The reader no longer takes properties of a pattern, which the writer may write.",
        "Keep the pattern, or open the content model.",
    )
    PROPERTY_NAMES_ADDED = (
        "property_names_added",
        "The reader constrains the names of properties, which the writer does not.",
        "Leave propertyNames out.",
    )
    PROPERTY_NAMES_REMOVED = ("property_names_removed", "The reader takes properties of any name.")

    DEPENDENCY_ARRAY_ADDED = (
        "dependency_array_added",
        "The reader demands further properties beside a property.",
        "Leave the dependency out.",
    )
    DEPENDENCY_ARRAY_EXTENDED = (
        "dependency_array_extended",
        "The reader demands more properties beside a property than the writer writes.",
        "Keep the dependency as it was.",
    )
    DEPENDENCY_ARRAY_CHANGED = (
        "dependency_array_changed",
        "The reader demands other properties beside a property.",
        "Keep the dependency as it was.",
    )
    DEPENDENCY_ARRAY_NARROWED = (
        "dependency_array_narrowed",
        "The reader demands fewer properties beside a property.",
    )
    DEPENDENCY_ARRAY_REMOVED = (
        "dependency_array_removed",
        "The reader demands no further properties beside a property.",
    )
    DEPENDENCY_SCHEMA_ADDED = (
        "dependency_schema_added",
        "The reader demands a schema where a property is there.",
        "Leave the dependency out.",
    )
    DEPENDENCY_SCHEMA_REMOVED = (
        "dependency_schema_removed",
        "The reader demands no schema where a property is there.",
    )

    SCHEMA_ADDED = (
        "schema_added",
        "The reader constrains what the writer leaves free.",
        "Leave the constraint out.",
    )
    SCHEMA_REMOVED = ("schema_removed", "The reader leaves free what the writer constrains.")
    UNIQUE_ITEMS_ADDED = (
        "unique_items_added",
        "The reader demands that items differ; the writer's need not.",
        "Leave uniqueItems out.",
    )
    UNIQUE_ITEMS_REMOVED = ("unique_items_removed", "The reader takes equal items.")
    ADDITIONAL_ITEMS_REMOVED = (
        "additional_items_removed",
        "The reader refuses further items, which the writer may write.",
        "Keep additionalItems as it was.",
    )
    ADDITIONAL_ITEMS_NARROWED = (
        "additional_items_narrowed",
        "The reader constrains further items, which the writer does not.",
        "Keep additionalItems as it was.",
    )
    ADDITIONAL_ITEMS_ADDED = (
        "additional_items_added",
        "The reader takes further items, which the writer does not write.",
    )
    ADDITIONAL_ITEMS_EXTENDED = ("additional_items_extended", "The reader takes any further items.")
    UNEVALUATED_ITEMS_REMOVED = (
        "unevaluated_items_removed",
        "The reader refuses unevaluated items, which the writer may write.",
        "Keep unevaluatedItems as it was.",
    )
    UNEVALUATED_ITEMS_NARROWED = (
        "unevaluated_items_narrowed",
        "The reader constrains unevaluated items, which the writer does not.",
        "Keep unevaluatedItems as it was.",
    )
    UNEVALUATED_ITEMS_ADDED = (
        "unevaluated_items_added",
        "The reader takes unevaluated items, which the writer does not write.",
    )
    UNEVALUATED_ITEMS_EXTENDED = ("unevaluated_items_extended", "The reader takes any unevaluated items.")
    ITEM_ADDED_TO_OPEN_CONTENT_MODEL = (
        "item_added_to_open_content_model",
        "The reader constrains an item that the writer, being open, may have written with any value.",
        "Give it no constraint ({}), or add items only to a closed tuple.",
    )
    ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL = (
        "item_with_empty_schema_added_to_open_content_model",
        "The reader names an item and takes any value for it.",
    )
    ITEM_ADDED_TO_CLOSED_CONTENT_MODEL = (
        "item_added_to_closed_content_model",
        "The reader knows an item that the writer cannot have written.",
    )
    ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL = (
        "item_removed_from_open_content_model",
        "The reader no longer names an item and takes any.",
    )
    ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL = (
        "item_removed_from_closed_content_model",
        "The reader refuses an item that the writer may write.",
        "Keep the item, or allow further ones (additionalItems: true).",
    )
    ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL = (
        "item_with_false_removed_from_closed_content_model",
        "The reader no longer names an item that could never be written.",
    )
    ITEM_REMOVED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "item_removed_is_covered_by_partially_open_content_model",
        "The reader no longer names an item; what it allows further items covers it.",
    )
    ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "item_removed_not_covered_by_partially_open_content_model",
        "The reader no longer names an item, and what it allows further items does not cover it.",
        "Keep the item, or widen additionalItems.",
    )
    ITEM_ADDED_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "item_added_is_covered_by_partially_open_content_model",
        "The reader names an item and takes all that the writer could write there.",
    )
    ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL = (
        "item_added_not_covered_by_partially_open_content_model",
        "The reader names an item and does not take all that the writer could write there.",
        "Give it the schema that additionalItems had.",
    )
    CONTAINS_ADDED = (
        "contains_added",
        "The reader demands an item that the writer need not write.",
        "Leave contains out.",
    )
    CONTAINS_CHANGED = (
        "contains_changed",
        "The item that the reader demands is not the one the writer writes.",
        "Keep contains, or widen it.",
    )
    CONTAINS_REMOVED = ("contains_removed", "The reader demands no particular item any more.")

    COMBINED_TYPE_CHANGED = (
        "combined_type_changed",
        "The reader combines its parts more strictly than the writer (oneOf, allOf for anyOf).",
        "Keep the combination, or loosen it to anyOf.",
    )
    COMBINED_TYPE_EXTENDED = (
        "combined_type_extended",
        "The reader combines its parts more loosely than the writer.",
    )
    COMBINED_TYPE_SUBSCHEMAS_CHANGED = (
        "combined_type_subschemas_changed",
        "A part of the writer's combination has no part of the reader's that takes all of it.",
        "Keep each old part as it was, and add new ones beside them.",
    )
    PRODUCT_TYPE_EXTENDED = (
        "product_type_extended",
        "The reader demands more at once than the writer keeps to.",
        "Leave the further demand out.",
    )
    PRODUCT_TYPE_NARROWED = (
        "product_type_narrowed",
        "The reader demands less at once than the writer keeps to.",
    )
    SUM_TYPE_NARROWED = (
        "sum_type_narrowed",
        "The reader has fewer alternatives than the writer.",
        "Keep the old alternatives.",
    )
    SUM_TYPE_EXTENDED = ("sum_type_extended", "The reader has more alternatives than the writer.")
    NOT_TYPE_EXTENDED = (
        "not_type_extended",
        "The reader excludes more than the writer.",
        "Exclude no more than before.",
    )
    NOT_TYPE_NARROWED = ("not_type_narrowed", "The reader excludes no more than the writer.")
    CONDITION_CHANGED = (
        "condition_changed",
        "The condition (if) is another one, so that other instances meet then and else.",
        "Keep if as it was; change then and else alone.",
    )


def _bound_rows() -> dict[str, tuple[str, ...]]:
    """Four rows a keyword: added and tightened break, removed and loosened do not."""
    rows: dict[str, tuple[str, ...]] = {}
    for keyword in BOUNDS:
        snake = re.sub(r"(?=[A-Z])", "_", keyword).lower()
        tighter, looser = ("increased", "decreased") if keyword in _LOWER else ("decreased", "increased")
        rows |= {
            f"{snake}_added": (
                f"The reader demands {keyword}, which the writer does not.",
                f"Leave {keyword} out.",
            ),
            f"{snake}_{tighter}": (
                f"The reader's {keyword} is stricter than the writer's.",
                f"Keep {keyword}.",
            ),
            f"{snake}_{looser}": (f"The reader's {keyword} is looser than the writer's.",),
            f"{snake}_removed": (f"The reader does not demand {keyword} any more.",),
        }
    return rows


_enumeration: Any = Rule  # its functional form, which type checkers do not know of a subclass
BoundRule: type[Rule] = _enumeration(
    "BoundRule", {code.upper(): (code, *texts) for code, texts in _bound_rows().items()}
)
BoundRule.__doc__ = "Bounds of a JSON Schema: lengths, sizes and limits."


def bound_rule(keyword: str, change: str) -> Rule:
    """The rule of a bound's change, for example ``maxLength`` and ``decreased``."""
    return BoundRule[f"{re.sub(r'(?=[A-Z])', '_', keyword)}_{change}".upper()]

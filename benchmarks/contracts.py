"""Contract checks a second, text to verdict, beside Avro's own checker on the same pairs; and on the registry."""

import json
from importlib.metadata import version

from benchmarks.table import Table, interleaved, per_second

FIELDS = 30


def run(*, quick=False):
    """By format: from text, and with both schemas read before."""
    seconds, rounds = (0.1, 1) if quick else (1.0, 5)
    rows = []
    for name, (old, new, format_) in _pairs().items():
        contenders = _contenders(old, new, format_)
        figures = interleaved(contenders, rounds, lambda call: per_second(call, seconds))
        ours, read = figures["text"], figures["read"]
        theirs = figures.get("avro")
        peer = "none" if theirs is None else f"{theirs:,.0f}"
        ratio = "" if theirs is None else f"{ours / theirs:.1f}"
        rows.append((name, f"{ours:,.0f}", peer, ratio, f"{read:,.0f}"))
    return Table(
        "Contract checks",
        ("pair", "text to verdict /s", "avro's checker /s", "ratio", "both read before /s"),
        rows,
        f"One thread; {FIELDS} fields or properties a schema, one of them changed. Avro's checker is avro "
        f"{version('avro')} (pure Python), which parses and compares the same texts; fastavro and jsonschema have none.",
    )


def _contenders(old, new, format_):
    from maestro.lake.contracts import check, load_contract

    old_read, new_read = load_contract(old.encode(), format_), load_contract(new.encode(), format_)
    contenders = {
        "text": lambda _: check(new, old, "BACKWARD", format_),
        "read": lambda _: check(new_read, old_read),
    }
    if format_ == "avro":
        from avro.compatibility import ReaderWriterCompatibilityChecker
        from avro.schema import parse

        contenders["avro"] = lambda _: ReaderWriterCompatibilityChecker().get_compatibility(
            parse(new), parse(old)
        )
    return contenders


def _pairs():
    avro = [{"name": f"f{at}", "type": ["null", "string"], "default": None} for at in range(FIELDS)]
    properties = {f"p{at}": {"type": "string", "maxLength": 40} for at in range(FIELDS)}
    columns = [{"name": f"c{at}", "type": "int32"} for at in range(FIELDS)]

    def record(fields):
        return json.dumps({"type": "record", "name": "R", "fields": fields})

    def schema(more):
        return json.dumps({"type": "object", "properties": properties | more, "additionalProperties": False})

    return {
        "Avro, a field with a default added": (
            record(avro), record([*avro, {"name": "new", "type": "long", "default": 0}]), "avro"),
        "Avro, a field without one added": (record(avro), record([*avro, {"name": "new", "type": "long"}]), "avro"),
        "JSON Schema, a property added": (schema({}), schema({"new": {"type": "integer"}}), "json-schema"),
        "Arrow, a column promoted": (
            json.dumps({"fields": columns}),
            json.dumps({"fields": [{**columns[0], "type": "int64"}, *columns[1:]]}), "arrow"),
    }  # fmt: skip

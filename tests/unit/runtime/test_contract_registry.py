"""The contract registry: the pure rules over a store of changes."""

import json
import threading

import pytest

from maestro.kernel.errors import BadInputError, ConflictError, PortError
from maestro.lake.contracts.registry.changes import Reference, SchemaText
from maestro.lake.contracts.registry.registry import EVERYBODY, LATEST
from maestro.lake.contracts.verdict import Mode
from maestro.runtime.contracts import ContractRegistry
from maestro.testing.clock import VirtualClock
from maestro_adapters.inprocess import InProcessDocuments, InProcessOutbox
from maestro_adapters.sqlite import SqliteDocuments


def avro(**fields):
    """A record; a list is a type with its default."""
    told = [
        {"name": name, "type": type_[0], "default": type_[1]}
        if isinstance(type_, list)
        else {"name": name, "type": type_}
        for name, type_ in fields.items()
    ]
    return SchemaText(json.dumps({"type": "record", "name": "R", "fields": told}))


A, AB, AC = avro(a="int"), avro(a="int", b=["string", ""]), avro(a="int", c="string")


@pytest.fixture(params=["memory", "sqlite"])
def documents(request, tmp_path):
    if request.param == "memory":
        yield InProcessDocuments(InProcessOutbox())
        return
    store = SqliteDocuments(tmp_path / "contracts.db")
    yield store
    store.close()


@pytest.fixture
def registry(documents):
    return ContractRegistry(documents, VirtualClock())


def register(registry, subject, text, **more):
    return registry.do(lambda it: it.register(subject, text, **more), by="ann")


def code_of(call):
    with pytest.raises((BadInputError, ConflictError)) as caught:
        call()
    return caught.value.code


def test_equal_schemas_share_an_id_and_a_second_registration_changes_nothing(registry):
    spaced = SchemaText(json.dumps(json.loads(A.schema), indent=4))
    assert register(registry, "s", A) == register(registry, "s", spaced) == register(registry, "t", A) == 1
    assert register(registry, "s", AB) == 2
    assert [version.number for version in registry.read().versions("s")] == [1, 2]
    assert len(registry.log()) == 3


def test_a_breaking_version_is_refused_with_path_rule_and_remedy(registry):
    register(registry, "s", A)
    with pytest.raises(ConflictError, match="/fields/c: reader_field_missing_default_value") as caught:
        register(registry, "s", AC)
    assert caught.value.code == "schema_incompatible"
    assert "default" in caught.value.remedy


def test_the_subjects_mode_decides_and_transitive_modes_look_back(registry):
    register(registry, "s", avro(a="int", x="string"))
    register(registry, "s", avro(a="int"))
    back = avro(a="int", x="int")
    assert not registry.read().check("s", back).compatible  # no default
    defaulted = avro(a="int", x=["int", 0])
    assert registry.read().check("s", defaulted).compatible
    registry.do(lambda it: it.set_config("s", {"compatibility": "backward_transitive"}), by="ann")
    verdict = registry.read().check("s", defaulted)
    assert [(each.version, each.rule) for each in verdict.violations] == [(1, "type_mismatch")]
    assert registry.read().check("s", defaulted, 2, mode=Mode.BACKWARD).compatible
    registry.do(lambda it: it.set_config(EVERYBODY, {"compatibility": "NONE"}), by="ann")
    assert (
        registry.do(lambda it: it.drop_config("s"), by="ann")["compatibilityLevel"] == "BACKWARD_TRANSITIVE"
    )
    assert register(registry, "s", back)


def test_deletion_is_soft_first_and_then_for_good(registry):
    register(registry, "s", A)
    register(registry, "s", AB)
    do = registry.do
    assert (
        code_of(lambda: do(lambda it: it.delete_version("s", 1, permanent=True), by="x"))
        == "version_not_soft_deleted"
    )
    assert do(lambda it: it.delete_version("s", 1), by="x") == 1
    assert code_of(lambda: do(lambda it: it.delete_version("s", 1), by="x")) == "version_soft_deleted"
    assert code_of(lambda: registry.read().version("s", 1)) == "version_not_found"
    assert registry.read().version("s", 1, deleted=True).deleted
    assert registry.read().text(1) == A
    assert (
        code_of(lambda: do(lambda it: it.delete_subject("s", permanent=True), by="x"))
        == "subject_not_soft_deleted"
    )
    assert do(lambda it: it.delete_subject("s"), by="x") == [2]
    assert code_of(lambda: do(lambda it: it.delete_subject("s"), by="x")) == "subject_soft_deleted"
    assert list(registry.read().state.subjects()) == []
    assert list(registry.read().state.subjects(deleted=True)) == ["s"]
    assert register(registry, "s", A) == 1
    assert registry.read().version("s", LATEST).number == 3
    do(lambda it: it.delete_subject("s"), by="x")
    assert do(lambda it: it.delete_subject("s", permanent=True), by="x") == [1, 2, 3]
    assert code_of(lambda: registry.read().versions("s", deleted=True)) == "subject_not_found"
    assert register(registry, "s", AC) == 3
    assert registry.read().version("s", LATEST).number == 1


def test_a_version_deleted_for_good_leaves_the_others(registry):
    register(registry, "s", A)
    register(registry, "s", AB)
    for permanent in (False, True):
        registry.do(lambda it, p=permanent: it.delete_version("s", 1, permanent=p), by="x")
    assert [each.number for each in registry.read().versions("s", deleted=True)] == [2]


def test_references_are_resolved_and_keep_what_they_use(registry):
    money = SchemaText(
        json.dumps({"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]})
    )
    order = SchemaText(
        json.dumps({"type": "record", "name": "Order", "fields": [{"name": "total", "type": "shop.Money"}]}),
        references=(Reference("shop.Money", "money", 1),),
    )
    assert code_of(lambda: register(registry, "order", order)) == "bad_schema"
    register(registry, "money", money)
    register(registry, "order", order)
    assert (
        code_of(lambda: registry.do(lambda it: it.delete_version("money", 1), by="x")) == "reference_exists"
    )
    assert code_of(lambda: registry.do(lambda it: it.delete_subject("money"), by="x")) == "reference_exists"
    assert [each.subject for each in registry.read().state.referrers("money", 1)] == ["order"]


def test_json_schemas_refer_to_others_by_name(registry):
    address = SchemaText('{"type": "object", "properties": {"street": {"type": "string"}}}', "JSON")
    person = SchemaText(
        '{"type": "object", "properties": {"home": {"$ref": "address.json"}}}',
        "JSON",
        (Reference("address.json", "address", 1),),
    )
    register(registry, "address", address)
    assert register(registry, "person", person) == 2


def test_modes_forbid_and_import(registry):
    register(registry, "s", A)
    do = registry.do
    assert registry.read().mode() == "READWRITE"
    assert code_of(lambda: registry.read().mode("s")) == "mode_not_set"
    assert code_of(lambda: register(registry, "s", AB, schema_id=9)) == "not_permitted"
    do(lambda it: it.set_mode("s", "READONLY"), by="x")
    assert code_of(lambda: register(registry, "s", AB)) == "not_permitted"
    assert register(registry, "s", A) == 1  # nothing to write
    assert code_of(lambda: do(lambda it: it.delete_subject("s"), by="x")) == "not_permitted"
    assert do(lambda it: it.drop_mode("s"), by="x") == "READONLY"
    assert code_of(lambda: do(lambda it: it.set_mode("s", "IMPORT"), by="x")) == "not_permitted"
    assert do(lambda it: it.set_mode("new", "IMPORT"), by="x") == "IMPORT"
    assert register(registry, "new", AC, schema_id=70, number=7) == 70
    assert code_of(lambda: register(registry, "new", AB, schema_id=1)) == "id_taken"
    assert registry.read().version("new", 7).id == 70
    assert register(registry, "t", avro(z="int")) == 71
    assert code_of(lambda: do(lambda it: it.set_mode(EVERYBODY, "IMPORT"), by="x")) == "not_permitted"
    assert code_of(lambda: do(lambda it: it.set_mode(EVERYBODY, "SIDEWAYS"), by="x")) == "bad_registry_mode"
    assert do(lambda it: it.set_mode(EVERYBODY, "IMPORT", force=True), by="x") == "IMPORT"


def test_configuration_falls_back_and_keeps_what_it_does_not_know(registry):
    do = registry.do
    assert registry.read().config() == {"compatibilityLevel": "BACKWARD"}
    assert code_of(lambda: registry.read().config("s")) == "config_not_set"
    do(
        lambda it: it.set_config(
            "s", {"compatibility": "FULL", "defaultMetadata": {"properties": {"a": "b"}}}
        ),
        by="x",
    )
    do(lambda it: it.set_config("s", {"normalize": True}), by="x")
    assert registry.read().config("s") == {
        "compatibilityLevel": "FULL",
        "normalize": True,
        "defaultMetadata": {"properties": {"a": "b"}},
    }
    assert registry.read().config("other", or_global=True) == {"compatibilityLevel": "BACKWARD"}
    assert (
        code_of(lambda: do(lambda it: it.set_config("s", {"compatibility": "MOSTLY"}), by="x")) == "bad_mode"
    )


def test_normalized_schemas_are_kept_in_one_spelling(registry):
    text = SchemaText('{ "type": "record", "fields": [], "name": "R" }')
    register(registry, "s", text, normalize=True)
    assert registry.read().text(1).schema == '{"fields":[],"name":"R","type":"record"}'
    shuffled = SchemaText('{"type": "object", "title": "t"}', "JSON")
    register(registry, "j", shuffled, normalize=True)
    assert registry.read().text(2).schema == '{"title":"t","type":"object"}'
    assert registry.read().find("s", text).number == 1
    assert code_of(lambda: registry.read().find("s", A)) == "schema_not_found"


def test_names_versions_and_types_are_checked(registry):
    register(registry, "s", A)
    for name in ("", "x" * 256, "a\n"):
        assert code_of(lambda name=name: register(registry, name, A)) == "bad_subject"
    assert code_of(lambda: registry.read().version("s", 0)) == "bad_version"
    assert code_of(lambda: registry.read().version("s", 4)) == "version_not_found"
    assert code_of(lambda: registry.read().text(99)) == "schema_not_found"
    assert code_of(lambda: register(registry, "p", SchemaText("syntax", "PROTOBUF"))) == "bad_schema"
    assert code_of(lambda: register(registry, "p", SchemaText('{"type": "recor'))) == "bad_schema"


def test_the_log_tells_who_did_what_and_what_changed(registry):
    register(registry, "s", A)
    register(registry, "s", AB)
    registry.do(lambda it: it.set_config("s", {"compatibility": "NONE"}), by="bob")
    first, second, third = registry.log("s")
    assert (first.by, first.change.summary) == ("ann", ())
    assert second.change.summary == ("field_added /fields/b",)
    assert (third.number, third.by) == (3, "bob")
    assert registry.log("t") == ()


def test_each_change_is_an_event_in_its_own_transaction(documents):
    registry = ContractRegistry(documents, VirtualClock())
    register(registry, "s", A)
    ((_, event),) = documents.outbox.read()
    assert event.type == "mc.contracts.registered"
    assert event.data["changedBy"] == "ann"
    assert "text" not in event.data


def test_two_registries_on_one_store_see_each_other(documents):
    one, other = ContractRegistry(documents, VirtualClock()), ContractRegistry(documents, VirtualClock())
    register(one, "s", A)
    assert register(other, "s", A) == 1
    register(other, "s", AB)
    assert one.read().version("s", LATEST).number == 2


def test_writers_at_once_each_get_their_version(documents):
    registries = [ContractRegistry(documents, VirtualClock()) for _ in range(3)]
    texts = [avro(**{f"f{at}": ["int", 0]}) for at in range(12)]
    ids = []

    def work(registry, mine):
        ids.extend(register(registry, f"s{at % 2}", text) for at, text in mine)

    threads = [
        threading.Thread(target=work, args=(each, list(enumerate(texts))[at::3]))
        for at, each in enumerate(registries)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids) == list(range(1, 13))
    state = ContractRegistry(documents, VirtualClock()).read().state
    assert [each.number for each in state.versions("s0")] == list(range(1, 7))


def test_a_subject_may_change_its_format_under_none_alone(registry):
    register(registry, "s", A)
    json_schema = SchemaText('{"type": "object"}', "JSON")
    assert code_of(lambda: register(registry, "s", json_schema)) == "schema_incompatible"
    registry.do(lambda it: it.set_config("s", {"compatibility": "NONE"}), by="x")
    register(registry, "s", json_schema)
    assert registry.log("s")[-1].change.summary == ("avro → json-schema",)


def test_who_always_comes_second_is_told(documents, monkeypatch):
    registry = ContractRegistry(documents, VirtualClock())

    def second(*_, **__):
        raise ConflictError("x", code="version_conflict")

    monkeypatch.setattr(documents, "put", second)
    with pytest.raises(PortError, match="Others keep changing"):
        register(registry, "s", A)

    def other(*_, **__):
        raise ConflictError("x", code="other")

    monkeypatch.setattr(documents, "put", other)
    assert code_of(lambda: register(registry, "s", A)) == "other"


def test_what_came_while_history_was_read_is_not_missed(documents, monkeypatch):
    registry, other = ContractRegistry(documents, VirtualClock()), ContractRegistry(documents, VirtualClock())
    register(other, "s", A)
    real = documents.history
    waiting = [AB]

    def late(*given):
        if waiting:
            register(other, "s", waiting.pop())
        return real(*given)

    monkeypatch.setattr(documents, "history", late)
    assert [each.number for each in registry.read().versions("s")] == [1, 2]

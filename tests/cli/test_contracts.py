"""`maestro contracts`: judge a schema against a file, a git revision or a subject; register; read the log."""

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ID = {"name": "id", "type": "string"}
AMOUNT = {"name": "amount", "type": "long", "default": 0}
BUYER = {"name": "buyer", "type": "string"}


def avro(*fields):
    return {"type": "record", "name": "Order", "fields": list(fields)}


@pytest.fixture
def git(tmp_path, monkeypatch):
    """A repository in the working folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    run("init", "--initial-branch=main")
    return run


def commit(git, written, name, content):
    written(name, content)
    git("add", name)
    git("commit", "-m", "change")


def test_a_compatible_change_is_yes(maestro, written):
    old, new = written("old.avsc", avro(ID)), written("new.avsc", avro(ID, AMOUNT))
    answer = maestro("contracts", "check", new, "--against", old)
    assert answer.code == 0
    assert answer.out == f"COMPATIBLE (BACKWARD): {new} may follow {old}.\n"


def test_a_breaking_change_is_no_and_says_how_to_mend_it(maestro, written):
    old, new = written("old.avsc", avro(ID)), written("new.avsc", avro(ID, BUYER))
    answer = maestro("contracts", "check", new, "--against", old)
    assert answer.code == 3
    first, place, message, fix = answer.out.splitlines()
    assert first.startswith("INCOMPATIBLE (BACKWARD)")
    assert place == "  /fields/buyer  reader_field_missing_default_value (backward)"
    assert "'buyer'" in message
    assert "default" in fix


def test_the_document_is_the_verdict(maestro, written):
    old, new = written("old.avsc", avro(ID)), written("new.avsc", avro(ID, BUYER))
    answer = maestro("contracts", "check", new, "--against", old, "--json")
    assert answer.code == 3
    assert answer.document["compatible"] is False
    (violation,) = answer.document["violations"]
    assert violation.keys() == {"path", "rule", "message", "remedy", "direction"}


def test_none_is_compatible_with_advice(maestro, written):
    old, new = written("old.avsc", avro(ID)), written("new.avsc", avro(ID, BUYER))
    answer = maestro("contracts", "check", new, "--against", old, "--mode", "none")
    assert answer.code == 0
    assert "Advice:\n  /fields/buyer" in answer.out
    assert maestro("contracts", "check", new, "--against", old, "--mode", "NONE", "--json").document["advice"]


def test_many_violations_fit_a_screen(maestro, written):
    old = written(
        "old.json", {"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(20)}}
    )
    new = written(
        "new.json", {"type": "object", "properties": {f"p{at}": {"type": "number"} for at in range(20)}}
    )
    answer = maestro("contracts", "check", new, "--against", old)
    assert len(answer.out.splitlines()) < 24
    assert "and 14 more; --json lists all." in answer.out
    assert len(maestro("contracts", "check", new, "--against", old, "--json").document["violations"]) == 20


def test_stdin_and_the_format_of_bare_json(maestro, written, monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b'{"type": "string"}')))
    old = written("old.txt", {"type": "long"})
    answer = maestro("contracts", "check", "-", "--against", old, "--format", "avro", "--json")
    assert [each["rule"] for each in answer.document["violations"]] == ["type_mismatch"]


def test_parquet_files_are_judged_by_their_schemas(maestro, tmp_path):
    for name, column in (("old", pa.int32()), ("new", pa.int64())):
        pq.write_table(pa.table({"a": pa.array([1], column)}), tmp_path / f"{name}.parquet")
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    assert maestro("contracts", "check", new, "--against", old).code == 0
    assert maestro("contracts", "check", old, "--against", new).code == 3


def test_a_data_contract_is_judged_by_its_columns(maestro, written):
    def contract(*columns):
        told = "".join(f"      - {{name: {name}, logicalType: {type_}}}\n" for name, type_ in columns)
        head = "kind: DataContract\napiVersion: v3.1.0\nid: x\nversion: 1.0.0\nstatus: active\nschema:\n"
        return f"{head}  - name: t\n    properties:\n{told}".encode()

    old, new = written("old.yaml", contract(("a", "integer"))), written("new.yaml", contract(("a", "string")))
    answer = maestro("contracts", "check", new, "--against", old, "--json")
    assert [each["rule"] for each in answer.document["violations"]] == ["column_type_changed"]


def test_against_a_git_revision(maestro, written, git):
    commit(git, written, "order.avsc", avro(ID))
    written("order.avsc", avro(ID, BUYER))
    assert maestro("contracts", "check", "order.avsc", "--against", "HEAD").code == 3
    assert maestro("contracts", "check", "order.avsc", "--against", "git:main").code == 3
    written("order.avsc", avro(ID, AMOUNT))
    assert maestro("contracts", "check", "order.avsc", "--against", "HEAD").code == 0
    written("other.avsc", avro(BUYER))
    answer = maestro("contracts", "check", "order.avsc", "other.avsc", "--against", "HEAD")
    assert (answer.code, answer.out.count("COMPATIBLE")) == (0, 2)


def test_transitive_modes_look_at_all_revisions_of_the_file(maestro, written, git):
    commit(git, written, "order.avsc", avro(ID, BUYER))
    commit(git, written, "order.avsc", avro(ID))
    written("order.avsc", avro(ID, BUYER | {"type": "long", "default": 0}))
    assert maestro("contracts", "check", "order.avsc", "--against", "HEAD").code == 0
    answer = maestro(
        "contracts", "check", "order.avsc", "--against", "HEAD", "--mode", "BACKWARD_TRANSITIVE", "--json"
    )
    assert [(each["version"], each["rule"]) for each in answer.document["violations"]] == [
        (1, "type_mismatch")
    ]


def test_several_files_name_theirs_in_the_document(maestro, written, git):
    commit(git, written, "a.avsc", avro(ID))
    commit(git, written, "b.avsc", avro(ID))
    written("b.avsc", avro(ID, BUYER))
    answer = maestro("contracts", "check", "a.avsc", "b.avsc", "--against", "HEAD", "--json")
    assert answer.code == 3
    assert [each["file"] for each in answer.document["violations"]] == ["b.avsc"]


def test_what_is_judged_may_be_malformed_and_the_answer_is_no(maestro, written):
    old, new = written("old.avsc", avro(ID)), written("new.avsc", b"{")
    answer = maestro("contracts", "check", new, "--against", old, "--json")
    assert answer.code == 3
    assert [each["rule"] for each in answer.document["violations"]] == ["bad_json"]


def test_what_it_is_judged_by_may_not(refused, written):
    old, new = written("old.avsc", b"{"), written("new.avsc", avro(ID))
    assert refused("contracts", "check", new, "--against", old)["file"] == str(old)


def test_bad_usage_is_told(refused, written, git, monkeypatch):
    new = written("new.avsc", avro(ID))
    assert refused("contracts", "check", new, "--against", new, "--mode", "MOSTLY")["value"] == "MOSTLY"
    refused("contracts", "check", new, new, "--against", new)
    refused("contracts", "check", new, "--against", "git:nowhere")
    refused("contracts", "check", "missing.avsc", "--against", new)
    refused("contracts", "check", new, "--against", "subject:none", "--store", "new.db")
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"{}")))
    refused("contracts", "check", "-", "--against", "git:HEAD")
    refused("contracts", "check", new, "--against", "s", "--registry", "ftp://x")
    monkeypatch.setenv("PATH", "")
    refused("contracts", "check", new, "--against", "git:HEAD")


def test_register_log_and_check_against_the_subject(maestro, written, tmp_path):
    store = ("--store", tmp_path / "contracts.db")
    schema = written("order.avsc", avro(ID))
    where = ("--subject", "orders-value", *store)
    answer = maestro("contracts", "register", schema, "--owner", "shop", "--by", "ann", *where)
    assert (answer.code, answer.out) == (0, "Registered under orders-value: version 1, id 1.\n")
    again = maestro("contracts", "register", schema, "--owner", "shop", *where, "--json")
    assert again.document == {"registered": True, "subject": "orders-value", "version": 1, "id": 1}
    breaking = written("breaking.avsc", avro(ID, BUYER))
    assert maestro("contracts", "check", breaking, "--against", "orders-value", *store).code == 3
    refusal = maestro("contracts", "register", breaking, *where)
    assert (refusal.code, refusal.out.startswith("REFUSED")) == (3, True)
    told = maestro("contracts", "register", breaking, *where, "--json")
    assert told.document["reason"] == "schema_incompatible"
    kind = written("kind.avsc", avro(ID, AMOUNT))
    assert maestro("contracts", "register", kind, *where).code == 0
    log = maestro("contracts", "log", *store)
    first, second = log.out.splitlines()
    assert first.endswith("ann  registered orders-value version 1")
    assert second.endswith("(field_added /fields/amount)")
    document = maestro("contracts", "log", "orders-value", *store, "--json").document
    assert [each["version"] for each in document["changes"]] == [1, 2]
    assert maestro("contracts", "log", "other", *store).out == "Nothing has changed yet.\n"


def test_json_schemas_are_registered_and_arrow_is_not(maestro, refused, written, tmp_path):
    store = ("--subject", "s", "--store", tmp_path / "contracts.db")
    schema = written("order.json", {"type": "object", "additionalProperties": False})
    assert maestro("contracts", "register", schema, *store, "--normalize").code == 0
    refused("contracts", "register", written("a.json", {"fields": [{"name": "a", "type": "int8"}]}), *store)


def test_the_settings_store_is_used_when_none_is_named(maestro, refused, written, tmp_path, monkeypatch):
    monkeypatch.setenv("MAESTRO_STATE", str(tmp_path / "state"))
    schema = written("order.avsc", avro(ID))
    monkeypatch.setattr("getpass.getuser", lambda: "carol")
    assert maestro("contracts", "register", schema, "--subject", "s").code == 0
    assert "carol" in maestro("contracts", "log").out
    config = tmp_path / "memory.toml"
    config.write_text('[store]\nkind = "memory"\n')
    monkeypatch.setenv("MAESTRO_CONFIG", str(config))
    refused("contracts", "log")


def test_a_user_without_a_name_is_unknown(maestro, written, tmp_path, monkeypatch):
    def nobody():
        raise KeyError("uid")

    monkeypatch.setattr("getpass.getuser", nobody)
    store = ("--store", tmp_path / "c.db")
    assert maestro("contracts", "register", written("a.avsc", avro(ID)), "--subject", "s", *store).code == 0
    assert maestro("contracts", "log", *store, "--json").document["changes"][0]["by"] == "unknown"


@pytest.fixture
def registry(tmp_path):
    """The address of a sidecar's registry in this process, and the file with its token."""
    import asyncio
    import socket

    import uvicorn

    from maestro_sidecar.app import Application
    from maestro_sidecar.settings import parse_settings
    from maestro_sidecar.wiring import wire

    token = {"name": "op", "sha256": hashlib.sha256(b"secret").hexdigest(), "scopes": ["operator"]}
    raw = {"store": {"kind": "memory"}, "tokens": [token], "state": str(tmp_path / "state")}
    context = wire(parse_settings(raw), write_log=lambda _: None)
    server = uvicorn.Server(
        uvicorn.Config(Application(context), log_config=None, lifespan="off", loop="asyncio")
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        file = tmp_path / "token"
        file.write_text("secret\n")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/contracts", file
        server.should_exit = True
        thread.join(30)
    context.close()


def test_a_registry_over_http(maestro, refused, written, registry):
    address, token = registry
    where = ("--registry", address, "--token-file", token)
    money = written("money.avsc", {"type": "record", "name": "Money", "fields": []})
    assert maestro("contracts", "register", money, "--subject", "money", *where).code == 0
    schema, breaking = written("order.avsc", avro(ID)), written("breaking.avsc", avro(ID, BUYER))
    answer = maestro(
        "contracts", "register", schema, "--subject", "orders/v", *where, "--normalize", "--json"
    )
    assert answer.document["version"] == 1
    assert maestro("contracts", "check", schema, "--against", "orders/v", *where).code == 0
    assert maestro("contracts", "check", breaking, "--against", "orders/v", *where).code == 3
    assert maestro("contracts", "register", breaking, "--subject", "orders/v", *where).code == 3
    assert refused("contracts", "check", schema, "--against", "none", *where)["code"] == "no_such_subject"
    nameless = written("bad.avsc", {"type": "fixed", "name": "F", "size": 1})
    assert maestro("contracts", "register", nameless, "--subject", "x" * 300, *where).code == 2
    for wrong in (("--registry", address), ("--registry", "http://127.0.0.1:1/")):
        answer = maestro("contracts", "check", schema, "--against", "orders/v", *wrong)
        assert (answer.code, answer.out) == (1, "")
        assert "registry" in answer.err


def test_a_registry_client_resolves_references(registry):
    from maestro.lake.contracts.registry.changes import Reference, SchemaText
    from maestro_adapters.contract_registry import RegistryClient

    address, token = registry
    client = RegistryClient(address, token=token.read_text().strip())
    client.register("money", SchemaText(json.dumps({"type": "record", "name": "Money", "fields": []})))
    total = {"name": "total", "type": "Money"}
    text = SchemaText(json.dumps(avro(ID, total)), references=(Reference("Money", "money", 1),))
    assert client.register("orders", text)["id"] == 2
    stored = client.schema("orders", 1)
    assert list(client.references(stored)) == ["Money"]


def test_what_answers_like_no_registry_is_told(maestro, written):
    import http.server

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        answer = maestro(
            "contracts", "check", written("a.avsc", avro(ID)), "--against", "s", "--registry", address
        )
        server.shutdown()
        thread.join()
    assert answer.code == 1
    assert "no registry" in answer.err


EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"


def test_the_ci_step_judges_every_schema_of_a_folder(written, git, tmp_path):
    (tmp_path / "schemas").mkdir()
    commit(git, written, "schemas/order.avsc", avro(ID))
    commit(git, written, "schemas/person.schema.json", {"type": "object"})
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(*options):
        return subprocess.run(
            [EXAMPLES / "check-contracts.sh", *options],
            env={**os.environ, "PATH": programs},
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("schemas", "main").returncode == 0
    written("schemas/order.avsc", avro(ID, BUYER))
    stopped = run("schemas", "main", "--mode", "BACKWARD")
    assert stopped.returncode == 3
    assert "'buyer'" in stopped.stdout
    assert run("schemas").returncode == 2
    assert run(".git/hooks", "main").returncode == 2


def test_the_pre_commit_hook_is_a_command_of_ours(maestro, written, git):
    import yaml

    (hook,) = yaml.safe_load((EXAMPLES.parents[1] / ".pre-commit-hooks.yaml").read_text("utf-8"))
    commit(git, written, "order.avsc", avro(ID))
    written("order.avsc", avro(ID, BUYER))
    program, *arguments = hook["entry"].split()
    assert program == "maestro"
    assert maestro(*arguments, "--mode", "FULL", "order.avsc").code == 3
    assert maestro(*arguments, written("new.avsc", avro(ID)).name).code == 0


def test_the_example_schema_is_one(maestro):
    schema = EXAMPLES / "orders.avsc"
    assert maestro("contracts", "check", schema, "--against", schema).code == 0

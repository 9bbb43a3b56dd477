"""A real OPA and we agree on what a file's hash is, and on what is signed: theirs is trusted by us, ours by them."""

import json
import subprocess
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_support.bundles import AT, FILES, bundle, packed, pair, seconds, signing_key
from maestro import UntrustedError
from maestro.edge.verify import Expected, TrustedKey, verify_archive
from maestro.formats import jws
from maestro.formats.opa_bundle import read_archive
from maestro.formats.opa_signature import HASHES, parse_signatures, read_claims, read_signature
from maestro.formats.opa_structured import hashed_bytes

pytestmark = pytest.mark.services


def run(opa, *arguments, cwd):
    return subprocess.run([opa, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False)  # fmt: skip


@pytest.mark.parametrize("algorithm", jws.ALGORITHMS)
def test_opa_loads_what_we_sign(opa, tmp_path, algorithm):
    secret = b"s" * 64
    key = jws.parse_secret(secret, algorithm) if algorithm.startswith("HS") else signing_key(algorithm)
    (tmp_path / "key").write_bytes(secret if algorithm.startswith("HS") else pair(algorithm)[1])
    (tmp_path / "b.tar.gz").write_bytes(packed(bundle(key=key, scope="write")))
    verify = ["--verification-key", "key", "--signing-alg", algorithm, "--scope", "write", "-o", "out.tar.gz"]
    done = run(opa, "build", "--bundle", "b.tar.gz", *verify, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    other = "t" * 64 if algorithm.startswith("HS") else pair(algorithm, "other")[1].decode()
    (tmp_path / "key").write_text(other)
    assert run(opa, "build", "--bundle", "b.tar.gz", *verify, cwd=tmp_path).returncode != 0


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS512"])
def test_we_trust_what_opa_builds_and_signs(opa, tmp_path, algorithm):
    source = tmp_path / "source"
    for name, content in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (tmp_path / "key.pem").write_bytes(pair(algorithm)[0])
    (tmp_path / "claims.json").write_text(json.dumps({"scope": "write", "exp": seconds(AT) + 60}))
    sign = ["--signing-key", "key.pem", "--signing-alg", algorithm, "--claims-file", "claims.json"]
    done = run(opa, "build", "-b", "source", "-r", "12", *sign, "-o", "b.tar.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "b.tar.gz").read_bytes()
    keys = [TrustedKey("default", signing_key(algorithm).public)]
    verdict = verify_archive(data, keys, at=AT, expected=Expected(scope="write", min_revision=12))
    assert verdict.reasons == ()
    assert (verdict.revision, verdict.bundle.data) == ("12", {"limits": {"users": ["ann"], "cap": 1000}})


NUMBERS = st.sampled_from(
    ["0", "-0", "1e3", "1E+3", "1.0", "1.10", "-0.0", "0e0", "123456789012345678901234567890", "1e400", "5e-324", "0.1"]
) | st.integers().map(str)  # fmt: skip
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["\u2028", "\u2029x", "<&>", "\x00\x1f\x7f", '\\"/', "\ud7ff\ue000\U0001f600", "e\u0301"]
)  # fmt: skip
JSON = st.recursive(
    NUMBERS | st.sampled_from(["null", "true", "false"]) | TEXTS.map(json.dumps) | TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[ {' ,'.join(each)}]")
    | st.dictionaries(TEXTS, inner, max_size=3).map(lambda each: "{" + ",\n".join(f"{json.dumps(key)} : {value}" for key, value in each.items()) + "}"),
    max_leaves=8,
)  # fmt: skip
SCALARS = st.text("0123456789+-._xobeEinfNaA~", min_size=1, max_size=6) | st.sampled_from(
    ["on", "yes", "No", "y", "true", "TRUE", "tRue", "null", "Null", "~", "2023-01-01", "2023-01-01T10:00:00Z", "1_000", "0o17",
     "017", "08", "0x1F", "0b11", "+12", "1e3", "1E400", "12:30:45", ".5", "5.", "-.5", "._5", "1__0", "0x", "0b2", "18446744073709551616"]
)  # fmt: skip
YAML = st.lists(SCALARS, min_size=1, max_size=6).map(
    lambda each: "".join(f"k{number}: {text}\n" for number, text in enumerate(each))
)


def opas_hashes(opa, folder, files):
    """What `opa sign` says of each file."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder.parent / "key.pem").write_bytes(pair()[0])
    done = run(opa, "sign", "--signing-alg", "ES256", "--signing-key", "key.pem", "-b", folder.name, cwd=folder.parent)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (token,) = parse_signatures((folder.parent / ".signatures.json").read_bytes())
    return read_claims(read_signature(token).token.payload).files


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])  # fmt: skip
@given(documents=st.lists(JSON, min_size=60, max_size=60), others=st.lists(YAML, min_size=60, max_size=60))
def test_every_structured_file_has_opas_hash(opa, tmp_path_factory, documents, others):
    """Six runs of `opa sign` over 120 drawn files each; a file that we refuse to read has no hash to disagree on."""
    import hashlib

    folder = tmp_path_factory.mktemp("hash") / "bundle"
    files = {f"j{number}/data.json": text.encode() for number, text in enumerate(documents)}
    files |= {f"y{number}/data.yaml": text.encode() for number, text in enumerate(others)}
    compared = 0
    for name, found in opas_hashes(opa, folder, readable(files)).items():
        try:
            ours = hashed_bytes(name.removeprefix("bundle/"), files[name.removeprefix("bundle/")])
        except UntrustedError:
            continue
        compared += 1
        assert hashlib.new(HASHES[found.algorithm], ours).hexdigest() == found.hash, files[name.removeprefix("bundle/")]  # fmt: skip
    assert compared > 60


def readable(files):
    """OPA signs nothing when one file cannot be read, so those that we refuse stay out."""
    found = {}
    for name, content in files.items():
        try:
            hashed_bytes(name, content)
        except UntrustedError:
            continue
        found[name] = content
    return found


def test_the_archives_that_opa_writes_can_be_read(opa, tmp_path):
    source = tmp_path / "source"
    deep = source / "/".join(["deeper"] * 14)
    deep.mkdir(parents=True)
    (deep / "data.json").write_text('{"a": 1}')
    (source / "ünï.rego").write_text("package u\n\nx := 1\n")
    done = run(opa, "build", "-b", "source", "-o", "b.tar.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = read_archive((tmp_path / "b.tar.gz").read_bytes())
    assert any(name.endswith("ünï.rego") for name in files)


def test_every_package_and_rule_is_an_entrypoint_of_the_plan(opa, tmp_path):
    from maestro_adapters.opa_plan import plan_of

    content = {
        "a.rego": b"package one.two\n\nallow if input.x\n\nf(x) := x\n\nr[x].y := 1 if x := 2\n\nm.n := 3\n",
        "b.rego": b'package other["x y"]\n\nz := data.one.two.f(1)\n',
        "c.rego": b'package odd["a/b"]\n\nz := 1\n',
        "data.json": b'{"more": 1}',
        ".manifest": b'{"revision":"1"}',
    }
    plan = plan_of(opa, content)
    assert plan == plan_of(opa, content), "the same policies give the same plan"
    names = {unquote(each["name"]) for each in json.loads(plan)["plans"]["plans"]}
    assert names == {"one/two", "one/two/allow", "one/two/r", "one/two/m/n", "other/x y", "other/x y/z"}
    assert plan_of(opa, {"data.json": b"{}"}) is None


def test_policies_that_do_not_compile_are_bad_input(opa, tmp_path):
    from maestro import BadInputError
    from maestro_adapters.opa_plan import plan_of

    for text in (b"package a\n\nx := ", b"package a\n\nx := y\n"):
        with pytest.raises(BadInputError) as caught:
            plan_of(opa, {"a.rego": text})
        assert caught.value.code == "policy_refused"
    with pytest.raises(BadInputError, match="cannot be run"):
        plan_of(str(tmp_path / "none"), {"a.rego": b"package a"})


def test_publishing_with_a_plan(opa, tmp_path, monkeypatch, capsys):
    from pathlib import Path

    from maestro.formats.opa_bundle import read_bundle
    from maestro_sidecar.cli import main

    monkeypatch.chdir(tmp_path)
    Path("policy").mkdir()
    Path("policy/p.rego").write_text("package limits\n\nallow if input.x\n")
    monkeypatch.setenv("PATH", str(Path(opa).parent))
    assert main(["edge", "keygen", "keys"]) == 0
    for _ in range(2):
        assert main(["edge", "publish", "policy", "repo", "--keys", "keys"]) == 0
    assert "stands as it was" in capsys.readouterr().out
    plan = json.loads(read_bundle(Path("repo/bundle.tar.gz").read_bytes()).plan)
    assert {each["name"] for each in plan["plans"]["plans"]} == {"limits", "limits/allow"}
    done = run(opa, "build", "-b", "repo/bundle.tar.gz", "--verification-key", "keys/bundle-1.pub", "--verification-key-id", "bundle-1", "--signing-alg", "ES256", "-o", "o.tar.gz", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("PATH", "")
    assert main(["edge", "publish", "policy", "repo", "--keys", "keys", "--plan"]) == 2
    assert main(["edge", "publish", "policy", "other", "--keys", "keys"]) == 0
    captured = capsys.readouterr()
    assert "opa is not on PATH" in captured.err


def test_a_delta_is_applied_by_zstd_alone(tool, tmp_path):
    from edge_support.bundles import revision
    from maestro.edge import delta
    from maestro.formats.opa_bundle import bundle_of, canonical_tar

    base, target = bundle_of(bundle()), bundle_of(bundle(revision(8)))
    (tmp_path / "base.tar").write_bytes(canonical_tar(base.files))
    (tmp_path / "d.delta").write_bytes(delta.make(base, target))
    command = [tool("zstd"), "-q", "-d", "--patch-from=base.tar", "d.delta", "-o", "target.tar"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "target.tar").read_bytes() == canonical_tar(target.files)

"""`maestro edge`: keys, publishing, deltas, and verdicts with their exit codes."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from edge_support.bundles import AT, bundle, packed, pair, revision
from maestro.formats.opa_bundle import read_bundle

POLICY = 'package limits\n\nallow if input.user == "ann"\n'


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "limits").mkdir(parents=True)
    (folder / "limits" / "limits.rego").write_text(POLICY)
    (folder / "limits" / "data.json").write_text('{"users": ["ann"]}')
    (folder / "limits" / "limits_test.rego").write_text("package limits\n\ntest_x if true\n")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.rego").write_text("rubbish")
    (folder / "README.md").write_text("not for the bundle")
    return folder


@pytest.fixture
def keys(maestro, tmp_path):
    assert maestro("edge", "keygen", tmp_path / "keys").code == 0
    return tmp_path / "keys"


@pytest.fixture
def publish(maestro, source, keys, tmp_path):
    """Publish the source and answer the document."""

    def run(*options):
        done = maestro("edge", "publish", source, tmp_path / "repo", "--keys", keys, "--no-plan", "--json", *options)  # fmt: skip
        assert done.code == 0, done
        return done.document

    return run


def verify(maestro, *arguments):
    done = maestro("edge", "verify", *arguments, "--json")
    assert done.err == ""
    document = done.document
    assert {"trusted", "reasons", "revision", "digest", "fileDigest", "notChecked"} <= document.keys()
    assert done.code == (0 if document["trusted"] else 3)
    return document


def test_keygen_publish_verify(maestro, publish, keys, tmp_path):
    published = publish()
    assert published["revision"] == "1"
    archive, public = tmp_path / "repo" / "bundle.tar.gz", keys / "bundle-1.pub"
    document = verify(maestro, archive, "--key", public)
    assert document["trusted"]
    assert (document["digest"], document["fileDigest"]) == (published["digest"], published["fileDigest"])
    assert document["notChecked"] == ["revision", "digest", "allowedRoots"]
    assert set(read_bundle(archive.read_bytes()).files) == {
        ".manifest", ".signatures.json", "limits/data.json", "limits/limits.rego",
    }  # fmt: skip
    assert read_bundle(archive.read_bytes()).manifest.roots == ("limits",)
    told = maestro("edge", "verify", archive, "--key", public)
    assert told.out.startswith("TRUSTED: revision 1, sha256:")


def test_what_is_judged_is_told_by_reason(maestro, publish, keys, tmp_path):
    publish()
    archive, public = tmp_path / "repo" / "bundle.tar.gz", keys / "bundle-1.pub"
    assert verify(maestro, archive, "--key", public, "--at", "2099-01-01T00:00:00Z")["reasons"] == ["expired"]
    assert verify(maestro, archive, "--key", public, "--at", "2020-01-01T00:00:00Z")["reasons"] == ["not_yet_valid"]  # fmt: skip
    assert verify(maestro, archive, "--key", public, "--scope", "x")["reasons"] == ["scope_mismatch"]
    assert verify(maestro, archive, "--key", public, "--min-revision", "2")["reasons"] == [
        "revision_rollback"
    ]
    assert verify(maestro, archive, "--key", public, "--key-id", "bundle-1")["trusted"]
    assert verify(maestro, archive, "--key", public, "--key-id", "other")["reasons"] == ["key_unknown"]
    content = archive.read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(content[:-9])
    document = verify(maestro, tmp_path / "cut.tar.gz", "--key", public)
    assert (document["reasons"], document["revision"]) == (["archive_truncated"], None)
    told = maestro("edge", "verify", tmp_path / "cut.tar.gz", "--key", public)
    assert told.code == 3
    assert "archive_truncated" in told.out


def test_a_secret_is_a_secret_only_by_its_algorithm(maestro, written):
    secret = b"s" * 40
    from maestro.formats.jws import parse_secret

    archive = written("b.tar.gz", packed(bundle(key=parse_secret(secret, "HS256"))))
    at = ("--at", AT.isoformat())
    assert verify(maestro, archive, "--key", written("secret", secret + b"\n"), "--algorithm", "HS256", *at)["trusted"]  # fmt: skip
    assert verify(maestro, archive, "--key", written("pub", pair()[1]), *at)["reasons"] == ["signature_algorithm"]  # fmt: skip


def test_bad_usage_and_unreadable_files_are_told_as_such(refused, written, tmp_path, publish, keys):
    archive = written("b.tar.gz", packed(bundle()))
    public = written("pub", pair()[1])
    missing = tmp_path / "missing"
    assert refused("edge", "verify", missing, "--key", public)["field"] == "BUNDLE"
    assert refused("edge", "verify", archive, "--key", missing)["field"] == "--key"
    assert refused("edge", "verify", archive, "--key", archive)["code"] == "bad_key"
    assert refused("edge", "verify", archive, "--key", written("private", pair()[0]))["code"] == "bad_key"
    assert refused("edge", "verify", archive, "--key", public, "--algorithm", "HS256")["code"] == "bad_key"
    assert "BUNDLE" in refused("edge", "verify")["detail"]
    assert "--key" in refused("edge", "verify", archive)["detail"]
    assert "--root" in refused("edge", "verify", "--repo", tmp_path)["detail"]
    assert "BUNDLE" in refused("edge", "verify", archive, "--repo", tmp_path, "--key", public)["detail"]
    assert refused("edge", "verify", "--repo", missing, "--root", archive)["field"] == "--repo"
    assert refused("edge", "verify", "--repo", tmp_path, "--root", missing)["field"] == "--root"
    assert refused("edge", "keygen", keys)["field"] == "KEYS"

    def publish(source, keys, *options):
        return refused("edge", "publish", source, tmp_path / "r", "--keys", keys, "--no-plan", *options)[
            "field"
        ]

    assert publish(missing, keys) == "SOURCE"
    assert publish(archive, missing) == "KEYS"
    assert publish(archive, keys, "--root-days", "0") == publish(archive, keys, "--root-days", "1e300") == "--root-days"  # fmt: skip
    assert publish(archive, keys, "--name", "../x") == "--name"
    assert refused("edge", "refresh", tmp_path / "r", "--keys", keys)["field"] == "REPO"
    assert refused("edge", "rotate", tmp_path / "r", "--keys", keys)["field"] == "maestro edge rotate"
    assert refused("edge", "rotate", tmp_path / "r", "--keys", keys, "--role", "root")["field"] == "REPO"
    assert refused("edge", "inspect", missing)["field"] == "FILE"
    assert refused("edge", "delta", missing, archive, "-o", tmp_path / "d")["field"] == "BASE"
    assert refused("edge", "delta", archive, archive, "-o", tmp_path / "\0")["field"] == "--output"
    assert refused("edge", "apply-delta", archive, archive, "-o", tmp_path / "out.zip")["field"] == "--output"
    assert not missing.exists()
    assert refused("edge", "serve-repo", missing)["field"] == "DIR"
    assert refused("edge", "serve-repo", archive)["field"] == "DIR"


def test_content_of_the_publishers_own_that_is_no_bundle_is_bad_input(refused, source, keys, tmp_path):
    def publish(*options):
        return refused("edge", "publish", source, tmp_path / "r", "--keys", keys, "--no-plan", *options)

    assert publish("--roots", "elsewhere")["code"] == "outside_roots"
    (source / "limits" / "data.json").write_text("{")
    assert publish()["code"] == "data_malformed"
    (source / ".manifest").write_text("[]")
    assert publish()["code"] == "manifest_malformed"
    assert not (tmp_path / "r").exists()


def test_a_repository_that_somebody_changed_is_not_built_on(maestro, publish, source, keys, tmp_path):
    publish()
    path = tmp_path / "repo" / "metadata" / "1.targets.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":7'))
    for command in (("publish", source), ("refresh",), ("rotate",)):
        options = ("--role", "targets") if command == ("rotate",) else ()
        done = maestro("edge", *command, tmp_path / "repo", "--keys", keys, *options, "--json")
        assert (done.code, done.document["reasons"]) == (3, ["keys_too_few"])


def test_a_bundle_made_elsewhere_is_published_anew(maestro, keys, written, tmp_path):
    archive = written("b.tar.gz", packed(bundle(revision(99))))
    done = maestro("edge", "publish", archive, tmp_path / "r", "--keys", keys, "--no-plan")
    assert done.code == 0
    assert done.out.startswith("Revision 1 is published")
    again = maestro("edge", "publish", archive, tmp_path / "r", "--keys", keys, "--no-plan")
    assert "stands as it was" in again.out


# ---- repositories ----------------------------------------------------------------------------------------


def test_what_a_repository_offers_is_judged_from_the_root(maestro, publish, keys, tmp_path):
    published = publish()
    repo, root, public = tmp_path / "repo", tmp_path / "repo/metadata/1.root.json", keys / "bundle-1.pub"
    document = verify(maestro, "--repo", repo, "--root", root, "--key", public)
    assert document["trusted"]
    assert document["digest"] == published["digest"]
    assert document["keyEpoch"] == 1
    without = verify(maestro, "--repo", repo, "--root", root)
    assert (without["trusted"], without["notChecked"]) == (True, ["signature"])
    expired = verify(maestro, "--repo", repo, "--root", root, "--at", "2099-01-01T00:00:00Z")
    assert expired["reasons"] == ["metadata_expired"]
    other = verify(maestro, "--repo", repo, "--root", repo / "metadata" / "timestamp.json")
    assert other["reasons"] == ["metadata_malformed"]
    assert verify(maestro, "--repo", repo, "--root", root, "--name", "x")["reasons"] == ["target_missing"]
    (target,) = (repo / "targets").iterdir()
    content = target.read_bytes()
    target.write_bytes(content[:-1] + b"x")
    assert verify(maestro, "--repo", repo, "--root", root)["reasons"] == ["digest_mismatch"]
    target.unlink()
    assert verify(maestro, "--repo", repo, "--root", root)["reasons"] == ["target_missing"]
    assert maestro("edge", "verify", "--repo", repo, "--root", root).out.startswith("NOT TRUSTED")


def test_update_metadata_do_not_vouch_for_a_bundle_with_another_key(maestro, publish, written, tmp_path):
    publish()
    repo = tmp_path / "repo"
    document = verify(
        maestro, "--repo", repo, "--root", repo / "metadata/1.root.json", "--key", written("pub", pair()[1])
    )
    assert document["reasons"] == ["signature_invalid"]


def test_an_archive_that_the_metadata_announce_wrongly(maestro, tmp_path):
    """The targets' key vouches for a digest that the archive does not have, or for no bundle at all."""
    from edge_support.repositories import Repository
    from maestro.edge.repository import Target
    from maestro_adapters.clock import SystemClock

    custom = {"kind": "bundle", "revision": "7", "digest": "sha256:0", "keyEpoch": 1}
    for content, reason in ((packed(bundle()), "digest_mismatch"), (b"rubbish", "archive_truncated")):
        repository = Repository()
        repository.publish([Target("bundle.tar.gz", content, custom)], at=SystemClock().now())
        folder = tmp_path / reason
        for path, data in repository.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        assert verify(maestro, "--repo", folder, "--root", folder / "metadata/1.root.json")["reasons"] == [reason]  # fmt: skip


def test_keys_are_replaced_and_signatures_renewed(maestro, publish, keys, tmp_path):
    publish("--revision", "900")
    repo, root = tmp_path / "repo", tmp_path / "repo/metadata/1.root.json"
    done = maestro("edge", "rotate", repo, "--keys", keys, "--role", "timestamp", "--role", "root")
    assert done.code == 0
    assert "metadata/2.root.json" in done.out
    assert verify(maestro, "--repo", repo, "--root", root)["revision"] == "900"
    done = maestro("edge", "rotate", repo, "--keys", keys, "--bundle-key", "--revision", "2", "--json")
    assert done.document["revision"] == "2"
    assert verify(maestro, "--repo", repo, "--root", root, "--key", keys / "bundle-2.pub")["keyEpoch"] == 2
    done = maestro("edge", "refresh", repo, "--keys", keys, "--json")
    assert done.document == {"written": ["metadata/timestamp.json"]}


@pytest.fixture
def served(publish, tmp_path):
    """The repository's address, served by the command itself in a process of its own."""
    publish()
    command = [sys.executable, "-m", "maestro_sidecar", "edge", "serve-repo", str(tmp_path / "repo"), "--port", "0", "--json"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline()
        assert line, "it ended before it served"
        text += line
    yield json.loads(text)["address"]
    process.terminate()
    process.wait(timeout=30)
    process.stdout.close()


def test_a_repository_is_judged_over_http(maestro, served, keys, tmp_path):
    root = tmp_path / "repo/metadata/1.root.json"
    assert verify(maestro, "--repo", served, "--root", root, "--key", keys / "bundle-1.pub")["trusted"]
    with urllib.request.urlopen(f"{served}/bundle.tar.gz", timeout=30) as answer:
        etag = answer.headers["ETag"]
        assert answer.headers["Content-Type"] == "application/gzip"
        assert answer.read() == (tmp_path / "repo/bundle.tar.gz").read_bytes()
    request = urllib.request.Request(f"{served}/bundle.tar.gz", headers={"If-None-Match": etag})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    assert caught.value.code == 304
    caught.value.close()
    head = urllib.request.Request(f"{served}/metadata/timestamp.json", method="HEAD")
    with urllib.request.urlopen(head, timeout=30) as answer:
        assert (answer.headers["Content-Type"], answer.read()) == ("application/json", b"")
    for path in ("nothing", "%2e%2e/keys/keys.json", "../keys/keys.json", "metadata", "%00"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{served}/{path}", timeout=30)
        assert caught.value.code == 404
        caught.value.close()


# ---- bundles and deltas as files -------------------------------------------------------------------------


@pytest.fixture
def two(written):
    changed = revision(8) | {"limits/data.json": b'{"users":["ann","bob"],"cap":4}'}
    return written("one.tar.gz", packed(bundle())), written("two.tar.gz", packed(bundle(changed)))


def test_a_delta_leads_from_one_file_to_the_other(maestro, two, tmp_path):
    one, two_ = two
    made = maestro("edge", "delta", one, two_, "-o", tmp_path / "d.delta", "--json")
    assert made.code == 0
    assert made.document["bytes"] == (tmp_path / "d.delta").stat().st_size
    for name in ("out.tar", "out.tar.gz", "out.tgz"):
        done = maestro("edge", "apply-delta", one, tmp_path / "d.delta", "-o", tmp_path / name, "--json")
        assert done.code == 0
        assert done.document["digest"] == made.document["target"]
        assert read_bundle((tmp_path / name).read_bytes()).digest == made.document["target"]
    assert (tmp_path / "out.tar").read_bytes()[:2] != b"\x1f\x8b" == (tmp_path / "out.tgz").read_bytes()[:2]
    shown = maestro("edge", "inspect", tmp_path / "d.delta", "--json").document
    assert (shown["kind"], shown["baseRevision"], shown["revision"]) == ("delta", "7", "8")
    wrong = maestro("edge", "apply-delta", two_, tmp_path / "d.delta", "-o", tmp_path / "no.tar")
    assert wrong.code == 3
    assert "delta_base" in wrong.out
    assert not (tmp_path / "no.tar").exists()
    rubbish = maestro("edge", "delta", tmp_path / "d.delta", one, "-o", tmp_path / "no", "--json")
    assert (rubbish.code, rubbish.document["trusted"]) == (3, False)


def test_inspect_shows_what_a_bundle_says(maestro, two, written):
    shown = maestro("edge", "inspect", two[0], "--json").document
    assert (shown["kind"], shown["revision"], shown["roots"], shown["plan"]) == ("bundle", "7", ["limits"], False)  # fmt: skip
    assert shown["signature"]["algorithm"] == "ES256"
    assert shown["signature"]["issuedAt"] == "2026-03-30T12:00:00Z"
    files = {name: each for name, each in bundle().items() if name != ".signatures.json"}
    plain = maestro("edge", "inspect", written("u.tar.gz", packed(files)), "--json").document
    assert plain["signature"] is None
    odd = packed(files | {".signatures.json": b"{}"})
    assert "malformed" in maestro("edge", "inspect", written("o.tar.gz", odd), "--json").document["signature"]
    assert "revision: 7" in maestro("edge", "inspect", two[0]).out
    assert maestro("edge", "inspect", written("x", b"rubbish")).code == 3


@pytest.mark.parametrize(
    "command",
    [("edge",), *(("edge", name) for name in ("keygen", "publish", "refresh", "rotate", "delta", "apply-delta", "inspect", "verify", "serve-repo"))],
)  # fmt: skip
def test_the_examples_work_as_printed(example, command):
    done = example(*command)
    assert done.returncode == 0, done.stderr

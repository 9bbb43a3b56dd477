"""An edge's state on disk, and a folder as its source: whole files or the ones before, whatever breaks."""

import errno
import os

import pytest

from maestro import PortError
from maestro.ports.capabilities import Capability
from maestro_adapters.edge_folder import EdgeFolder
from maestro_adapters.fetch_folder import FolderFetcher

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


@pytest.fixture
def folder(tmp_path):
    opened = EdgeFolder(tmp_path / "edge")
    yield opened
    opened.close()


def test_what_was_saved_comes_back_after_reopening(folder):
    assert folder.load() is None
    folder.save(b"record")
    folder.put(ONE, b"archive")
    folder.close()
    again = EdgeFolder(folder.path)
    assert (again.load(), again.get(ONE), again.get(TWO)) == (b"record", b"archive", None)
    again.close()
    again.close()


def test_nobody_else_may_read_it(folder):
    folder.save(b"record")
    assert folder.path.stat().st_mode & 0o077 == 0
    assert (folder.path / "state.json").stat().st_mode & 0o077 == 0
    assert Capability.DURABLE in folder.capabilities


def test_one_process_at_a_time(folder):
    with pytest.raises(PortError) as caught:
        EdgeFolder(folder.path)
    assert caught.value.code == "store_busy"


def test_only_what_is_named_stays(folder):
    folder.put(ONE, b"1")
    folder.put(TWO, b"2")
    folder.keep_only([TWO])
    assert (folder.get(ONE), folder.get(TWO)) == (None, b"2")


def test_an_unfinished_file_is_removed_at_the_next_start(folder):
    folder.close()
    (folder.path / "state.json.new").write_bytes(b"half")
    EdgeFolder(folder.path).close()
    assert not (folder.path / "state.json.new").exists()


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "store_full"), (errno.EIO, "store_failed")])
def test_a_disk_that_fails_leaves_what_was_there(folder, monkeypatch, call, number, code):
    folder.save(b"before")

    def failing(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing)
        with pytest.raises(PortError) as caught:
            folder.save(b"after")
    assert caught.value.code == code
    assert folder.load() == b"before"
    assert [each.name for each in folder.path.iterdir() if each.suffix == ".new"] == []


def test_short_writes_are_continued(folder, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:3]))
    folder.save(b"0123456789")
    assert folder.load() == b"0123456789"


def test_a_place_that_cannot_be_a_folder_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PortError) as caught:
        EdgeFolder(tmp_path / "file")
    assert caught.value.code == "store_unopened"


def test_what_is_no_digest_names_no_file(folder):
    with pytest.raises(PortError, match="no digest"):
        folder.put("sha256:../../etc/passwd", b"")


# ---- the source ------------------------------------------------------------------------------------------


def test_a_file_below_the_folder_is_read_once(tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "b.tar.gz").write_bytes(b"bundle")
    source = FolderFetcher(tmp_path)
    got = source.get("targets/b.tar.gz", most=6)
    assert got.body == b"bundle"
    again = source.get("targets/b.tar.gz", most=6, etag=got.etag)
    assert again.unchanged
    assert Capability.BLOCKING in source.capabilities
    source.close()


def test_a_single_file_is_a_source_too(tmp_path):
    (tmp_path / "b.tar.gz").write_bytes(b"bundle")
    assert FolderFetcher(tmp_path / "b.tar.gz").get("", most=10).body == b"bundle"
    assert FolderFetcher(tmp_path / "later.tar.gz").get("", most=10).missing


def test_a_missing_file_is_an_answer_and_a_missing_folder_a_failure(tmp_path):
    assert FolderFetcher(tmp_path).get("x", most=10).missing
    for place in (tmp_path / "none", tmp_path / "none" / "b.tar.gz"):
        with pytest.raises(PortError) as caught:
            FolderFetcher(place).get("", most=10)
        assert caught.value.code == "source_unreachable"


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", "a\0b", "."])
def test_no_path_leads_out(tmp_path, path):
    with pytest.raises(PortError) as caught:
        FolderFetcher(tmp_path).get(path, most=10)
    assert caught.value.code == "source_refused"


def test_a_larger_file_or_no_file_is_refused(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 11)
    os.mkfifo(tmp_path / "pipe")
    for name in ("large", "pipe"):
        with pytest.raises(PortError) as caught:
            FolderFetcher(tmp_path).get(name, most=10)
        assert caught.value.code == "source_refused"
    with pytest.raises(PortError) as caught:
        FolderFetcher(tmp_path).get("", most=10)
    assert caught.value.code in {"source_refused", "source_unreachable"}

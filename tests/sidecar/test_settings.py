from pathlib import Path

import pytest

from maestro.kernel.errors import BadInputError
from maestro_sidecar.settings import Overrides, is_loopback, load, parse_settings

SHA = "ab" * 32
FULL = f"""
state = "/var/lib/maestro"
[server]
host = "10.0.0.5"
port = 9000
socket = "/run/maestro.sock"
socketScope = "tenant:acme"
maxBodyBytes = 4096
requestTimeoutSeconds = 2.5
drainSeconds = 3
[server.tls]
cert = "c.pem"
key = "k.pem"
clientCa = "ca.pem"
[store]
path = "x.db"
[defaultLimits]
maxConcurrent = 5
closures = [{{ start = 2026-12-24T00:00:00, end = "2026-12-27T00:00" }}]
[flags]
run_windows_caps = false
[[tokens]]
name = "ci"
sha256 = "{SHA}"
scopes = ["runner", "tenant:acme"]
[log]
level = "debug"
[metrics]
tenants = 7
"""


def write(tmp_path, text):
    path = tmp_path / "maestro.toml"
    path.write_text(text)
    return path


def test_every_table_is_read(tmp_path):
    settings = load(write(tmp_path, FULL), environment={})
    assert (settings.server.host, settings.server.port) == ("10.0.0.5", 9000)
    assert settings.server.tls.client_ca == "ca.pem"
    assert settings.default_limits.max_concurrent == 5
    assert settings.default_limits.closures[0].start == "2026-12-24T00:00:00"
    assert settings.flags == {"run_windows_caps": False}
    assert settings.tokens[0].scopes == ("runner", "tenant:acme")
    assert (settings.log.level, settings.metrics.tenants) == ("debug", 7)
    assert str(settings.store_path) == "x.db"
    assert str(settings.token_path) == "/var/lib/maestro/token"


def test_nothing_at_all_gives_safe_defaults():
    settings = load(environment={"HOME": "/home/u"})
    assert (settings.server.host, settings.server.auth) == ("127.0.0.1", "tokens")
    assert str(settings.store_path) == "/home/u/.local/state/maestro/maestro.db"


@pytest.mark.parametrize(
    ("environment", "state"),
    [
        ({"MAESTRO_STATE": "/a", "STATE_DIRECTORY": "/b", "XDG_STATE_HOME": "/c"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/b2", "XDG_STATE_HOME": "/c"}, "/b"),
        ({"XDG_STATE_HOME": "/c"}, "/c/maestro"),
        ({}, ".local/state/maestro"),
    ],
)
def test_where_state_is_kept(environment, state):
    assert load(environment=environment).state == state


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path):
    path = write(tmp_path, '[server]\nsocket = "file"\nport = 1\n')
    environment = {"MAESTRO_CONFIG": str(path), "MAESTRO_SOCKET": "environment"}
    assert load(environment=environment).server.socket == "environment"
    assert load(environment=environment).server.port == 1
    over = Overrides("127.0.0.2", 2, "command", ":memory:", no_auth=True, log_level="error")
    settings = load(path, overrides=over, environment=environment)
    server = settings.server
    assert (server.host, server.port, server.socket, server.auth) == ("127.0.0.2", 2, "command", "none")
    assert (settings.store.kind, settings.log.level) == ("memory", "error")
    assert load(path, overrides=Overrides(store="y.db"), environment={}).store.path == "y.db"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[server]\nprot = 1", "server.prot"),
        ("[server]\nport = 70000", "server.port"),
        ("[server]\nport = 2026-01-01", "server.port"),
        ("server = 3", "server"),
        ("log = []", "log"),
        ("[server]\nhost = ''", "server.host"),
        ("[server]\nauth = 'none'\nhost = '0.0.0.0'", "server.host"),
        ("[server]\nauth = 'none'\nhost = 'example.org'", "server.host"),
        ("[server]\nsocketScope = 'runner'", "server.socketScope"),
        ("[server]\nsocket = 's'\nsocketScope = 'root'", "server.socketScope"),
        ("[server]\ndrainSeconds = nan", "server.drainSeconds"),
        ("[server]\nmaxBodyBytes = 1000000", "server.maxBodyBytes"),
        ("[server.tls]\ncert = 'c'", "server.tls.key"),
        ("[store]\nkind = 'redis'", "store.kind"),
        ("[store]\nkind = 'memory'\npath = 'x'", "store.path"),
        ("defaultLimits = 1", "defaultLimits"),
        ("[defaultLimits]\nmaxConcurent = 1", "defaultLimits.maxConcurent"),
        ("[defaultLimits]\ntimezone = 'Mars/Olympus'", "defaultLimits.timezone"),
        ("[defaultLimits.packageCaps]\n'ns/a' = -1", 'defaultLimits.packageCaps["ns/a"]'),
        ("[flags]\nrun_window_caps = true", "flags.run_window_caps"),
        ("[flags]\nrun_windows_caps = 'on'", "flags.run_windows_caps"),
        ("[[tokens]]\nname = 'a'\nsha256 = 'my-secret'\nscopes = ['runner']", "tokens[0].sha256"),
        (f"[[tokens]]\nname = 'a'\nsha256 = '{SHA}'\nscopes = ['root']", "tokens[0].scopes[0]"),
        (f"[[tokens]]\nname = 'a'\nsha256 = '{SHA}'\nscopes = ['tenant:']", "tokens[0].scopes[0]"),
        (f"[[tokens]]\nname = 'a'\nsha256 = '{SHA}'\nscopes = []", "tokens[0].scopes"),
        ("x = 1", "x"),
        ("x = ", "config"),
    ],
)
def test_each_fault_is_named_by_its_key_with_a_remedy(tmp_path, text, field):
    with pytest.raises(BadInputError) as raised:
        load(write(tmp_path, text), environment={})
    assert raised.value.field == field
    assert raised.value.remedy
    assert "my-secret" not in str(raised.value)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        load(tmp_path / "none.toml", environment={})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match="is not TOML"):
        load(tmp_path / "bytes.toml", environment={})


def test_loopback():
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.3.2.1", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.1.1.1", "example.org", ""))


def test_the_process_environment_is_read(monkeypatch):
    monkeypatch.setenv("MAESTRO_SOCKET", "from-process")
    monkeypatch.delenv("MAESTRO_CONFIG", raising=False)
    assert load().server.socket == "from-process"


def test_settings_need_no_file():
    assert parse_settings({"state": "s"}).tokens == ()


def test_the_sample_for_deployment_is_sound():
    sample = Path(__file__).parents[2] / "examples" / "deploy" / "maestro.toml"
    settings = load(sample, environment={"STATE_DIRECTORY": "/var/lib/maestro"})
    assert str(settings.store_path) == "/var/lib/maestro/maestro.db"
    assert settings.default_limits.closures[0].reason == "freeze"

"""`OpaClient` and a real OPA."""

import pytest

from maestro.kernel.errors import PortError
from maestro_adapters.opa import OpaClient

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("opa")]


def test_it_answers(server):
    server.check()
    tenant = {"tenant": "acme", "packageCaps": {"ns/*": 1}, "packageUsage": {"ns/a": 1}}
    [deny] = server.evaluate("mc/pkgcaps/deny", {"tenant": tenant, "request": {"package": "ns/a"}})
    assert (deny["reason"], deny["cap"], deny["current"]) == ("package_cap", 1, 1)


def test_a_rule_that_is_not_there_is_no_empty_answer(server):
    with pytest.raises(PortError) as caught:
        server.evaluate("mc/limit/decision", {})
    assert caught.value.code == "opa_undefined"


def test_the_compilers_words_are_told(server):
    with pytest.raises(PortError, match=r"answered 400.*broken.rego:2: .*unsafe"):
        server.put_policy("broken.rego", "package broken\nallow if input.x == y")


def test_two_clients_share_a_server(server, service):
    server.put_data("rego_test_client", {"kept": [1, 2.5, "three"]})
    with OpaClient(service("opa")) as other:
        assert other.evaluate("rego_test_client/kept", {}) == [1, 2.5, "three"]

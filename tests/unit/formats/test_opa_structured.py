"""What OPA hashes of a bundle's files: the twelve probes, and YAML by Go's rules. `tests/edge` asks OPA itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maestro import UntrustedError
from maestro.formats import opa_structured
from maestro.formats.opa_structured import hashed_bytes, structured
from maestro.formats.opa_yaml import parse_yaml

PROBES = {
    b'{"b":1,"a":2}': b'{"a":2,"b":1}',
    b'{ "a" : [ 1 , 2 ] }': b'{"a":[1,2]}',
    b'{"a":1.0}': b'{"a":1.0}',
    b'{"a":1e3}': b'{"a":1e3}',
    b'{"a":1E+3}': b'{"a":1E+3}',
    b'{"a":-0}': b'{"a":-0}',
    b'{"a":0.10}': b'{"a":0.10}',
    b'{"a":123456789012345678901234567890}': b'{"a":123456789012345678901234567890}',
    b'{"a":"<&>"}': b'{"a":"<&>"}',
    '{"a":"\\u2028\u2029"}'.encode(): b'{"a":"\\u2028\\u2029"}',
    b'{"a":"\\u00e9\\u0001\\b\\f\\u007f\\/"}': '{"a":"é\\u0001\\b\\f\x7f/"}'.encode(),
    '{"\U0001f600":null,"\uff5e":true,"":false}'.encode(): '{"":false,"\uff5e":true,"\U0001f600":null}'.encode(),
}


@pytest.mark.parametrize(("text", "hashed"), PROBES.items())
def test_the_twelve_probes(text, hashed):
    assert hashed_bytes("data.json", text) == hashed
    assert hashed_bytes("deep/down/data.json", text) == hashed
    assert hashed_bytes(".manifest", text) == hashed
    assert hashed_bytes("other.json", text) == text
    assert hashed_bytes("mydata.json", text) == text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(values)
def test_the_quick_and_the_exact_encoder_agree(value):
    text = json.dumps(value).encode()
    exact = "".join(opa_structured._written(structured("data.json", text, opa_structured._Literal))).encode()
    assert hashed_bytes("data.json", text) == exact


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"a":1} x', b'{"a":1,"a":2}', b"[NaN]", b"[Infinity]", b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf{}",
     b"[" * 100_000, b"[1e999]", b"[" + b"9" * 5000 + b"]"],
)  # fmt: skip
def test_json_that_two_readers_could_read_differently_is_refused(text):
    with pytest.raises(UntrustedError) as caught:
        structured("data.json", text, opa_structured.parse_number)
    assert caught.value.code == "data_malformed"


def test_numbers_are_whole_where_they_are_whole():
    assert structured("data.json", b"[1, 1.0, 1e3, -0, 1.5, 1e300]", opa_structured.parse_number) == [1, 1, 1000, 0, 1.5, 1e300]  # fmt: skip


YAML = {
    b"": "null",
    b"---\n...\n": "null",
    b"a: on\nb: yes\nc: No\nd: true\ne: FALSE\nf: ~\ng:\n": '{"a":"on","b":"yes","c":"No","d":true,"e":false,"f":null,"g":null}',
    b"[1, -1, +1, 0x1F, 0b11, 0o17, 017, 1_000, 08]": "[1,-1,1,31,3,15,15,1000,8]",
    b"[1.5, 1e3, .5, 1., -1.5e-7, 1e21, 1e20, 0.0, -0.0, 1e-6]": "[1.5,1000,0.5,1,-1.5e-7,1e+21,100000000000000000000,0,-0,0.000001]",
    b"[18446744073709551615, 18446744073709551616, -9223372036854775809]": "[18446744073709551615,18446744073709552000,-9223372036854776000]",
    b"[2023-01-01, 10:30, 1.2.3, -, +x, .x, 1e, 1e999]": '["2023-01-01","10:30","1.2.3","-","+x",".x","1e","1e999"]',
    b"['1', \"true\", !!str 5, ! 6, |\n  x\n]": None,
    b"a: '1'\nb: \"true\"\nc: !!str 5\nd: ! 6\ne: |\n  x\n": '{"a":"1","b":"true","c":"5","d":"6","e":"x\\n"}',
    b"1: a\ntrue: b\n0x10: c\n'': d\nFALSE: e\n": '{"":"d","1":"a","16":"c","false":"e","true":"b"}',
    b"a: &x [1]\nb: *x\nc: {<<: {p: 1, q: 2}, q: 3}\nd: {<<: [{p: 1}, {p: 2, r: 3}]}\n": '{"a":[1],"b":[1],"c":{"p":1,"q":3},"d":{"p":1,"r":3}}',
    b"- a\n-\n  - b\n": '["a",["b"]]',
    b"a: 1\na: 2\n": None,
    b"[1]: x\n": None,
    b"{a: 1}: x\n": None,
    b"~: x\n": None,
    b"1.5: x\n": None,
    b"!x a: 1\n": None,
    b"!!map {a: 1}\n": None,
    b"a: !!binary aGk=\n": None,
    b"--- 1\n--- 2\n": None,
    b"a: *x\n": None,
    b"<<: 1\n": None,
    b"a: .inf\n": None,
    b"a: .nan\n": None,
    b"a: [\n": None,
    b"\xff": None,
    b"[" * 5000: None,
    b"[" * 300 + b"]" * 300: None,
    b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("k"))): None,
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), YAML.items())
def test_yaml_means_what_it_means_to_go(text, expected):
    if expected is None:
        with pytest.raises(UntrustedError) as caught:
            hashed_bytes("data.yaml", text)
        assert caught.value.code == "data_malformed"
    else:
        assert hashed_bytes("x/data.yml", text).decode() == expected


def test_yaml_gives_values_too():
    assert parse_yaml(b"{a: 0x10, b: [1.5, x]}", "data.yaml", opa_structured.parse_number) == {"a": 16, "b": [1.5, "x"]}  # fmt: skip


def test_a_recursion_that_goes_too_deep_is_a_refusal(monkeypatch):
    def deep(*_):
        raise RecursionError

    monkeypatch.setattr("maestro.formats.opa_yaml._Reader.document", deep)
    with pytest.raises(UntrustedError, match="deeply"):
        hashed_bytes("data.yaml", b"a: 1")

"""Calls of builtins for a comparison with OPA: operands as Python writes them, chosen for what they may go wrong by.

``S(…)`` is a set, ``N("1e3")`` a number by its text; a float is the number that Python prints.
"""

from typing import Any

from maestro.rego.numbers import from_float, number
from maestro.rego.values import key


class S:
    def __init__(self, *members: Any) -> None:
        self.members = members


class N:
    def __init__(self, text: str) -> None:
        self.text = text


def rego(value: Any) -> Any:
    """The Rego value of an operand in a table."""
    if isinstance(value, N):
        return number(value.text)
    if isinstance(value, S):
        return {key(rego(item)) for item in value.members}
    if isinstance(value, float):
        return from_float(value)
    if isinstance(value, list):
        return [rego(item) for item in value]
    if isinstance(value, dict):
        return {key(rego(name)): rego(item) for name, item in value.items()}
    return value


FORMATS = [
    "%d",
    "%s",
    "%v",
    "%q",
    "%x",
    "%X",
    "%5d",
    "%-5d|",
    "%05d",
    "%+d",
    "%.3d",
    "%e",
    "%g",
    "%f",
    "%.2f",
    "%8.3f",
    "%08.3f",
    "%+08.3f",
    "%-8.3f|",
    "%t",
    "%c",
    "%U",
    "%#U",
    "%#x",
    "%o",
    "%#o",
    "%b",
    "%#b",
    "%O",
    "%T",
    "%%",
    "%!",
    "%z",
    "%#v",
    "%+v",
    "%.2s",
    "%10s",
    "%-10s|",
    "%010s",
    "%+q",
    "%#q",
    "%G",
    "%E",
    "%.0f",
    "%#g",
    "%#.3x",
    "%+.2e",
    "%.3g",
    "%10.3v",
    "%x%x",
    "%[2]d,%[1]d",
    "%[3]d",
    "%[1]",
    "%*d",
    "%.*f",
    "%[1]*d",
    "%[x]d",
    "%.[2]*d",
    "%[2]*.[1]*f",
    "%2147483648d",
    "%.d",
    "%5t",
    "%6c|",
    "%.0d",
    "%#X",
    "%#O",
    "%-08d|",
    "%#e",
    "%#.0f",
    "%#x",
    "%6.2f%%",
    "% d",
    "% x",
    "%# x",
    "plain",
    "%",
    "%5",
    "%.",
    "%[1",
    "%d %d",
    "%[1]5d",
    "%[1].2d",
    "%.5q",
    "%+c",
    "%#U|",
    "%-5U|",
    "%10x",
    "%.3X",
    "%#.3g",
    "%.3x",
    "%X %b",
    "%.20x",
    "%-",
    "%x",
]
OPERANDS: list[list[Any]] = [
    [1], [-5], [0], ["hi"], [""], ["é\n\x01\x7f`\u2028"], ['a"b\\'], [1.5], [-0.0], [1e21], [123456789.0], [1e-7], [N("3.0")],
    [N("1e2")], [12345678901234567890123], [-12345678901234567890123], [True], [None], [[1, "a"]], [{"a": 1}], [S(1, 2)],
    [S()], [], [1, 2], [3, 1.25], ["a", 2, 3], [120, "x"], [0x1F600], [0xD800], [-1, 5], [N("1e400")], [0.1], [5e-324],
    [2.5, 3], [1 << 63], [0x7F],
]  # fmt: skip

CALLS: dict[str, list[tuple[Any, ...]]] = {
    "array.slice": [([1, 2, 3], N("1.0"), 2), ([1, 2, 3], -1, 99), ([1], N("1.5"), 2), ([1], 1 << 70, 2)],
    "base64.decode": [("YQ",), ("YQ==\n",), ("Y Q==",), ("YQ=a",), (1,), ("A===",)],
    "base64.is_valid": [("YQ==",), ("!",), (1,)],
    "base64url.decode": [("YQ",), ("YQ=",), ("Y",), ("-_8",), ("a+b=",)],
    "hex.decode": [("abc",), ("zz",), ("616",), ("6162",)],
    "concat": [(",", 1), (",", ["a", 1]), (",", S("b", "a")), (",", S(1))],
    "format_int": [(15.9, 16), (-15.9, 16), (N("1e3"), 10), (255, 2), (255, 8), (1, 3), (1, "2"), (18446744073709551617, 16)],
    "indexof": [("abc", ""), ("日本", "本"), ("a", "z")],
    "indexof_n": [("aaaa", "aa"), ("a", "")],
    "substring": [("abc", -1, 1), ("日本語", 1, 1), ("", 5, 1), ("abc", 1, -1), ("abc", 9, 1)],
    "lower": [("ÀİΣ",), ("ABC",)],
    "upper": [("ßŉàᾀ",), ("abc",)],
    "replace": [("abc", "", "-"), ("aaa", "a", "b"), ("abc", "z", "b"), ("", "", "x")],
    "strings.replace_n": [
        ({"": "-", "b": "c"}, "ab"), ({"a": "1", "ab": "2"}, "ab"), ({}, "x"), ({1: "a"}, "x"), ({"a": 1}, "x"), ({"b": "", "": "x"}, "bab"),
    ],
    "strings.split_n": [("a,b,c", ",", 2), ("a,b,c", ",", -2), ("abc", "", 2), ("a", ",", 0)],
    "strings.any_prefix_match": [(1, "a"), ("a", 1), ("a", [1]), (["a"], S("a")), ([1], "a")],
    "strings.any_suffix_match": [(["ba"], S("a", "c")), ("a", [])],
    "trim": [("abc", ""), ("abca", "ac")],
    "trim_left": [("abc", ""), ("abc", "a")],
    "trim_right": [("abc", ""), ("abc", "c")],
    "json.marshal": [({"a<": [1, N("1.50"), None, True, "\u2028\x7f"]},), (S(2, 1),), ({1: 2, "b": S()},), ([],)],
    "json.marshal_with_options": [
        ([1, {"a": []}], {"indent": "  ", "prefix": ">"}), ([1], {"pretty": False, "indent": " "}), ([1], {"pretty": True}),
        ([1], {"pretty": 1}), ([1], {"indent": 1}), ([1], {"other": 1}), ([1], {}), ({}, {"pretty": True}),
    ],
    "json.unmarshal": [
        ('{"a": 1.0}',), ("[1,2",), ("NaN",), ("1e999999",), ('"\\ud800"',), ('{"\\ud800": ["\\ud83d\\ude00", 1]}',), ("[" * 20000,),
        (" 1 ",), ("1 2",), ("-0",), ("01",),
    ],
    "json.is_valid": [("[1]",), ("[1",), (1,), ("NaN",), ("1e999999",)],
    "yaml.unmarshal": [
        ("a: yes",), ("a: 010\nb: 0o17\nc: 0x1F\nd: 0b11\ne: 1_000\nf: +1\ng: -0\nh: 089",), ("a: 2001-01-01",), ("a: .inf",), ("a: 1e3",),
        ("1: 2\ntrue: 1\n1.5: x",), ("~: 3",), ("a: !!binary aGk=",), ("a: !!binary '*'",), ("a: &x 1\nb: *x",), ("- 1\n---\n- 2",),
        ("a: 1\na: 2",), ("a: 12345678901234567890123",), ("<<: {a: 1}\nb: 2",), ("<<: [{a: 1}, {b: 3}]\nb: 2",), ("<<: 1",),
        ("[1,2]: 3",), ("a: !foo 3",), ("a: !!set {x, y}",), ("a: 1:30",), ("a: !!str 12",), ("a: ~",), ("a: 1.",), ("a: .5",),
        ("",), ("a: 1e400",), ("a: .nan",), ("[1",), ("a: !!int x",), ("a: !!float 1",), ("a: !!bool true",), ("a: !!null ''",),
        ("a: 1e21\nb: 1e-7\nc: 123456.5\nd: 1e-6",), ("\x00",), ("a: '1'",), ("a: [b, {c: d}]",), ("a: .a",), ("a: -x",),
    ],
    "yaml.is_valid": [("a: 1",), ("[",), (1,)],
    "yaml.marshal": [
        ({"a": [1, {"b": 2, "c": ["x", "yes", "1", True, None, "a: b", "multi\nline", ""]}], "z": {}, "y": [], "n": 1.5},),
        ({"a10": 1, "a9": 2, "A": 3, "a": 4, "_": 5, "a01": 6, "a1": 7, "10": 8, "9": 9, "a-": 1, "a.b": 2, "aé": 3, "a0": 1, "a00": 2},),
        ("x",), (5,), ("1:30",), ("2001-01-01",), ("<<",), ([N("1e30"), N("1e-7"), -1, "on", "null"],), (S(1, 2),),
    ],
    "urlquery.decode": [("a%20b+c",), ("%zz",), ("%",)],
    "urlquery.encode": [("a b&c/d~é",)],
    "urlquery.decode_object": [("a=1&b=2&a=3&&c",), ("a;b",), ("a=%zz",)],
    "urlquery.encode_object": [({"a": "1", "b": ["x", "y"], "c": S("z")},), ({"a": 1},), ("x",), ({"a": [1]},)],
    "uri.parse": [
        ("http://u:p@host:8080/a%2Fb?q=1#frag%20x",), ("HTTP://Host",), ("//host/path",), ("///x",), ("mailto:a@b",), ("a:b/c:d",), ("./a:b",),
        ("http://[::1]:80/",), ("http://[::1%25en0]/",), ("http://[::1/",), ("http://a[b/",), ("http://h:x/",), ("http://[zz]/",), ("%zz",),
        ("http://a b/",), (":x",), ("*",), ("http://h/\x01",), ("http://h/#%zz",), ("",), ("http://%41/",), ("http://h%C3%A9/",),
        ("http://u<@h/",), ("http://h\\x/",), ("1:2",), ("/a b",), ("http://[::1]x/",), ("/a;b=c,d:e@f",),
    ],
    "uri.is_valid": [("",), (1,), ("a",), ("http://[",)],
    "net.cidr_contains": [
        ("10.0.0.0/8", "10.1.2.3"), ("10.0.0.0/8", "10.0.0.0/7"), ("::/0", "1.2.3.4"), ("::ffff:10.0.0.0/104", "10.1.1.1"), ("fe80::/10", "fe80::1/64"),
        ("10.0.0.0/8", "x"), ("10.0.0.0/33", "10.0.0.1"), ("::ffff:10.0.0.0/90", "::ffff:10.0.0.1"), ("fe80::1%eth0/10", "fe80::1"), ("fe80::/10", "fe80::1%eth0"),
    ],
    "net.cidr_contains_matches": [
        ("10.0.0.0/8", "10.1.2.3"), (["10.0.0.0/8", ["11.0.0.0/8", "x"]], {"a": "10.1.1.1", "b": ["11.1.1.1"]}), (S("10.0.0.0/8"), [[]]), ("10.0.0.0/8", 1), ([1], "1.1.1.1"),
    ],
    "net.cidr_intersects": [("10.0.0.0/8", "10.1.0.0/16"), ("10.0.0.0/8", "11.0.0.0/8")],
    "net.cidr_is_valid": [("10.0.0.0/8",), ("10.0.0.0",), (1,)],
    "net.cidr_expand": [("10.0.0.0/30",), ("::1/127",), ("::ffff:1.2.3.4/127",)],
    "net.cidr_merge": [
        (["10.0.0.0/24", "10.0.1.0/24"],), (["1.2.3.4", "130.1.1.1", "200.1.1.1"],), (["::1"],), ([1],), ("x",), (S("fe80::/64", "fe80:0:0:1::/64"),),
        (["10.0.0.0/24", "10.0.0.128/25", "10.0.2.0/23"],), ([],), (["10.0.0.0/24", "10.0.1.0/25", "10.0.1.128/26"],),
    ],
    "regex.is_valid": [("a+",), ("(",), (1,), ("\\C",)],
    "regex.match": [("(", "a"), ("^日", "日本"), ("a", 1)],
    "regex.find_n": [("a*", "baac", -1), ("a*", "日a", -1), ("a", "aaa", 2), ("x*", "", -1)],
    "regex.find_all_string_submatch_n": [("a(x)?(b)", "abaxb", -1), ("a", "aaa", 0)],
    "regex.split": [("a*", "baac"), ("", "abc"), ("x", ""), (",", "a,b,"), ("", ""), ("b*", "bab")],
    "regex.replace": [
        ("abc", "(b)(?P<n>c)", "[$1${n}$n$$$x${1}z$9$01]"), ("abc", "z", "y"), ("aaa", "a*", "-"), ("abc", "(", "y"), ("abc", "b", "${"), ("a", "a", "$"),
    ],
    "regex.template_match": [
        ("urn:{a+}:{b}", "urn:aa:b", "{", "}"), ("urn:{a", "x", "{", "}"), ("urn:a}", "x", "{", "}"), ("{(}", "x", "{", "}"), ("a", "a", "{{", "}"), ("a", "a", "{", "é"), ("a{b{c}}", "ab", "{", "}"),
    ],
    "regex.globs_match": [
        ("a.*b", "a+b"), ("[a-c]+", "[b-d]x"), ("", ""), ("a*", "b*"), ("a", ""), ("*", "a"), ("[a", "a"), ("a\\", "a"), ("\\*", "\\*"), ("[a-]", "a"), ("[-a]", "a"), ("[b-a]", "a"),
        ("]", "a"), ("[a\\]b]", "]"), ("a-b", "a-b"), ("[a-\\z]", "q"), ("a+", "aaa"), (".", "ab"),
    ],
    "glob.match": [
        ("*.com", [], "a.b.com"), ("**.com", [], "a.b.com"), ("{a,b{c,d}}x", [], "bdx"), ("[!a-c]x", None, "dx"), ("[abc]", ["/"], "b"), ("?", [], "."), ("?", None, "\n"),
        ("a*", ["/", ":"], "a/b"), ("{a", [], "a"), ("[a", [], "a"), ("[", [], "a"), ("[]", [], "a"), ("[b-a]", [], "a"), ("[a-c", [], "a"), ("[a-cd]", [], "a"), ("a\\", [], "a"),
        ("\\*", [], "*"), ("a,b}", [], "a,b}"), ("[!]", [], "a"), ("x", [1], "x"), ("x", ["ab"], "x"), ("x", "y", "x"), ("a.b", [], "a.b"), ("[a\\]]", [], "]"), ("[ab]c", [], "xc"), ("[^-]x", [], "-x"),
    ],
    "glob.quote_meta": [("*?[]{}\\a",)],
    "numbers.range": [(1, 3), (3, 1), (1.5, 2), (N("1e1"), N("12.0")), ("a", 1)],
    "numbers.range_step": [(1, 9, 4), (9, 1, 3), (1, 2, 0), (1, 2, -1)],
    "bits.lsh": [(1, 70), (1, -1), (0, 5), ("a", 1)],
    "bits.rsh": [(1 << 70, 69), (-5, 1), (5, 200)],
    "units.parse": [
        ("10",), ("10K",), ("10Ki",), ("100m",), ("1.5M",), ("1e3",), ("1E",), ("1e",), ("1 K",), ("K",), ("1x",), ("1.2.3",), ("1e9999999",), ("-1.5k",), ('"1k"',), ("",), ("+1",), ("1e+2k",), (".5m",), ("0.0005m",), ("1e-",), ("1M",), ("1mi",), ("-0.00000000005",),
    ],
    "units.parse_bytes": [("10kb",), ("1.5MiB",), ("1e2k",), ("kb",), ("1 kb",), ("1zz",), ("1.2.3",), ("1e9999999",), (".5k",), ("5.k",), ("-2k",), ("1eib",), ("1e",)],
    "semver.compare": [
        ("1.2.3", "v1.2.3"), ("1.0.0-a.1", "1.0.0-a.b"), ("1.0.0-1", "1.0.0-a"), ("1.0.0-a", "1.0.0-a.1"), ("1.0.0", "1.0.0-a"), ("1.0", "1.0.0"), ("1.0.0", "x"),
        ("1.0.0+b", "1.0.0"), ("1.0.0-2", "1.0.0-10"), ("1.0.0-99999999999999999999", "1.0.0-1"), ("99999999999999999999.0.0", "1.0.0"), ("1.0.0-", "1.0.0"), ("1.0.0+", "1.0.0"), ("1.0.0-01", "1.0.0"),
    ],
    "semver.is_valid": [("1.2.3",), (1,), ("1.2",)],
    "uuid.parse": [
        ("6ba7b810-9dad-11d1-80b4-00c04fd430c8",), ("{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",), ("urn:uuid:6ba7b810-9dad-21d1-80b4-00c04fd430c8",), ("x",), ("6ba7b8109dad11d180b400c04fd430c8",), ("zba7b8109dad11d180b400c04fd430c8",),
        ("6ba7b810-9dad-21d1-8005-02c04fd430c8",), ("6ba7b810-9dad-11d1-c0b4-01c04fd430c8",), ("6ba7b810-9dad-11d1-f0b4-03c04fd430c8",), ("6ba7b810-9dad-11d1-00b4-00c04fd430c8",), ("6ba7b810-9dad-41d1-80b4-00c04fd430c8",),
    ],
    "time.parse_duration_ns": [
        ("1h30m",), ("-1.5h",), ("1d",), ("1w2d3h",), ("1.5y",), ("0",), ("",), ("-",), ("1",), ("1x",), ("1d1",), ("1.1.1d",), (".d",), (".s",), ("9223372036854775807ns",), ("-9223372036854775808ns",), ("9223372036854775808ns",),
        ("99999999999999999999h",), ("1µs",), ("1.999999999999999999999s",), ("+1m",), ("1h1h",), ("300y",), ("d",), ("1..5s",), ("0.1d",), ("300000000h",),
    ],
    "time.parse_ns": [
        ("2006-01-02", "2020-02-30"), ("2006-01-02", "2020-02-29"), ("RFC822", "02 Jan 06 15:04 MST"), ("Monday, January 2 2006 3:04:05PM", "Tuesday, march 3 2020 12:04:05AM"),
        ("3:04pm", "1:02pm"), ("3:04pm", "1:02xx"), ("03:04:05PM", "12:00:00PM"), ("15:04:05.000", "01:02:03.456"), ("15:04:05.000", "01:02:03.4"), ("15:04:05.999", "01:02:03"), ("15:04:05.999", "01:02:03.123456789123"), ("15:04:05", "01:02:03,5"), ("15:04", "25:00"),
        ("2006-002", "2020-366"), ("2006-002", "2019-366"), ("2006-002", "2020-060"), ("2006 __2", "2020   5"), ("2006-01 002", "2020-03 001"), ("2006-01-02 002", "2020-01-05 006"), ("2006 _2 Jan", "2020  5 Feb"), ("06", "70"), ("06", "05"), ("06", "x"), ("2006", "20"), ("1/2/2006", "12/31/2020"), ("1/2/2006", "13/31/2020"),
        ("-0700", "+0130"), ("Z0700", "Z"), ("Z07:00", "+01:30"), ("Z07", "-05"), ("Z070000", "+010203"), ("Z07:00:00", "-01:02:03"), ("-07:00", "+25:00"), ("-07:00", "+01:61"), ("-07:00", "0100"), ("-070000", "+010061"), ("MST", "UTC"), ("MST", "CEST"), ("MST", "x"), ("MST", "GMT+3"), ("MST", "+03"), ("MST", "WITA"),
        ("2006  01", "2020 01"), ("2006 01", "202001"), ("2006-01", "2020/01"), ("2006", "2020x"), ("2006-01-02", "1500-01-01"), ("2006-01-02", "2300-01-01"), ("Jan", "Foo"), ("2006-01-02T15:04:05Z07:00", "2020-01-02T03:04:05.5+02:00"), ("_2006", "_2020"), ("5", "61"), ("04", "5"), ("Mon", "Mon"), ("2006,000", "2020,5"),
        ("January", "May"), ("Month", "Month"), ("2", "32"), ("2", "0"), ("002", "0"), ("2006 Jan 02 15:04", "2020 Feb 03 4:05"), ("02 03", "05 13"),
    ],
    "time.parse_rfc3339_ns": [("2020-01-02T03:04:05Z",), ("2020-01-02",)],
    "time.format": [
        (1583226245123456789,), ([1583226245123456789, "America/New_York"],), ([1583226245123456789, "Europe/Berlin", "RFC1123"],), ([0, "", "Monday Mon January Jan 1 01 2 _2 02 __2 002 15 3 03 4 04 5 05 2006 06 PM pm"],),
        ([1583226245123456789, "Asia/Kolkata", "MST -0700 -07:00 -07 -070000 -07:00:00 Z0700 Z07:00 Z07 Z070000 Z07:00:00"],), ([0, "UTC", "Z0700 Z07:00"],), ([1583226245120000000, "UTC", "05.000 05.999 05,000000000 05.9999999999 05.00000000000"],), ([0, "No/Where"],), ([],), ("x",), (1.5,), (N("1e18"),), (N("1e30"),), ([-1, "America/Sao_Paulo"],), ([0, 1],), ([0, "UTC", 1],), (["x"],), ([-5000000000000000000, "America/New_York", "-07:00:00 MST"],), ([0, "Local"],), (True,),
    ],
    "time.date": [([1583226245123456789, "Pacific/Auckland"],), (-1,)],
    "time.clock": [([1583226245123456789, "Australia/Lord_Howe"],), (-1,)],
    "time.weekday": [(0,), (-1,)],
    "time.add_date": [
        (1583226245123456789, 1, -14, 40), ([1583226245123456789, "America/New_York"], 0, 0, 5), ([1604190600000000000, "America/New_York"], 0, 0, 0), ([1583566200000000000, "America/New_York"], 0, 0, 1), (0, 400, 0, 0), (0, 1000000, 0, 0), (0, "a", 0, 0), ([0, "Europe/London"], 0, 6, 0),
    ],
    "time.diff": [(0, 1583226245123456789), (1583226245123456789, 0), ([1583226245123456789, "America/New_York"], [0, "Asia/Tokyo"]), (5, 5), (1580515199000000000, 1583020800000000000), (2678399000000000, 2678400000000000)],
    "object.get": [({"a": {"b": 1}}, ["a", "b"], 0), ({"a": [5]}, ["a", 0], 0), ({"a": 1}, ["a", "b"], 9), ({}, "a", 9), ("x", "a", 1), ({"a": 1}, [], 9)],
    "object.remove": [({"a": 1, "b": 2}, ["a"]), ({"a": 1}, {"a": 1}), ({"a": 1}, S("a")), ({}, 1)],
    "object.filter": [({"a": 1, "b": 2}, ["a", "z"]), ({"a": 1}, {"a": 1})],
    "object.union_n": [([{"a": {"b": 2}}, {"a": 4}, {"a": {"c": 3}}],), ([1],), ([],), (1,)],
    "object.union": [({"a": {"b": 1}}, {"a": {"c": 2}}), ({}, {"a": 1}), (1, {}), ({}, 1)],
    "object.subset": [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}), ({"a": S(1, 2)}, {"a": S(1)}), ({"a": [1, 2, 3]}, {"a": [2, 3]}), ([1, 2, 3], [2, 4]), ([1, 1], S(1, 2)), ([1, 2], S(1, 2)), ([], S()), (S(1), S(1, 2)), ({"a": 1}, {"a": {"b": 1}}), ({"a": 1}, {"b": 1}), (1, 2), ([1], [1, 2]), ([1, 2], S(3)),
        ({"a": {"b": 1}}, {"a": {"b": 2}}), ([1, 2], []), ({"a": {"b": 1}}, {"a": [1]}),
    ],
    "set_diff": [(S(1, 2), S(2)), (1, S())],
    "and": [(S(1, 2), S(2)), (1, S())],
    "intersection": [(S(S(1, 2), S(2)),), (S(),), (S(1),), (1,)],
    "union": [(S(S(1, 2), S(3)),), (S(1),)],
    "graph.reachable": [({"a": ["b"], "b": S("a", "c"), "c": None}, ["a"]), ({}, S("a")), ({}, 1)],
    "graph.reachable_paths": [({"a": ["b", "x"], "b": S("a", "c"), "c": []}, S("a")), ({"a": [], "b": ["b"]}, ["a", "b", "z"]), ({}, 1), ({"a": 1, "b": ["a"]}, ["b"])],
    "type_name": [(None,), (True,), (1,), ("a",), ([],), ({},), (S(),)],
    "cast_array": [([1],), (S(2, 1),), (1,)],
    "cast_set": [([1, 1],), (S(1),), (1,)],
    "cast_string": [("a",), (1,)],
    "cast_boolean": [(True,), (1,)],
    "cast_null": [(None,), (1,)],
    "cast_object": [({},), (1,)],
    "is_set": [(S(),), ([],)],
    "to_number": [(None,), (True,), (1.5,), ("1.50",), ("x",), ("+Inf",), ("1e999999",), ([],), ("-3",)],
    "json.filter": [
        ({"a": {"b": 1, "c": 2}, "d": [1, {"e": 2}], "s": S("x", "y")}, ["a/b", "d/1/e", "s/x"]), ({"a": 1}, S("a/b")), ({"a": {"b": 1}}, ["a", "a/b"]), ({"a": 1}, [""]), ({"a/b": 1, "~": 2}, ["a~1b", "~0"]), ({"a": {"b": 1}}, [["a", "b"]]), ({"a": 1}, [1]), ({"a": 1}, 1), (1, []),
        ({"a": {"b": {"c": 1}}}, ["a/b", "a/b/c"]), ({"a": 1}, ["/a"]),
    ],
    "json.remove": [
        ({"a": {"b": 1, "c": 2}, "d": [1, {"e": 2}], "s": S("x", "y")}, ["a/b", "d/0", "d/1/e", "s/x", "zz"]), ({"a": 1}, ["a/b/c"]), ({"a": {"b": 1}}, S("a")), ({"s": S([1])}, [["s", [1], "0"]]),
    ],
    "json.patch": [
        ({"a": [1, 2]}, [{"op": "add", "path": "/a/1", "value": 9}]), ({"a": [1, 2]}, [{"op": "add", "path": "/a/-", "value": 9}]), ({"a": 1}, [{"op": "replace", "path": "/a", "value": 2}]), ({"a": 1}, [{"op": "remove", "path": "/a"}]),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}]), ({"a": {"x": 1}}, [{"op": "copy", "from": "/a/x", "path": "/b"}]), ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}]), ({"a": 1}, [{"op": "test", "path": "/a", "value": 2}]), ({"a": 1}, [{"op": "x", "path": "/a"}]), ({"a": 1}, [{"op": "add", "path": "/b"}]),
        ({"a": 1}, [{"path": "/a"}]), ({"a": 1}, [{"op": 1, "path": "/a"}]), ({"a": 1}, [1]), ({"a": 1}, [{"op": "add", "path": "", "value": [1]}]), ({"s": S("x")}, [{"op": "add", "path": "/s/y", "value": "y"}]), ({"s": S("x")}, [{"op": "add", "path": "/s/y", "value": "z"}]), ({"s": S("x")}, [{"op": "remove", "path": "/s/x"}]), ({"s": S("x")}, [{"op": "remove", "path": "/s/z"}]),
        ({"a": [1]}, [{"op": "remove", "path": "/a/5"}]), ({"a": [1]}, [{"op": "add", "path": "/a/5", "value": 1}]), ({"a": [1]}, [{"op": "add", "path": "/a/01", "value": 1}]), ({"a": [1]}, [{"op": "add", "path": "/a/x", "value": 1}]), ({"a": [1]}, [{"op": "add", "path": ["a", 0], "value": 0}]), ({"a": [1]}, [{"op": "add", "path": ["a", True], "value": 0}]), ({"a": 1}, [{"op": "remove", "path": "/a/b"}]), ({"a": 1}, [{"op": "add", "path": "/a/b", "value": 1}]), ({"a": 1}, [{"op": "add", "path": "/a/b/c", "value": 1}]),
        ({"a": {"b": [1, 2]}}, [{"op": "replace", "path": "/a/b/0", "value": 5}]), ({"a": 1}, [{"op": "add", "path": "/z/b", "value": 1}]), ({"a": [[1]]}, [{"op": "add", "path": "/a/0/0", "value": 0}]), ({"a": [1]}, [{"op": "copy", "from": "/a/7", "path": "/b"}]), ({"s": S([1])}, [{"op": "add", "path": ["s", [1], 0], "value": 0}]), (1, [{"op": "add", "path": "", "value": 2}]), ([1, 2], [{"op": "remove", "path": "/0"}]), ({"a": 1}, 1), ({"a": 1}, [{"op": "remove", "path": ""}, {"op": "add", "path": "/b", "value": 1}]), ({"a": 1}, [{"op": "add", "path": 1, "value": 1}]),
    ],
    "crypto.md5": [("a",), (1,)],
    "crypto.hmac.sha512": [("a", "k"), ("a", 1)],
    "crypto.hmac.equal": [("a", "a"), ("a", "b")],
    "strings.render_template": [
        ("{{.a}} {{ .b.c }}{{- /* c */ -}} x", {"a": 1, "b": {"c": [1, "x", None, True, {"k": 1.5}]}}), ("{{range $i, $e := .l}}{{$i}}={{$e}};{{else}}none{{end}}", {"l": ["a", "b"]}), ("{{range .l}}{{.}}{{else}}none{{end}}", {"l": []}), ("{{range $k, $v := .m}}{{$k}}{{$v}}{{end}}", {"m": {"b": 1, "a": 2}}),
        ("{{if .a}}A{{else if .b}}B{{else}}C{{end}}", {"b": True}), ("{{with .a}}{{.x}}{{else}}no{{end}}", {"a": {"x": 1}}), ("{{with $y := .a}}{{$y}}{{end}}{{$x := 1}}{{$x = 2}}{{$x}}", {"a": "q"}), ('{{len .l}} {{index .l 1}} {{index .m "k"}} {{slice .s 1 3}}', {"l": ["a", "b"], "m": {"k": "v"}, "s": "abcd"}),
        ('{{printf "%s-%d" .a 3}} {{print 1 2 "x"}} {{println .a}}', {"a": "x"}), ('{{eq .a "x"}} {{ne .a "y"}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 1}}', {"a": "x"}), ("{{and .a .b}} {{or .z .b}} {{not .a}}", {"a": "1", "b": "2"}), ('{{.a | printf "%q"}}', {"a": "x"}), ("{{(index .l 0).k}}", {"l": [{"k": 7}]}), ('{{`raw`}} {{"q\\n"}} {{true}} {{1.5}}', {}),
        ("{{.a.b}}", {"a": 1}), ("{{.z.y}}", {"a": 1}), ("{{$nope}}", {}), ("{{", {}), ("{{if}}x{{end}}", {}), ("{{if .a}}x", {"a": 1}), ("{{end}}", {}), ("{{nofunc 1}}", {}), ("{{index .l 9}}", {"l": [1]}), ("{{.a 1}}", {"a": 1}), ("{{len 1}}", {}), ('{{eq 1 "a"}}', {}), ("{{range 1.5}}x{{end}}", {}), ("{{.}}", {"a": None}), ("{{.a}}", {"a": None}),
        ("{{ 3 -}}  x", {}), ("{{$}}", {"a": 1}), ("{{range $e := .l}}{{$e}}{{end}}", {"l": [1, 2]}), ("{{if and .a (not .b)}}y{{end}}", {"a": True}), ("{{slice .s 5}}", {"s": "ab"}), ('{{lt "a" 1}}', {}), ("{{printf 1}}", {}), ("{{}}", {}), ("{{.a |}}", {}), ("{{eq .l 1}}", {"l": [1]}), ("{{!}}", {}), ("{{else}}", {}), ("{{$x = 1}}", {}), ("{{if .a}}{{else .b}}{{end}}", {}), ("{{(.a}}", {}), ("{{with .a}}{{end}}{{range .q}}{{end}}ok", {}), ('{{"\\q"}}', {}), ('{{index .a "x" "y"}}', {"a": {"x": 1}}), ("{{index 1 1}}", {}), ('{{"\\u00e9"}}', {}),
    ],
    "opa.runtime": [()],
    "internal.template_string": [([S("a"), "b", S(), S(1.5), True, None, 3, S([1])],), ([[1]],), ([S(1, 2)],)],
    "io.jwt.decode": [("a",), ("a.b",), ("!.e30.e30",), ("e30.!.e30",), ("e30.e30.!",), ("W10.e30.e30",), ("eyJlbmMiOiIxIn0.e30.e30",), ("bm90anNvbg.e30.e30",), ("e30.W10.",), ("eyJjdHkiOiJKV1QifQ.ZTMwLmUzMC4.",), (1,)],
    "io.jwt.verify_hs256": [("e30.e30.e30", "s"), ("e30.e30.!", "s"), (1, "s")],
    "io.jwt.verify_rs256": [
        ("e30.e30.e30", "x"), ("e30.e30.e30", '{"kty":"oct","k":"AAAA"}'), ("e30.e30.e30", "[]"), ("e30.e30.e30", '{"keys":[1]}'), ("e30.e30.e30", '{"kty":"zz"}'), ("e30.e30.e30", '{"kty":"RSA"}'), ("eyJhbGciOjF9.e30.e30", '{"kty":"oct","k":"AAAA"}'), ("eyJjcml0IjoxfQ.e30.e30", '{"kty":"oct","k":"AAAA"}'), ("eyJjcml0IjpbXX0.e30.e30", '{"kty":"oct","k":"AAAA"}'),
        ("e30.e30.e30", '{"kty":"oct","k":"AAAA","alg":"XX"}'), ("e30.e30.e30", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), ("e30.e30.e30", "-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n"), ("e30.e30.e30", '{"kty":"OKP","crv":"Ed25519","x":"AA"}'),
    ],
    "io.jwt.decode_verify": [
        ("e30.e30.e30", {}), ("e30.e30.e30", {"secret": "s", "cert": '{"kty":"oct","k":"AAAA"}'}), ("e30.e30.e30", {"secret": 1}), ("e30.e30.e30", {"other": 1}), ("e30.e30.e30", {"secret": "s", "time": -1}), ("e30.e30.e30", {"secret": "s", "time": "x"}), ("e30.e30.e30", {"secret": "s"}), ("e30.e30.e30", {"cert": 1}), ("x", {"secret": "s"}),
    ],
    "io.jwt.encode_sign": [
        ({"alg": "HS256"}, {"a": 1}, {"kty": "oct", "k": "AAAA"}), ({"alg": "HS256"}, {"a": 1}, {"keys": []}), ({"alg": "RS256"}, {"a": 1}, {"kty": "oct", "k": "AAAA"}), ({"typ": "x"}, {}, {"kty": "oct", "k": "AAAA"}), ({"alg": "HS256"}, {}, {"kty": "zz"}), ({"alg": 1}, {}, {"kty": "oct", "k": "AAAA"}),
    ],
    "io.jwt.encode_sign_raw": [("[]", "{}", '{"kty":"oct","k":"AAAA"}'), ('{"alg":"HS512","typ":"JWT"}', "x", '{"kty":"oct","k":"AAAA"}'), ('{"alg":"HS512","typ":"x"}', "x", '{"kty":"oct","k":"AAAA"}'), ("{}", "{}", "x"), ('{"alg":"HS384","typ":1}', "{}", '{"kty":"oct","k":"AAAA"}')],
    "crypto.x509.parse_certificates": [("x",), ("-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n",), ("AAAA",), ("MAA=",), ("MIQ=",), (1,)],
    "crypto.x509.parse_certificate_request": [("AAAA",), ("LS0tLS1CRUdJTiBGT08tLS0tLQpBQUFBCi0tLS0tRU5EIEZPTy0tLS0tCg==",)],
    "crypto.x509.parse_and_verify_certificates": [("x",)],
    "crypto.parse_private_keys": [("",), ("x",), ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",)],
    "crypto.x509.parse_rsa_private_key": [("",), ("eA==",)],
    "providers.aws.sign_req": [
        ({"method": "get", "url": "http://h:80/a b?x#f", "headers": {"X-A": "1", "User-Agent": "u", "N": 1}, "body": {"a": 1}}, {"aws_service": "s3", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r", "aws_session_token": "t"}, 1),
        ({"method": "get", "url": "http://[::1]:80/", "raw_body": "x"}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r", "disable_payload_signing": True}, 1),
        ({"method": "get", "url": "http://h/", "raw_body": 1}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1), ({"method": "get", "url": "%zz"}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1),
        ({"method": "get", "url": "http://h/", "zz": 1}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1), ({"method": "get", "url": "http://h/", "headers": 1}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1), ({"method": "get", "url": "*"}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1.5),
        ({"method": "get", "url": "*"}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1), ({"method": "get", "url": "http://h"}, {"aws_service": "ec2", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1),
    ],
    "product": [([N("1e-2"), -7, 10],), ([10, 0, -0.5, 3],), ([1234567890123456789, 1.5],), (["a"],), (1,), ([2, 3],), (S(1.5, 2),)],
    "sum": [([1, 2.5],), ([],), (["a"],), (S(1, 2),), ([9223372036854775807, 1],)],
    "max": [([],), ([1, "a"],), (S(),), ("x",), ([1, N("1.0")],)],
    "min": [([],), ([1, "a"],), (S(1, 2),)],
    "all": [([True],), (S(True, 1),), (1,), ([],)],
    "any": [([False, True],), (S(True),), (1,), ([],)],
    "count": [("日本",), (1,)],
    "sort": [(S(2, 1),), ([3, "a", None],), (1,)],
    "minus": [(S(1), 1), (1, S()), ("a", 1), (S(1, 2), S(2)), (1, "a")],
    "internal.member_2": [(1, "a"), (1, {"a": 1})],
    "internal.member_3": [("a", 1, {"a": 1}), (0, 1, [1]), (1, 1, S(1))],
    "json.verify_schema": [({},), ("{",), (1,), ({"type": 1},), ({"type": ["string", "object"]},)],
    "json.match_schema": [(1, {}), ({}, 1), ("{", {}), ({"id": 5}, {"properties": {"id": {"type": "integer"}}}), ({}, {"required": ["id"]}), ({"a": 5}, {"properties": {"a": {"minimum": 7}}}), ({"a": "x"}, {"properties": {"a": {"pattern": "^y"}}}), ({"a": 1}, {"additionalProperties": False}), ({"a": 1.5}, {"properties": {"a": {"type": "integer"}}}), ({"a": "x"}, {"properties": {"a": {"enum": ["y", 1]}}}), ({"a": [1, 2]}, {"properties": {"a": {"maxItems": 1}}}), ({"a": {}}, {"$ref": "http://x/y"}), ({"a": "abc"}, {"properties": {"a": {"maxLength": 2}}}), ("[]", {"type": "object"}), ({"a": 5}, {"properties": {"a": {"type": "string"}}, "patternProperties": {"^b": {}}})],
    "graphql.parse_query": [("{ a }",), (1,), ("query Q($a: [Int!]! = [1]) { ...F @x(a: {b: [E, null, 1.5, true]}) }\nfragment F on T { b }",), ("type A { b: Int }",), ("",), ("{" * 3,), ("query @d { # c\n a: b ... on T { c } ... @x { d } }",)],
    "graphql.parse_schema": [('"d" type Q implements A & B @d { "f" f(x: Int = 1): [Int!] }\nenum E { A @x B }\ninput I { a: Int = 3 }\nunion U = A | B\nscalar S\ninterface A { f: Int }\ndirective @d(a: Int) repeatable on FIELD\nschema { query: Q }\nextend schema { mutation: M }\nextend type Q { z: Int }',), ("{ a }",), ("",), ("# c\ntype A { b: Int # e\n}",), ('"d"\n# after\ntype A { b: Int }',)],
    "graphql.is_valid": [("{ a }", "type Query { a: Int }"), ("{ b }", "type Query { a: Int }"), (1, "x"), ("{ a }", 1), ("type A { b: Int }", "type Query { a: Int }"), ("{ a }", "{ a }")],
    "graphql.parse": [("{ b }", "type Query { a: Int }"), (1, ""), ("{ a }", 1), ("{ a }", "type Query { a: Int }"), ("{", "type Query { a: Int }"), ("{ a }", "type Query { a: Nope }")],
    "graphql.parse_and_verify": [("{ a }", "type Query { a: Int }"), ("{ b }", "type Query { a: Int }")],
    "graphql.schema_is_valid": [("type Query { a: Int }",), ("type Query {",), (1,), ("type Query { a: Nope }",), ({"Definitions": [{"Kind": "OBJECT", "Name": "Query", "Fields": [{"Name": "a", "Type": {"NamedType": "Int", "NonNull": True}}]}]},)],
}  # fmt: skip

QUERY_TREE = {
    "Operations": [
        {
            "Operation": "query",
            "Name": "Q",
            "VariableDefinitions": [
                {
                    "Variable": "v",
                    "Type": {"NamedType": "Int", "NonNull": False},
                    "DefaultValue": {"Raw": "1", "Kind": 1},
                    "Used": False,
                }
            ],
            "Directives": [
                {
                    "Name": "skip",
                    "Arguments": [{"Name": "if", "Value": {"Raw": "false", "Kind": 5}}],
                    "Location": "",
                }
            ],
            "SelectionSet": [
                {
                    "Alias": "x",
                    "Name": "a",
                    "Arguments": [
                        {
                            "Name": "l",
                            "Value": {
                                "Kind": 8,
                                "Raw": "",
                                "Children": [{"Name": "", "Value": {"Raw": "v", "Kind": 0}}],
                            },
                        }
                    ],
                },
                {"Name": "F"},
                {
                    "TypeCondition": "Query",
                    "SelectionSet": [
                        {"Alias": "o", "Name": "o", "SelectionSet": [{"Alias": "s", "Name": "s"}]}
                    ],
                },
                {"TypeCondition": "", "SelectionSet": [{"Alias": "a", "Name": "a"}]},
            ],
        }
    ],
    "Fragments": [
        {
            "Name": "F",
            "TypeCondition": "Query",
            "SelectionSet": [
                {
                    "Alias": "i",
                    "Name": "i",
                    "Arguments": [
                        {
                            "Name": "x",
                            "Value": {
                                "Kind": 9,
                                "Raw": "",
                                "Children": [{"Name": "k", "Value": {"Raw": "t", "Kind": 3}}],
                            },
                        }
                    ],
                }
            ],
        }
    ],
}
SCHEMA_TREE = {
    "Schema": [{"Description": "", "OperationTypes": [{"Operation": "query", "Type": "Query"}]}],
    "SchemaExtension": [{"Description": "", "Directives": [{"Name": "d", "Location": ""}]}],
    "Directives": [
        {
            "Name": "d",
            "Description": "",
            "Locations": ["SCHEMA", "FIELD_DEFINITION"],
            "IsRepeatable": True,
            "Arguments": [{"Name": "n", "Description": "", "Type": {"NamedType": "Int", "NonNull": False}}],
        }
    ],
    "Definitions": [
        {
            "Kind": "OBJECT",
            "Name": "Query",
            "Description": "",
            "BuiltIn": False,
            "Interfaces": ["N"],
            "Fields": [
                {
                    "Name": "a",
                    "Description": "",
                    "Type": {"NamedType": "Int", "NonNull": False},
                    "Arguments": [
                        {
                            "Name": "l",
                            "Description": "",
                            "Type": {
                                "NamedType": "",
                                "Elem": {"NamedType": "Int", "NonNull": False},
                                "NonNull": False,
                            },
                        }
                    ],
                },
                {"Name": "o", "Description": "", "Type": {"NamedType": "O", "NonNull": False}},
                {
                    "Name": "i",
                    "Description": "",
                    "Type": {"NamedType": "Int", "NonNull": False},
                    "Arguments": [
                        {
                            "Name": "x",
                            "Description": "",
                            "Type": {"NamedType": "I", "NonNull": False},
                            "DefaultValue": {
                                "Kind": 9,
                                "Raw": "",
                                "Children": [{"Name": "k", "Value": {"Kind": 4, "Raw": "z"}}],
                            },
                        }
                    ],
                    "Directives": [{"Name": "d", "Location": ""}],
                },
            ],
        },
        {
            "Kind": "OBJECT",
            "Name": "O",
            "Description": "",
            "BuiltIn": False,
            "Fields": [{"Name": "s", "Description": "", "Type": {"NamedType": "String", "NonNull": True}}],
        },
        {
            "Kind": "INTERFACE",
            "Name": "N",
            "Description": "",
            "BuiltIn": False,
            "Fields": [
                {
                    "Name": "a",
                    "Description": "",
                    "Type": {"NamedType": "Int", "NonNull": False},
                    "Arguments": [
                        {
                            "Name": "l",
                            "Description": "",
                            "Type": {
                                "NamedType": "",
                                "Elem": {"NamedType": "Int", "NonNull": False},
                                "NonNull": False,
                            },
                        }
                    ],
                }
            ],
        },
        {
            "Kind": "INPUT_OBJECT",
            "Name": "I",
            "Description": "",
            "BuiltIn": False,
            "Fields": [{"Name": "k", "Description": "", "Type": {"NamedType": "String", "NonNull": False}}],
        },
        {"Kind": "UNION", "Name": "U", "Description": "", "BuiltIn": False, "Types": ["O"]},
        {
            "Kind": "ENUM",
            "Name": "E",
            "Description": "",
            "BuiltIn": False,
            "EnumValues": [{"Name": "A", "Description": ""}],
        },
        {"Kind": "SCALAR", "Name": "S", "Description": "", "BuiltIn": False},
    ],
    "Extensions": [
        {
            "Kind": "ENUM",
            "Name": "E",
            "Description": "",
            "BuiltIn": False,
            "EnumValues": [{"Name": "B", "Description": ""}],
        }
    ],
}
FIELD = "type Query { a: Int }"
MORE: dict[str, list[tuple[Any, ...]]] = {
    "graphql.is_valid": [({}, FIELD), ({"Operations": [1]}, FIELD), ("{ a }", {"Definitions": [1]}), ("", FIELD), ("{ a }", "")],
    "graphql.schema_is_valid": [(SCHEMA_TREE,), (FIELD + " " + FIELD,), ("type Query { a: Int @nope }",), ("union U = Query\n" + FIELD,)],
    "graphql.parse_query": [("query { a(x: $) }",), ('{ a(x: "un',), ("query Q($v: Int = $w) { a }",), ('"d" query { a }',), ("subscription { a ... @x { b } }",)],
    "graphql.parse_schema": [("type A {}",), ("extend type A",), ("enum E { }",), ("type A { a: Int = }",)],
    "regex.globs_match": [("a*a*", "a*a*")],
    "providers.aws.sign_req": [({"method": "get", "url": "http://h/a%2Fb"}, {"aws_service": "e", "aws_access_key": "a", "aws_secret_access_key": "b", "aws_region": "r"}, 1)],
    "strings.render_template": [("{{,}}", {}), ("{{print len}}", {}), ("{{.a.b}}", {"a": None}), ("{{slice .l 0 1}}", {"l": ["a", "b"]}), ("{{eq .z 1}}", {})],
    "strings.any_prefix_match": [({}, "a")],
    "yaml.marshal": [({"a010": 1, "a10": 2, "a00": 3, "a1": 4, "b100": 5, "b20": 6, "b2": 7, "1": 8, "a": 9, "c1-": 1, "c10": 2},), ({"x9": 1, "x09": 2, "x1a": 3, "x1-": 4},)],
    "yaml.unmarshal": [("a: [1, 2",), ("!!null x",), ("a: {b: [c]}",), ("? [a]\n: b",)],
    "json.match_schema": [([1], {"patternProperties": {"^b": {}}, "additionalProperties": False}), ({"a": 1}, {"properties": {"a": {}}, "additionalProperties": False}), ({"a": 1}, {"additionalProperties": True}), ({"a": [1.0, 2.5]}, {"properties": {"a": {"items": {"type": "string"}}}}), ({"a": 1}, {"properties": {"a": {"pattern": "x"}}}), ({"a": None}, {"properties": {"a": {"const": 3}}})],
    "json.verify_schema": [({"pattern": "a", "x": [1]},)],
    "io.jwt.decode_verify": [("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdLCJ4IjoxfQ.e30.e30", {"secret": "s"})],
    "json.patch": [({"a": 1}, [{"op": "add", "path": ["k"], "value": 1}])],
    "json.filter": [({"a": {"b": 1}}, ["a/b/c", "a"])],
}  # fmt: skip
for _name, _calls in MORE.items():
    CALLS[_name] = [*CALLS.get(_name, []), *_calls]

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, NotRequired, TypedDict

import pytest

from device_models.typed_json import checked, parse


class Pair(NamedTuple):
    low: int
    high: float = 2.0


@dataclass(frozen=True)
class Named:
    name: str
    pairs: tuple[Pair, ...] = ()


class Header(TypedDict):
    epoch: int
    named: Named
    share: NotRequired[float | None]
    other: NotRequired[Any]


def test_json_becomes_the_declared_types():
    content = parse(
        b'{"epoch": 3, "named": {"name": "x", "pairs": [[1, 2], {"low": 4}]}, "share": null,'
        b' "other": [1], "more": "stays"}'
    )
    assert checked(Header, content, "about") == {
        "epoch": 3,
        "named": Named("x", (Pair(1, 2), Pair(4, 2.0))),
        "share": None,
        "other": [1],
        "more": "stays",
    }
    assert checked(dict[str, float], {"a": 1}, "x") == {"a": 1}
    assert checked(tuple[int, str], [1, "a"], "x") == (1, "a")
    assert math.isnan(checked(float, math.nan, "x", finite=False))


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (int, 1.0, "x must be a whole number, not 1"),
        (int, True, "x must be a whole number, not True"),
        (int, 2**63, "x must be at most 9223372036854775807, not 9223372036854775808"),
        (float, "1", "x must be a number, not '1'"),
        (float, 10**400, "x must be at most 9223372036854775807, not 0x"),
        (float, math.inf, "x must be a finite number, not inf"),
        (bool, 1, "x must be true or false, not 1"),
        (str, None, "x must be text, not None"),
        (float | None, "", "x must be a number, not ''"),
        (tuple[int, ...], {"a": 1}, "x must be a list, not {'a': 1}"),
        (tuple[int, ...], [1, "b"], "x[1] must be a whole number, not 'b'"),
        (tuple[int, str], [1], "x must have 2 items, not 1"),
        (dict[str, int], [], "x must be a mapping, not []"),
        (dict[str, int], {"a": "b"}, "x.a must be a whole number, not 'b'"),
        (Pair, [1, 2.0, 3], "x must have 2 items, not 3"),
        (Pair, {"high": 1.0}, "x lacks low"),
        (Named, {"name": "n", "nmae": 1}, "x has no 'nmae'"),
        (Header, {"epoch": 1}, "x lacks named"),
        (Header, {"epoch": 1, "named": {"name": "n"}, "share": "?"},
         "x.share must be a number, not '?'"),
    ],
)  # fmt: skip
def test_what_is_none_of_it_is_refused_by_name(hint, value, text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # its text is compared
        checked(hint, value, "x")
    assert str(caught.value).startswith(text)


def test_a_very_deep_text_is_one_error():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse("[" * 100_000)

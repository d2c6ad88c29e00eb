"""Damage to files: of bytes, of the words of a text, and of the arrays of an npz file.

Every function takes a `random.Random` and gives the same for the same state of it.
"""

import gzip
import io
import json
import re

import numpy as np
from hypothesis import strategies as st

NUMBERS = (
    "0", "-0", "-1", "1", "1e-320", "4.9e-324", "1e308", "-1e308", "1e999", "nan", "inf", "-inf",
    "NaN", "1e-12", "2147483648", "99999999999999999999", "9" * 400, "0.1", "65536", "1_0", "012",
    "80:20", "1,5", "true", "null", "~", "''",
)  # fmt: skip
WORDS = (
    "", " ", "\t", "\x00", "\x1b[31m", "\u202e", "\ufeff", "\ufffe", "\ud800", '"\\ud800"',
    '"\\u001b[2J"', "&a ", "*a", "!!python/object:os.system ", "<<: *a", "- ", "? ", "[", "{",
    "[[[[[[[[", "{a: " * 40, "[" * 3000, "a" * 5000, ",", ";", '"', "'", "#", "$x^2$", "|", "<b>",
    "../../x", "\r", "\n", "\n\n---\n", "%", "base: oxram.yaml\n", "set", "reset", "{}", "[]",
)  # fmt: skip
TOKEN = re.compile(r"[+-]?\d[\w.+-]*|[A-Za-z_]\w*")
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "uint16", "bool", "complex128", "<U3")


def damaged_bytes(random, content):
    """A file with some bytes changed, lost, doubled, moved or put in."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.choice((1, 1, 2, 8, 64, 1024)))
        match random.randrange(6):
            case 0:
                data[at:end] = random.randbytes(end - at)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * random.choice((1, 2, 50))
            case 3:
                data[at:at] = random.choice(WORDS).encode("utf-8", "surrogatepass")
            case 4 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case _:
                del data[random.randrange(len(data) + 1) :]
    return bytes(data)


def damaged_text(random, content):
    """A text with words, numbers or lines changed; what is no text is damaged by bytes."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return damaged_bytes(random, content)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        text = _changed_line(random, text) if random.random() < 0.3 else _changed_word(random, text)
    return text.encode("utf-8", "surrogatepass")


def _changed_word(random, text):
    """One word or number replaced, by another of the file, a number or a word."""
    tokens = list(TOKEN.finditer(text))
    if not tokens:
        return random.choice(WORDS) + text
    token = random.choice(tokens)
    new = random.choice((random.choice(NUMBERS), random.choice(WORDS), random.choice(tokens)[0]))
    return text[: token.start()] + new + text[token.end() :]


def _changed_line(random, text):
    """One line lost, doubled, moved, indented or replaced."""
    lines = text.split("\n")
    at = random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, random.choice(lines))
        case 2:
            lines.insert(at, lines.pop(random.randrange(len(lines))))
        case 3:
            lines[at] = random.choice((" ", "  ", "\t", "- ")) + lines[at]
        case _:
            lines[at] = random.choice(WORDS)
    return "\n".join(lines)


def mixed(random, content):
    """Damage of any kind; sometimes inside gzip."""
    if random.random() < 0.03:
        return gzip.compress(damaged_text(random, content))
    return (
        damaged_text(random, content) if random.random() < 0.7 else damaged_bytes(random, content)
    )


@np.errstate(all="ignore")
def damaged_array(random, array):
    """An array of another type, shape or content."""
    match random.randrange(8):
        case 0:
            return array.astype(random.choice(DTYPES)) if array.dtype.kind in "fiub" else array[:0]
        case 1:
            return array.ravel()[: random.randrange(array.size + 1)]
        case 2:
            return np.concatenate([array, array]) if array.ndim else np.repeat(array, 3)
        case 3:
            return array[None] if random.random() < 0.5 else array.T
        case 4 if array.dtype.kind == "f" and array.size:
            new = array.copy()
            new.ravel()[random.randrange(array.size)] = float(random.choice(NUMBERS[:11]))
            return new
        case 5 if array.dtype.kind in "iu" and array.size:
            new, info = array.copy(), np.iinfo(array.dtype)
            new.ravel()[random.randrange(array.size)] = random.choice((info.min, info.max, 0, 1))
            return new
        case 6 if array.size:
            return np.roll(array, 1)
        case _:
            return np.zeros(random.choice(((0,), (), (1, 1, 1), (0, 5))), array.dtype)


def damaged_json(random, value):
    """A value of JSON with one part changed, lost or put in."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(sorted(value))
        if random.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: damaged_json(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        if random.random() < 0.2:
            return value[:at] + value[at + 1 :]
        return [*value[:at], damaged_json(random, value[at]), *value[at + 1 :]]
    return random.choice(
        (None, True, 0, -1, 1.5, 2**70, 1e308, float("nan"), float("inf"), "", "\ud800", "x" * 500,
         [], {}, [[]], {"a": 1}, [value], {"x": value}, -0.0, 3, 10**30)
    )  # fmt: skip


def _damaged_header(random, content):
    """A header of JSON with a part changed; one that is none any more is damaged by bytes."""
    try:
        return json.dumps(damaged_json(random, json.loads(content))).encode()
    except ValueError:
        return damaged_bytes(random, content)


def damaged_npz(random, content, seal=None):
    """An npz file with an array or its header of JSON changed, or its bytes.

    Args:
        random: Decides.
        content: A whole file.
        seal: Arrays -> arrays with the checksum that belongs to them.
    """
    if random.random() < 0.15:
        return damaged_bytes(random, content)
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice(sorted(arrays))
        if name == "about" and random.random() < 0.9:
            arrays[name] = np.frombuffer(_damaged_header(random, arrays[name].tobytes()), np.uint8)
        elif random.random() < 0.1:
            del arrays[name]
        elif random.random() < 0.1:
            arrays[name + "x"] = arrays.pop(name)
        else:
            arrays[name] = damaged_array(random, arrays[name])
        if not arrays:
            break
    file = io.BytesIO()
    np.savez(file, **(seal(arrays) if seal else arrays))
    return file.getvalue()


# Files that no mutation reaches: hypothesis builds them from nothing, and shrinks what it finds.
scalars = st.sampled_from([*NUMBERS, *WORDS]) | st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(scalars, inner, max_size=3),
    max_leaves=8,
)
tables = st.lists(st.lists(scalars, min_size=1, max_size=4).map(",".join), max_size=6).map(
    "\n".join
)
texts = tables | st.lists(st.tuples(scalars, scalars).map(": ".join), max_size=6).map("\n".join)
contents = (
    st.binary(max_size=64)
    | texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | values.map(lambda value: json.dumps(value).encode())
)

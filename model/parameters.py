"""Parameters of a network: the weights and biases, their file format and their fingerprint.

A parameter file is JSON in UTF-8, one object. It has the three keys that Nielsen's
``network2.save`` writes, so that either side's files load on the other:

- ``sizes``: the number of units of every layer, input first, e.g. ``[784, 20, 10]``;
- ``weights``: for every layer after the input a list of rows, one row for each of its units,
  one number for each unit of the layer before: shape (sizes[l+1], sizes[l]);
- ``biases``: for every layer after the input a column, ``[[b], [b], ...]``: (sizes[l+1], 1).

``format`` names the version of this layout, and ``fingerprint`` the network, so that a number that
was changed on the way is noticed; both may be absent (Nielsen's own files lack them). Every other
key (Nielsen's ``cost``; our ``seed``, ``eta``, ``accuracy``, ...) is metadata: kept, never
interpreted here. Nothing in a file is ever executed or looked up as a name.

Files are written with one row of weights on a line and metadata sorted by key, numbers as
the shortest decimal that reads back as the same float64. Equal parameters with equal metadata
are equal bytes, and two files can be compared by ``diff``.
"""

import errno
import hashlib
import itertools
import json
import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import write_atomically
from model.printable import printable

FORMAT = "jalebi-1"
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_LAYERS = 100
MAX_UNITS = 65_536
# A number and its comma take 26 characters at most: MAX_PARAMETERS of them and MAX_OTHER_BYTES
# always fit in MAX_FILE_BYTES, and no hostile file needs more than some 500 MB to be refused.
MAX_PARAMETERS = 1_000_000
MAX_OTHER_BYTES = 1024 * 1024  # of what is not weights or biases

_NETWORK_KEYS = ("sizes", "weights", "biases")
_RESERVED_KEYS = ("format", "fingerprint", *_NETWORK_KEYS)
# Numbers in brackets, and what may wrongly stand for a number: NaN, Infinity, null, true, false.
_LAYERS = re.compile(r'"(?:weights|biases)"\s*:\s*\[[-+0-9.eE,\s\[\]NaInfitylursb]*')
_UNREAD = {
    errno.ENOENT: "no such file; expected a parameter file such as model/train.json",
    errno.EACCES: "no permission to read it; expected a readable file, see ls -l",
}


@dataclass(frozen=True, init=False, eq=False)
class Parameters:
    """The weights and biases of one network, checked and read-only; ValueError says what is wrong.

    Two are compared by their `fingerprint`; ``==`` is identity.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first: two or more layers, each of one unit or more.
    weights : sequence of ndarray of shape (sizes[l+1], sizes[l])
        One for each layer after the input; arrays or lists of rows. Copied.
    biases : sequence of ndarray of shape (sizes[l+1], 1)
        One column for each; arrays or lists of rows. Copied.
    metadata : mapping of str to JSON values, optional
        Anything else that a file should hold: seed, eta, accuracy, ... Copied.
    """

    sizes: tuple[int, ...]
    weights: tuple[np.ndarray, ...] = field(repr=False)
    biases: tuple[np.ndarray, ...] = field(repr=False)
    metadata: dict[str, Any]

    def __init__(
        self,
        sizes: Sequence[int],
        weights: Sequence[Any],
        biases: Sequence[Any],
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        sizes = check_sizes(sizes)
        checked = {
            "sizes": sizes,
            "weights": _layers("weights", weights, sizes, sizes[:-1]),
            "biases": _layers("biases", biases, sizes, [1] * (len(sizes) - 1)),
            "metadata": _checked({} if metadata is None else metadata),
        }
        for name, value in checked.items():  # frozen: its own constructor has to go round that
            object.__setattr__(self, name, value)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Parameters":
        """Read parameters from a JSON file, ours or one of Nielsen's ``network2.save``.

        Every number comes back bit for bit as the file states it, other keys as ``metadata``.
        OSError or ValueError, one line, says where the file is wrong.
        """
        content = _read(Path(path))
        try:
            document = _parse(content)
            if not isinstance(document, dict) or not document.keys() >= {*_NETWORK_KEYS}:
                found = describe(document)
                if isinstance(document, dict):
                    found = ", ".join(_quote(key) for key in list(document)[:8]) or "none"
                keys = ", ".join(_NETWORK_KEYS)
                raise ValueError(f"expected a JSON object with the keys {keys}, received {found}")
            if (version := document.get("format", FORMAT)) != FORMAT:
                raise ValueError(
                    f"format: expected {_quote(FORMAT)}, received {describe(version)}; "
                    f"a newer version of jalebi may have written it"
                )
            metadata = {key: document[key] for key in document if key not in _RESERVED_KEYS}
            _check_room(len(json.dumps(metadata, ensure_ascii=False)))  # nor "weights" within it
            result = cls(document["sizes"], document["weights"], document["biases"], metadata)
            if (stated := document.get("fingerprint", result.fingerprint)) != result.fingerprint:
                raise ValueError(
                    f"fingerprint: the weights and biases have {result.fingerprint}, the file says "
                    f"{describe(stated)}: a number in it was changed"
                )
        except (ValueError, RecursionError) as error:  # lists within lists, thousands of them
            advice = "restore the file or save the network again"
            raise ValueError(f"{path}: {error}; {advice}") from None
        return result

    @classmethod
    def of(cls, model: Any) -> "Parameters":
        """Those of a Network of either backend, or of a file; Parameters as they are."""
        if isinstance(model, cls):
            return model
        if isinstance(model, str | os.PathLike):
            return cls.load(model)
        return cls(model.sizes, *model.export())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to a JSON file, all of it or nothing, replacing one that exists.

        OSError where it cannot be written; ValueError for metadata that are no JSON values, or
        more than `load` admits.
        """
        metadata = _checked(self.metadata)
        keys = {"format": FORMAT, "sizes": self.sizes, "fingerprint": self.fingerprint}
        keys |= {key: metadata[key] for key in sorted(metadata)}
        lines = [f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in keys.items()]
        lines += [f'"weights": {_rows(self.weights)}', f'"biases": {_rows(self.biases)}']
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        _check_room(len(_LAYERS.sub("", text)))  # load would refuse it
        write_atomically(path, text.encode("ascii"))

    def __repr__(self) -> str:
        """The layers and the fingerprint: a notebook's line, not 15,910 numbers."""
        return f"Parameters({'-'.join(map(str, self.sizes))}, fingerprint {self.fingerprint[:16]})"

    def _repr_html_(self) -> str:
        """The same as a table, with what else the file says in a word or a number."""
        told = {"sizes": list(self.sizes), "fingerprint": self.fingerprint[:16], **self.metadata}
        rows = [(k, v) for k, v in told.items() if not isinstance(v, dict | list) or k == "sizes"]
        cells = ((escape(printable(k, 40)), escape(printable(v, 70))) for k, v in rows)
        return f"<table>{''.join(f'<tr><th>{k}</th><td>{v}</td></tr>' for k, v in cells)}</table>"

    @property
    def fingerprint(self) -> str:
        """SHA-256 (64 hexadecimal digits) of sizes, weights and biases: the network's name.

        The bytes that are hashed, in this order, with nothing before, between or after:

        1. ``sizes``, each as a little-endian signed 64-bit integer (8 bytes);
        2. for every layer after the input, first to last: ``weights[l]`` row by row, then
           ``biases[l]`` top to bottom, each number as a little-endian float64 (8 bytes),
           with -0.0 written as 0.0.

        So a 784-20-10 network is 24 + 8 * (15,680 + 20 + 200 + 10) = 127,304 bytes. Metadata
        are no part of it.

        Two networks have equal fingerprints if and only if they have the same sizes and every
        weight and bias compares equal (==). -0.0 and 0.0 do: no activation, cost or gradient can
        tell one from the other, and which of the two a sum of zeros gives depends on the order of
        summation. Files keep the sign.
        """
        sizes = (units.to_bytes(8, "little", signed=True) for units in self.sizes)
        digest = hashlib.sha256(b"".join(sizes))
        for layer in zip(self.weights, self.biases, strict=True):
            for v in layer:  # adding 0.0 turns -0.0 into 0.0 and leaves every other number as it is
                digest.update((v + 0.0).astype("<f8").tobytes())
        return digest.hexdigest()


def _rows(layers: Sequence[np.ndarray]) -> str:
    """Weights or biases as a file has them, one row on a line."""
    texts = (",\n".join(map(json.dumps, layer.tolist())) for layer in layers)
    return "[\n" + ",\n".join(f"[\n{text}\n]" for text in texts) + "\n]"


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Return the sizes of a network as a tuple of int, or raise ValueError if none has them."""
    if isinstance(sizes, np.ndarray):
        sizes = sizes.tolist()
    if not isinstance(sizes, list | tuple) or not 2 <= len(sizes) <= MAX_LAYERS:
        raise ValueError(
            f"sizes: expected a list of 2 to {MAX_LAYERS} whole numbers such as [784, 20, 10], "
            f"received {describe(sizes)}"
        )
    for layer, units in enumerate(sizes):
        if not is_whole(units) or not 1 <= units <= MAX_UNITS:
            raise ValueError(
                f"sizes[{layer}]: expected a whole number from 1 to {MAX_UNITS:,}, "
                f"received {describe(units)}"
            )
    checked = tuple(int(units) for units in sizes)
    count = sum(n_out * (n_in + 1) for n_in, n_out in itertools.pairwise(checked))
    if count > MAX_PARAMETERS:
        raise ValueError(
            f"sizes: expected at most {MAX_PARAMETERS:,} weights and biases in all, "
            f"received {count:,}"
        )
    return checked


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, which true and 3.0 are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def describe(value: Any) -> str:
    """Say in a few words what was received, however large it is, for the line of an error."""
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a dict (JSON object)"
    if type(value) is int and value.bit_length() > 64:
        return f"a whole number of {value.bit_length()} bits"
    if value is None or type(value) in (bool, int, float):
        return repr(value) if isinstance(value, float) else json.dumps(value)
    return type(value).__name__


def _layers(
    name: str, layers: Any, sizes: tuple[int, ...], columns: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """Copy the weights or biases of all layers, or refuse them."""
    if not isinstance(layers, list | tuple) or len(layers) != len(columns):
        raise ValueError(
            f"{name}: expected a list of {len(columns)} layers for sizes {list(sizes)}, "
            f"received {describe(layers)}"
        )
    shapes = zip(sizes[1:], columns, strict=True)
    each = enumerate(zip(layers, shapes, strict=True))
    return tuple(_matrix(layer, shape, f"{name}[{k}]") for k, (layer, shape) in each)


def _matrix(values: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """Copy one layer's numbers into a read-only float64 array of exactly this shape."""
    # As objects, lists keep their types: NumPy would read "1.5" and true as numbers, null as NaN.
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    if array.shape != shape:
        received = f"shape {array.shape}" if array.ndim else describe(values)
        raise ValueError(
            f"{where}: expected shape {shape}, rows of one length, received {received}"
        )
    if array.dtype.kind in "iuf" and np.can_cast(array.dtype, np.float64):
        finite = np.isfinite(array)
    else:
        finite = np.fromiter(map(_is_finite, array.flat), bool).reshape(shape)
    for row, column in np.argwhere(~finite):
        raise ValueError(
            f"{where}, row {row}, column {column}: expected a finite number (float64, up to "
            f"1.8e308), received {describe(array.tolist()[row][column])}"
        )
    matrix = np.array(array, dtype=np.float64, order="C", subok=False)
    matrix.flags.writeable = False
    return matrix


def _is_finite(value: Any) -> bool:
    """Whether an entry is a number that float64 can hold."""
    number = is_whole(value) or isinstance(value, float | np.float32)
    return number and bool(abs(value) <= sys.float_info.max)


def _checked(metadata: Any) -> dict[str, Any]:
    """Copy metadata as a file would give them back, refusing what it cannot hold."""
    if not isinstance(metadata, Mapping):
        raise ValueError(f"metadata: expected a dict, received {describe(metadata)}")
    for key in _RESERVED_KEYS:
        if key in metadata:
            raise ValueError(f"metadata: the key {_quote(key)} is reserved; choose another name")
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"metadata: expected what JSON can hold: {error}") from None
    return copied


def _parse(content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")  # Windows editors put a byte order mark in front
        # Before anything is made of it: brackets and keys take far more memory than the file has.
        _check_room(len(_LAYERS.sub("", text)))
        if text.count("[") > 2 * MAX_PARAMETERS:  # a row of weights and one of biases for each unit
            raise ValueError(f"expected at most {2 * MAX_PARAMETERS:,} lists, received more")
        return json.loads(text, object_pairs_hook=_object)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"expected a JSON object in UTF-8: {error}") from None


def _check_room(other: int) -> None:
    if other > MAX_OTHER_BYTES:
        raise ValueError(
            f"expected at most {MAX_OTHER_BYTES:,} bytes beside the numbers of weights and biases, "
            f"received {other:,}"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; a key that stands twice would silently hide the first value."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {_quote(key)} stands twice; expected it once")
        result[key] = value
    return result


def _read(path: Path) -> bytes:
    try:
        status = os.stat(path)
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
            with open(path, "rb") as file:
                return file.read(MAX_FILE_BYTES)
    except OSError as error:
        why = _UNREAD.get(error.errno or 0, f"cannot be read: {error.strerror}")
        raise type(error)(f"{path}: {why}") from None
    received = f"{status.st_size:,} bytes"
    if not stat.S_ISREG(status.st_mode):
        received = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
    expected = f"expected a file of at most {MAX_FILE_BYTES:,} bytes"
    raise OSError(f"{path}: {expected}, received {received}")


def _quote(text: str) -> str:
    return json.dumps(text if len(text) <= 64 else text[:40] + "...")

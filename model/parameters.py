"""Parameters of a network: the weights and biases, their file format and their fingerprint.

A parameter file is JSON in UTF-8, one object. It has the three keys that Nielsen's
``network2.save`` writes, so that either side's files load on the other:

- ``sizes``: the number of units of every layer, input first, e.g. ``[784, 20, 10]``;
- ``weights``: for every layer after the input a list of rows, one row for each of its units,
  one number for each unit of the layer before: shape (sizes[l+1], sizes[l]);
- ``biases``: for every layer after the input a column, ``[[b], [b], ...]``: (sizes[l+1], 1).

``format`` names the version of this layout; it may be absent (Nielsen's own files lack it).
Every other key (Nielsen's ``cost``; our ``seed``, ``eta``, ``accuracy``, ...) is metadata: kept,
never interpreted here. Nothing in a file is ever executed or looked up as a name.

Files are written with one row of weights on a line and metadata sorted by key, numbers as
the shortest decimal that reads back as the same float64. Equal parameters with equal metadata
are equal bytes, and two files can be compared by ``diff``.
"""

import hashlib
import itertools
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from model.atomic_write import write_atomically

FORMAT = "jalebi-1"
MAX_LAYERS = 100
MAX_UNITS = 65_536
# A number and its comma take 26 characters at most, so that a network of MAX_PARAMETERS always
# fits in a file of MAX_FILE_BYTES. Both are small enough that no hostile file, whatever it
# nests, needs more than about 1.5 GB to be parsed and refused.
MAX_PARAMETERS = 1_000_000
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_METADATA_DEPTH = 20

_NETWORK_KEYS = ("sizes", "weights", "biases")
_RESERVED_KEYS = ("format", *_NETWORK_KEYS)
# More digits than any float64 has before its decimal point: such an integer is read as infinity.
_MAX_DIGITS = 400
_NUMBERS = (int, float, np.integer, np.floating)


@dataclass(frozen=True, init=False, eq=False)
class Parameters:
    """The weights and biases of one network, checked and read-only.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first: two or more layers, each of one unit or more.
    weights : sequence of ndarray of shape (sizes[l+1], sizes[l])
        One for each layer after the input; arrays or lists of rows. Copied.
    biases : sequence of ndarray of shape (sizes[l+1], 1)
        One column for each layer after the input; arrays or lists of rows. Copied.
    metadata : mapping of str to JSON values, optional
        Anything else that a file should hold: seed, eta, accuracy, ... Copied.

    Raises
    ------
    ValueError
        One line that says where the parameters are wrong, what was expected and received.

    Notes
    -----
    Two `Parameters` are compared by their `fingerprint`; ``==`` is identity.
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
        weight_shapes = [(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)]
        bias_shapes = [(units, 1) for units in sizes[1:]]
        # The class is frozen: its own constructor, too, has to go round __setattr__.
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "weights", _layers(weights, weight_shapes, "weights", sizes))
        object.__setattr__(self, "biases", _layers(biases, bias_shapes, "biases", sizes))
        object.__setattr__(
            self, "metadata", _checked_metadata({} if metadata is None else metadata)
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Parameters":
        """Read parameters from a JSON file, ours or one of Nielsen's ``network2.save``.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        Parameters
            Every number bit for bit as the file states it; other keys in ``metadata``.

        Raises
        ------
        OSError
            The file is absent, a folder, not readable.
        ValueError
            The file is damaged or too large, or what it holds is no network: one line with
            the file, the key, layer, row and column, what was expected and what was received.

        Source
        ------
        Nielsen, Neural Networks and Deep Learning, chapter 3, ``network2.load``.
        """
        path = Path(path)
        content = _read(path)
        try:
            return cls._from_json(_parse(content))
        except ValueError as error:
            raise ValueError(
                f"{path}: {error}; restore the file or save the network again"
            ) from None

    @classmethod
    def _from_json(cls, document: Any) -> "Parameters":
        _check_keys(document)
        _check_format(document.get("format", FORMAT))
        metadata = {key: document[key] for key in document if key not in _RESERVED_KEYS}
        return cls(document["sizes"], document["weights"], document["biases"], metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to a JSON file, all of it or nothing.

        Parameters
        ----------
        path : str or path
            The file, replaced if it exists. Its folder must exist.

        Raises
        ------
        OSError
            The folder is absent or not writable, the disk is full, `path` is a folder.
        ValueError
            The metadata are not JSON values, or the file would be larger than `load` admits.
        """
        content = self._to_json().encode("ascii")
        if len(content) > MAX_FILE_BYTES:
            raise ValueError(
                f"{path}: the file would have {len(content):,} bytes, more than the limit of "
                f"{MAX_FILE_BYTES:,}; keep less in its metadata"
            )
        write_atomically(path, content)

    def _to_json(self) -> str:
        metadata = _checked_metadata(self.metadata)
        lines = [f'"format": {json.dumps(FORMAT)}', f'"sizes": {json.dumps(self.sizes)}']
        lines += [
            f"{json.dumps(key)}: {json.dumps(metadata[key], sort_keys=True)}"
            for key in sorted(metadata)
        ]
        lines += [f'"weights": {_rows(self.weights)}', f'"biases": {_rows(self.biases)}']
        return "{\n" + ",\n".join(lines) + "\n}\n"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the sizes and of every weight and bias: the name of this network.

        The bytes that are hashed, in this order, with nothing before, between or after:

        1. ``sizes``, each as a little-endian signed 64-bit integer (8 bytes);
        2. for every layer after the input, first to last: ``weights[l]`` row by row, then
           ``biases[l]`` top to bottom, each number as a little-endian float64 (8 bytes),
           with -0.0 written as 0.0.

        So a 784-20-10 network is 24 + 8 * (15,680 + 20 + 200 + 10) = 127,304 bytes. Metadata
        are no part of it.

        Two networks have equal fingerprints if and only if they have the same sizes and every
        weight and bias compares equal (==). Nothing less: one bit of one weight changes it. And
        nothing more: -0.0 and 0.0 are the same number, no activation, cost or gradient can
        tell one from the other, and which of the two a sum of zeros gives depends on the
        order of summation. Files keep the sign; the fingerprint does not see it.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        digest = hashlib.sha256(np.array(self.sizes, dtype="<i8").tobytes())
        for w, b in zip(self.weights, self.biases, strict=True):
            for array in (w, b):
                # Adding 0.0 turns -0.0 into 0.0 and leaves every other number as it is.
                digest.update((array + 0.0).astype("<f8").tobytes())
        return digest.hexdigest()


def check_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Check the sizes of a network and return them as a tuple of int.

    Parameters
    ----------
    sizes : sequence of int
        Units of every layer, input first.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        Not a list of whole numbers, fewer than two layers, a layer without units, or more
        layers, units or weights than MAX_LAYERS, MAX_UNITS, MAX_PARAMETERS.
    """
    if isinstance(sizes, np.ndarray):
        sizes = sizes.tolist()
    if not isinstance(sizes, list | tuple):
        raise ValueError(
            f"sizes: expected a list of whole numbers such as [784, 20, 10], "
            f"received {describe(sizes)}"
        )
    if not 2 <= len(sizes) <= MAX_LAYERS:
        raise ValueError(f"sizes: expected 2 to {MAX_LAYERS} layers, received {len(sizes)}")
    for layer, units in enumerate(sizes):
        _check_units(layer, units)
    checked = tuple(int(units) for units in sizes)
    count = sum(n_out * (n_in + 1) for n_in, n_out in itertools.pairwise(checked))
    if count > MAX_PARAMETERS:
        raise ValueError(
            f"sizes: expected at most {MAX_PARAMETERS:,} weights and biases in all, "
            f"received {count:,}"
        )
    return checked


def describe(value: Any) -> str:
    """Say in a few words what was received, however large it is, for the line of an error.

    Parameters
    ----------
    value : anything
        What stood where something else was expected.

    Returns
    -------
    str
        One line of at most some 60 characters.
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a dict (JSON object)"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a whole number of {value.bit_length()} bits"
    if type(value) in (int, float):
        return repr(value)
    return type(value).__name__


def _check_units(layer: int, units: Any) -> None:
    whole = isinstance(units, int | np.integer) and not isinstance(units, bool)
    if not whole or not 1 <= units <= MAX_UNITS:
        raise ValueError(
            f"sizes[{layer}]: expected a whole number from 1 to {MAX_UNITS:,}, "
            f"received {describe(units)}"
        )


def _layers(
    layers: Any, shapes: list[tuple[int, int]], name: str, sizes: tuple[int, ...]
) -> tuple[np.ndarray, ...]:
    if not isinstance(layers, list | tuple):
        raise ValueError(
            f"{name}: expected a list of layers, {_count(len(shapes), 'layer')} for sizes "
            f"{list(sizes)}, received {describe(layers)}"
        )
    if len(layers) != len(shapes):
        raise ValueError(
            f"{name}: expected {_count(len(shapes), 'layer')} for sizes {list(sizes)}, "
            f"received {len(layers)}"
        )
    return tuple(
        _matrix(layer, shape, f"{name}[{index}]")
        for index, (layer, shape) in enumerate(zip(layers, shapes, strict=True))
    )


def _matrix(values: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    """Copy one layer's numbers into a read-only float64 array of exactly this shape."""
    if isinstance(values, np.ndarray):
        _check_array(values, shape, where)
        matrix = np.array(values, dtype=np.float64, order="C", subok=False)
    else:
        matrix = _from_rows(values, shape, where)
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        _refuse_number(float(matrix[row, column]), int(row), int(column), where)
    matrix.flags.writeable = False
    return matrix


def _check_array(values: np.ndarray, shape: tuple[int, int], where: str) -> None:
    if values.dtype.kind not in "iuf" or not np.can_cast(values.dtype, np.float64):
        raise ValueError(
            f"{where}: expected numbers that float64 can hold, received dtype {values.dtype}"
        )
    if values.shape != shape:
        raise ValueError(f"{where}: expected shape {shape}, received {values.shape}")


def _from_rows(rows: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    _check_rows(rows, shape, where)
    # NumPy would read "1.5" and true as numbers and null as NaN: the types are checked first.
    if not set().union(*(map(type, row) for row in rows)) <= {float, int}:
        _check_numbers(rows, where)
    try:
        return np.array(rows, dtype=np.float64)
    except OverflowError:
        _check_numbers(rows, where)
        raise


def _check_rows(rows: Any, shape: tuple[int, int], where: str) -> None:
    if not isinstance(rows, list | tuple):
        raise ValueError(
            f"{where}: expected a list of {_count(shape[0], 'row')}, received {describe(rows)}"
        )
    if len(rows) != shape[0]:
        raise ValueError(f"{where}: expected {_count(shape[0], 'row')}, received {len(rows)}")
    for index, row in enumerate(rows):
        if not isinstance(row, list | tuple):
            raise ValueError(
                f"{where}, row {index}: expected a list of {_count(shape[1], 'number')}, "
                f"received {describe(row)}"
            )
        if len(row) != shape[1]:
            raise ValueError(
                f"{where}, row {index}: expected {_count(shape[1], 'number')}, received {len(row)}"
            )


def _check_numbers(rows: Iterable[Iterable[Any]], where: str) -> None:
    """Find the first entry that is no number, or one that float64 cannot hold."""
    for row_index, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, bool) or not isinstance(value, _NUMBERS):
                _refuse_number(value, row_index, column, where)
            try:
                float(value)
            except OverflowError:
                _refuse_number(value, row_index, column, where)


def _refuse_number(value: Any, row: int, column: int, where: str) -> None:
    raise ValueError(
        f"{where}, row {row}, column {column}: expected a finite number (float64, up to 1.8e308), "
        f"received {describe(value)}"
    )


def _check_keys(document: Any) -> None:
    expected = ", ".join(_NETWORK_KEYS)
    if not isinstance(document, dict):
        raise ValueError(
            f"expected a JSON object with the keys {expected}, received {describe(document)}"
        )
    missing = [key for key in _NETWORK_KEYS if key not in document]
    if missing:
        found = ", ".join(_quote(key) for key in list(document)[:8]) or "none"
        raise ValueError(
            f"missing {'key' if len(missing) == 1 else 'keys'} {', '.join(missing)}: "
            f"expected {expected}, received {found}"
        )


def _check_format(version: Any) -> None:
    if version != FORMAT:
        raise ValueError(
            f"format: expected {_quote(FORMAT)}, received {describe(version)}; "
            f"a newer version of jalebi may have written it"
        )


def _checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(metadata, Mapping):
        raise ValueError(f"metadata: expected a dict, received {describe(metadata)}")
    for key in _RESERVED_KEYS:
        if key in metadata:
            raise ValueError(f"metadata: the key {_quote(key)} is reserved; choose another name")
    return _plain(dict(metadata), "metadata", MAX_METADATA_DEPTH)


def _plain(value: Any, where: str, depth: int) -> Any:
    """Copy a JSON value, refusing what would not read back as the same value."""
    if depth == 0:
        raise ValueError(f"metadata: expected at most {MAX_METADATA_DEPTH} levels of nesting")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{where}: expected keys of text, received {describe(key)}")
        return {k: _plain(v, f"{where}[{_quote(k)}]", depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, f"{where}[{i}]", depth - 1) for i, v in enumerate(value)]
    if value is None or type(value) in (bool, str) or _is_plain_number(value):
        return value
    raise ValueError(
        f"{where}: expected text, a finite number, true, false, null, a list or a dict, "
        f"received {describe(value)}"
    )


def _is_plain_number(value: Any) -> bool:
    if type(value) is int:
        return value.bit_length() < 3 * _MAX_DIGITS  # fewer digits than reading would refuse
    return type(value) is float and bool(np.isfinite(value))


def _parse(content: bytes) -> Any:
    if not content:
        raise ValueError("the file is empty; expected a JSON object")
    try:
        text = content.decode("utf-8-sig")  # Windows editors put a byte order mark in front
    except UnicodeDecodeError as error:
        raise ValueError(f"expected JSON in UTF-8, received other bytes at {error.start}") from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except RecursionError:
        raise ValueError("expected lists three levels deep, received far deeper nesting") from None
    except json.JSONDecodeError as error:
        raise ValueError(_json_fault(text, error)) from None


def _json_fault(text: str, error: json.JSONDecodeError) -> str:
    whole = text.strip()
    broken_off = error.pos >= len(text.rstrip()) or not whole.endswith("}")
    if whole.startswith("{") and broken_off:
        return f"expected a whole JSON object, but the file breaks off in line {error.lineno}"
    return (
        f"expected JSON, received something else at line {error.lineno}, "
        f"column {error.colno} ({error.msg})"
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; a key that stands twice would silently hide the first value."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {_quote(key)} stands twice; expected it once")
        result[key] = value
    return result


def _integer(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits, with a text that names no place.
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


def _read(path: Path) -> bytes:
    try:
        _check_file(path, os.stat(path))
        with open(path, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: no such file; expected a parameter file such as model/train.json"
        ) from None
    except PermissionError:
        raise PermissionError(
            f"{path}: no permission to read it; expected a readable file, see ls -l"
        ) from None
    except OSError as error:
        if error.strerror is None:  # already one of our own lines
            raise
        raise type(error)(f"{path}: cannot be read: {error.strerror}") from None


def _check_file(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path}: expected a parameter file, received a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"{path}: expected a parameter file, received a pipe or device")
    if status.st_size > MAX_FILE_BYTES:
        raise ValueError(
            f"{path}: expected at most {MAX_FILE_BYTES:,} bytes, received {status.st_size:,}; "
            f"is this a parameter file?"
        )


def _rows(layers: Sequence[np.ndarray]) -> str:
    return "[\n" + ",\n".join(_layer_rows(layer) for layer in layers) + "\n]"


def _layer_rows(layer: np.ndarray) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in layer.tolist()) + "\n]"


def _quote(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else text[:40] + "...")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""A network in a file: the JSON of the book's network2, with a format and a fingerprint."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from threading import get_ident
from types import SimpleNamespace
from typing import Any

import numpy as np

from reference.arithmetic import Float64
from reference.checks import FORMAT, MAX_FILE_BYTES, fingerprint, rows

REMEDY = "restore the file or save the network again"


def save(net: Any, path: str | os.PathLike[str]) -> None:
    """Write the network to a JSON file, all of it or nothing, replacing one that exists."""
    weights, biases = net.export()
    if not all(np.isfinite(v).all() for v in (*weights, *biases)):
        raise ValueError(f"{path}: weights and biases to save are finite numbers; train anew")
    lines = [f'"format": "{FORMAT}"', f'"sizes": {json.dumps(net.sizes)}']
    lines += [f'"fingerprint": "{fingerprint(net.sizes, weights, biases)}"']
    lines += [f'"weights": {rows(weights)}', f'"biases": {rows(biases)}']
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if len(text) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: more than {MAX_FILE_BYTES:,} bytes would not load again")
    whole = Path(os.path.realpath(path))  # a link to a file stays one
    _refuse_no_file(path)
    part = whole.with_name(f".jalebi-{os.getpid()}-{get_ident()}.part")
    try:
        with part.open("x", encoding="ascii") as file:
            if whole.exists():
                part.chmod(stat.S_IMODE(whole.stat().st_mode))
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, whole)
    finally:
        part.unlink(missing_ok=True)


def load(cls: Any, path: str | os.PathLike[str], arithmetic: Float64 = Float64()) -> Any:
    """Return the network that a JSON file holds, ours or one of the book's network2."""
    _refuse_no_file(path)
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        layers = {key: [*map(_matrix, found[key])] for key in ("weights", "biases")}
        name = fingerprint(found["sizes"], **layers)
        for key, expected in (("format", FORMAT), ("fingerprint", name)):
            if found.get(key, expected) != expected:
                raise ValueError(f"{key}: expected {expected}, received {found[key]!r:.80}")
        return cls.from_parameters(SimpleNamespace(sizes=found["sizes"], **layers), arithmetic)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        why = "expected a JSON object with the lists sizes, weights, biases"
        why = str(error) if isinstance(error, ValueError) else why
        raise ValueError(f"{path}: {why}; {REMEDY}") from None


def _refuse_no_file(path: str | os.PathLike[str]) -> None:
    """Raise OSError where there is a folder, a pipe or a device, which nothing may replace."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path}: expected the name of a file, received a folder, pipe or device")
    if os.path.exists(path) and os.path.getsize(path) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: more than {MAX_FILE_BYTES:,} bytes are no network; {REMEDY}")


def _matrix(rows: Any) -> np.ndarray:
    v = np.array(rows, dtype=object)  # as objects they keep their types: true is no number
    if v.ndim != 2 or {*map(type, v.flat)} - {int, float} or not np.isfinite(v.astype(float)).all():
        raise ValueError("expected finite numbers in rows of one length, a matrix for each layer")
    return v.astype(np.float64)

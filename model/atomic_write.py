"""Files are written whole or not at all, whenever the writer is stopped."""

import contextlib
import os
import secrets
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file, all of it or nothing, and return its path.

    The bytes go to a new file beside it, which takes its place only once it is safely on the disk:
    at every moment `path` holds the old file or the new one. A failure leaves no second file
    behind; only a killed process or a power cut can (``.NAME.*.tmp``).

    Parameters
    ----------
    path : str or path
        The file, replaced if it exists. Its folder must exist.
    content : bytes

    Raises
    ------
    OSError
        The folder is absent or not writable, the disk is full, `path` is a folder.
    """
    target = Path(os.path.realpath(path))  # behind a link its target is replaced, not the link
    check_target(target)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException as error:  # Ctrl-C as well: nothing is left behind
        with contextlib.suppress(OSError):
            beside.unlink()
        if not isinstance(error, OSError):
            raise
        raise type(error)(
            f"{target}: cannot be written: {error.strerror}; what stood there is untouched; "
            f"make room or choose another place"
        ) from None
    _sync_folder(target.parent)
    return Path(path)


def check_target(path: Path) -> None:
    """Raise OSError unless a file of this name can be written, before any work is put into it.

    Parameters
    ----------
    path : Path
        The file to write, which may exist.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file to write, received a folder")
    if not path.parent.exists():
        raise FileNotFoundError(
            f"{path}: the folder does not exist; make it first: mkdir -p {path.parent}"
        )
    if not path.parent.is_dir():
        raise NotADirectoryError(f"{path}: expected a folder, but {path.parent} is a file")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path}: no permission to write in {path.parent}; choose another")


def _sync_folder(folder: Path) -> None:
    """Put the new name itself on the disk, on systems where a folder can be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

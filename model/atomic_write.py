"""Files are written whole or not at all, whenever the writer is stopped, and by one run at a time.

Beside `NAME` lie, for a moment, `.jalebi-HASH.tmp` with what will replace it, and, while a run
holds it, `.jalebi-HASH.lock`. What a killed process leaves of them, the next one takes away.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there all can be computed, and nothing written
    fcntl = None  # type: ignore[assignment]


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file, all of it or nothing, with the mode of the one it replaces; return its path.

    The bytes go to a new file beside it, which takes its place only once it is safely on the disk:
    at every moment `path` holds the old file or the new one. OSError says why it cannot be.
    """
    target = Path(os.path.realpath(path))  # behind a link its target is replaced, not the link
    check_target(target)
    beside = _hidden(target, "tmp")
    with _said(target), _opened_alone(beside) as descriptor:
        try:
            if target.exists():
                os.fchmod(descriptor, target.stat().st_mode & 0o777)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            os.fsync(descriptor)
            os.replace(beside, target)
        except BaseException:  # Ctrl-C as well: nothing is left behind
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    with contextlib.suppress(OSError):  # the new name itself, on systems that can sync a folder
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return Path(path)


@contextlib.contextmanager
def sole_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a file against every other run that would write it; a dead process holds nothing."""
    check_target(path)
    target = Path(os.path.realpath(path))
    beside = _hidden(target, "lock")
    with contextlib.ExitStack() as held:
        with _said(target):
            held.enter_context(_opened_alone(beside, wait=False))
        held.callback(beside.unlink, missing_ok=True)  # while it is held: nobody else's goes
        yield


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise OSError unless a file of this name can be written, before any work is put into it."""
    target = Path(os.path.realpath(path))
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = os.lstat(target).st_mode
        expected = f"{path}: expected the name of a file to write, received"
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"{expected} a folder")
        if not stat.S_ISREG(mode):
            raise OSError(f"{expected} a pipe, device or socket")
    folder = target.parent
    if not folder.exists():
        raise FileNotFoundError(
            f"{path}: the folder does not exist; make it first: mkdir -p {folder}"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{path}: expected a folder, but {folder} is a file")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path}: no permission to write in {folder}; choose another")


def _hidden(target: Path, ending: str) -> Path:
    """A name beside the target that is short, however long the target's own is."""
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()
    return target.with_name(f".jalebi-{digest[:16]}.{ending}")


@contextlib.contextmanager
def _opened_alone(path: Path, wait: bool = True) -> Iterator[int]:
    """The descriptor of a new file that is locked; what a killed process left there goes first."""
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this system has no locks by fcntl, as Linux and macOS have")
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            _sweep(path, wait)
            continue
        _lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # another process swept it before it was locked
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sweep(path: Path, wait: bool) -> None:
    """Remove a file that nobody holds any more; raise BlockingIOError where somebody does."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            _lock(descriptor, wait)
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                path.unlink()
        finally:
            os.close(descriptor)


def _lock(descriptor: int, wait: bool = True) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:  # some network folders know no locks: there nobody is held off
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise


@contextlib.contextmanager
def _said(target: Path) -> Iterator[None]:
    """Errors of the system in one line that names the file."""
    try:
        yield
    except BlockingIOError:
        raise BlockingIOError(
            f"{target}: another run is writing it: wait until it ends, or choose another --output"
        ) from None
    except OSError as error:
        raise type(error)(
            f"{target}: cannot be written: {error.strerror}; what stood there is untouched; "
            f"make room or choose another place"
        ) from None

"""Download Fashion-MNIST into the user's cache, when it is nowhere on the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

from jaxreg.data.idx import IdxFile
from jaxreg.errors import UserError
from jaxreg.formatting import listing

# The addresses that the data set's authors give. The first is plain http: the SHA-256 decides, not the
# address.
ADDRESSES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)


def fetch(files: Sequence[IdxFile], looked_in: Sequence[Path], announce: Callable[[str], None] | None = None) -> Path:
    """The cache folder, after the files that it lacked have been fetched into it.

    Each file goes to a temporary name and is renamed once its SHA-256 is right: no half file is ever found, and no
    folder is left that would be empty.

    Raises:
        UserError: no address gave the files; the message says why, where they were looked for, and the ways out.
    """
    faults: list[str] = []
    try:
        import pooch
    except ImportError:
        faults.append("the downloader, the package pooch, is not installed")
    else:
        folder = Path(pooch.os_cache("jaxreg")) / "fashion-mnist"
        made = [one for one in (folder, *folder.parents) if not one.exists()]
        if announce is not None:
            announce(f"downloading Fashion-MNIST (31 MB) to {folder} ...")
        for address in ADDRESSES:
            try:
                _fetch_from(pooch, address, files, folder)
                return folder
            except (OSError, ValueError) as error:  # what requests raises; a wrong SHA-256
                faults.append(f"{urlsplit(address).hostname}: {_said(error)}")
        for one in made:
            try:
                one.rmdir()
            except OSError:  # something is in it, or it was never made
                break
    raise UserError(
        f"Fashion-MNIST is not on this machine and could not be downloaded ({'; '.join(faults)}).\n"
        "  For data of your own: --data FILE.csv --label COLUMN. For Fashion-MNIST try again with a network, or put"
        f" {listing([file.name for file in files])} into a folder and add --data FOLDER;"
        " Debian and Ubuntu have them too: `sudo apt install dataset-fashion-mnist`.\n"
        f"  Looked in {', '.join(map(str, looked_in))}."
    )


def _said(error: OSError | ValueError) -> str:
    """In a few words. Those of requests and urllib3, which pooch uses, name their objects and take a screen."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"answers {answer.status_code}"
    if "Timeout" in kinds:
        return "no answer"
    if "ProxyError" in kinds:
        return "no way through the proxy"
    if "ConnectionError" in kinds:
        return "no connection"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "what came does not match the SHA-256 that is known"


def _fetch_from(pooch: ModuleType, address: str, files: Sequence[IdxFile], folder: Path) -> None:
    store = pooch.create(
        path=folder,
        base_url=address,
        registry={file.name: f"sha256:{file.wrapper}" for file in files},
        retry_if_failed=1,
    )
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # the bar and `announce` say it already
    try:
        for file in files:
            bar = _Bar(file.name)
            try:
                store.fetch(file.name, downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16))
            finally:
                bar.close()
    finally:
        logger.setLevel(level)


class _Bar:
    """What pooch asks of a progress bar, drawn by rich on standard error if that is a terminal."""

    def __init__(self, label: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task(label, total=None)
        self.total = 0  # set by pooch when the server has said how many bytes there are
        self._started = False

    def update(self, size: int) -> None:
        if not self._started:
            self._progress.start()
            self._started = True
        self._progress.update(self._task, advance=size, total=self.total or None)

    def reset(self) -> None:
        self._progress.reset(self._task)

    def close(self) -> None:
        self._progress.stop()

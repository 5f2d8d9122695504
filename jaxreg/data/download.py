"""Download Fashion-MNIST into the user's cache, when it is nowhere on the machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from jaxreg.data.idx import IdxFile
from jaxreg.errors import UserError

# The addresses that the data set's authors give. The first is plain http: the SHA-256 decides, not the
# address.
ADDRESSES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)


def fetch(files: Sequence[IdxFile], looked_in: Sequence[Path], announce: Callable[[str], None] | None = None) -> Path:
    """The cache folder, after the files that it lacked have been fetched into it.

    Each file goes to a temporary name and is renamed once its SHA-256 is right: no half file is ever found.

    Raises:
        UserError: no address gave the files; the message names every place tried and the ways out.
    """
    faults: list[str] = []
    try:
        import pooch
    except ImportError:
        faults.append("there is no downloader: the package pooch is not installed")
    else:
        folder = Path(pooch.os_cache("jaxreg")) / "fashion-mnist"
        for address in ADDRESSES:
            if announce is not None:
                announce(f"downloading Fashion-MNIST (31 MB) from {address} to {folder} ...")
            try:
                _fetch_from(pooch, address, files, folder)
                return folder
            except (OSError, ValueError) as error:  # what requests raises; a wrong SHA-256
                faults.append(f"{address}: {type(error).__name__}: {str(error)[:260]}")
    raise UserError(
        f"Fashion-MNIST is not on this machine and could not be downloaded ({'; '.join(faults)}).\n"
        f"  Looked in {', '.join(map(str, looked_in))}.\n"
        f"  Put {', '.join(file.name for file in files)} into a folder and add --data FOLDER;"
        " or, on Debian and Ubuntu, type `sudo apt install dataset-fashion-mnist`;"
        " or try again with a network."
    )


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

import hashlib
import multiprocessing
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest
from signalled import send

from fastcifar import stopping
from fastcifar.data.dataset import DataError, Dataset, NoDataError
from fastcifar.data.load import load
from fastcifar.data.published import download
from fastcifar.data.published.connection import Unreachable
from fastcifar.data.published.download import archive_url, fetch
from fastcifar.data.published.formats import write_archive
from fastcifar.data.published.layouts import CIFAR10, LAYOUTS, Archive
from fastcifar.stopping import stoppable

CONTENT = bytes(range(256)) * 4000  # 1 MB
ARCHIVE = Archive(file_name="cifar-10-python.tar.gz", md5=hashlib.md5(CONTENT).hexdigest(), size_bytes=len(CONTENT))


@dataclass
class Mirror:
    """A small web server, and how it behaves."""

    content: bytes = CONTENT
    ranges: bool = True  # honours them
    cut_after: int | None = None  # closes each connection after so many bytes of the body
    says_length: bool = True
    status: int | None = None
    stall_after: int | None = None
    wait_seconds: float = 0.0  # before it answers
    url: str = ""
    asked: list[str | None] = field(default_factory=list)  # the Range of each request

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        time.sleep(self.wait_seconds)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if self.status or start >= len(self.content):
            handler.send_error(self.status or 416)
            return
        body = self.content[start:]
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.says_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut_after if self.stall_after is None else self.stall_after])
        if self.stall_after is not None:
            handler.wfile.flush()
            time.sleep(1.0)


Start = Callable[[Mirror], Mirror]


@contextmanager
def serve(mirror: Mirror) -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a mirror and names it in the environment."""
    stack = []

    def start(mirror: Mirror) -> Mirror:
        context = serve(mirror)
        context.__enter__()
        stack.append(context)
        monkeypatch.setenv("FASTCIFAR_MIRROR", mirror.url)
        return mirror

    yield start
    for context in stack:
        context.__exit__(None, None, None)


def assert_fetched(folder: Path) -> None:
    assert (folder / ARCHIVE.file_name).read_bytes() == CONTENT
    assert not (folder / f"{ARCHIVE.file_name}.part").exists()


def assert_nothing_under_its_name(folder: Path) -> None:
    assert not (folder / ARCHIVE.file_name).exists()


def test_a_plain_download(use: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mirror = use(Mirror())
    folder = tmp_path / "new" / "folder"
    assert fetch(ARCHIVE, folder) == folder / ARCHIVE.file_name
    assert_fetched(folder)
    assert mirror.asked == [None]
    assert capsys.readouterr().err == f"downloading {mirror.url}/{ARCHIVE.file_name} (1 MB) to {folder}\n"
    fetch(ARCHIVE, folder)
    assert mirror.asked == [None]


def test_a_partial_download_is_resumed(use: Start, tmp_path: Path) -> None:
    mirror = use(Mirror())
    (tmp_path / f"{ARCHIVE.file_name}.part").write_bytes(CONTENT[:300_000])
    fetch(ARCHIVE, tmp_path)
    assert_fetched(tmp_path)
    assert mirror.asked == ["bytes=300000-"]


def test_a_server_that_ignores_ranges(use: Start, tmp_path: Path) -> None:
    mirror = use(Mirror(ranges=False))
    (tmp_path / f"{ARCHIVE.file_name}.part").write_bytes(CONTENT[:300_000])
    fetch(ARCHIVE, tmp_path)
    assert_fetched(tmp_path)
    assert mirror.asked == ["bytes=300000-"]


@pytest.mark.parametrize("size", [300_000, len(CONTENT), len(CONTENT) + 5])
def test_a_partial_download_of_something_else_starts_over(use: Start, tmp_path: Path, size: int) -> None:
    mirror = use(Mirror())
    (tmp_path / f"{ARCHIVE.file_name}.part").write_bytes(b"x" * size)
    fetch(ARCHIVE, tmp_path)
    assert_fetched(tmp_path)
    assert mirror.asked == [f"bytes={size}-", None]


@pytest.mark.parametrize("says_length", [True, False])
def test_connections_that_end_early_are_taken_up_again(use: Start, tmp_path: Path, says_length: bool) -> None:
    mirror = use(Mirror(cut_after=400_000, says_length=says_length))
    fetch(ARCHIVE, tmp_path)
    assert_fetched(tmp_path)
    assert mirror.asked == [None, "bytes=400000-", "bytes=800000-"]


def test_a_server_that_always_ends_early_and_ignores_ranges(use: Start, tmp_path: Path) -> None:
    use(Mirror(cut_after=400_000, ranges=False))
    with pytest.raises(Unreachable, match=f"ended at 400000 of {len(CONTENT)} bytes"):
        fetch(ARCHIVE, tmp_path)
    assert_nothing_under_its_name(tmp_path)


@pytest.mark.parametrize("content", [b"<html>log in first</html>", CONTENT[:-1] + b"x", CONTENT + b"x" * 900_000])
def test_a_wrong_sum(use: Start, tmp_path: Path, content: bytes) -> None:
    mirror = use(Mirror(content=content))
    with pytest.raises(DataError, match=f"{mirror.url}.*expected MD5 {ARCHIVE.md5} .*found .*removed"):
        fetch(ARCHIVE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f".{ARCHIVE.file_name}.lock"]


def test_the_expected_and_found_sums_are_named(use: Start, tmp_path: Path) -> None:
    use(Mirror(content=b"abc"))
    with pytest.raises(DataError, match=r"found 900150983cd24fb0d6963f7d28e17f72 \(3 bytes\)"):  # MD5 of RFC 1321
        fetch(ARCHIVE, tmp_path)


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_error_status(use: Start, tmp_path: Path, status: int) -> None:
    use(Mirror(status=status))
    with pytest.raises(Unreachable, match=f"the server answered {status}"):
        fetch(ARCHIVE, tmp_path)


def test_a_server_that_does_not_answer(use: Start, tmp_path: Path) -> None:
    use(Mirror(wait_seconds=1.0))
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s|timed out"):
        fetch(ARCHIVE, tmp_path, timeout_seconds=0.2)
    assert time.monotonic() - start < 0.8
    assert_nothing_under_its_name(tmp_path)


def test_a_server_that_stops_in_the_middle_keeps_what_came(use: Start, tmp_path: Path) -> None:
    mirror = use(Mirror(stall_after=400_000))
    with pytest.raises(Unreachable, match="no more came after 400000 bytes"):
        fetch(ARCHIVE, tmp_path, timeout_seconds=0.3)
    mirror.stall_after = None
    fetch(ARCHIVE, tmp_path)
    assert_fetched(tmp_path)
    assert mirror.asked == [None, "bytes=400000-"]


def test_no_server_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FASTCIFAR_MIRROR", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        with pytest.raises(Unreachable, match="refused"):
            fetch(ARCHIVE, tmp_path)


def test_no_network_names_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown_host(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    with pytest.raises(NoDataError) as caught:
        load("cifar10", tmp_path)
    message = str(caught.value)
    assert "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz: " in message
    assert "Temporary failure in name resolution" in message
    for part in (str(tmp_path / "cifar-10-batches-bin"), "--data-dir", "FASTCIFAR_MIRROR", "--set dataset=synthetic"):
        assert part in message


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://{}/"])
def test_a_mirror_that_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    mirror, folder = tmp_path / "mirror", tmp_path / "data"
    mirror.mkdir()
    (mirror / ARCHIVE.file_name).write_bytes(CONTENT)
    monkeypatch.setenv("FASTCIFAR_MIRROR", form.format(mirror))
    folder.mkdir()
    (folder / f"{ARCHIVE.file_name}.part").write_bytes(CONTENT[:10])
    fetch(ARCHIVE, folder)
    assert_fetched(folder)
    (mirror / ARCHIVE.file_name).unlink()
    with pytest.raises(Unreachable, match="No such file"):
        fetch(replace(ARCHIVE, file_name="other.tar.gz"), folder)


def test_the_published_url_and_mirrors_of_other_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = CIFAR10.forms[0].archive
    assert archive_url(archive) == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    monkeypatch.setenv("FASTCIFAR_MIRROR", "https://mirror.example/cifar/")
    assert archive_url(archive) == "https://mirror.example/cifar/cifar-10-python.tar.gz"
    monkeypatch.setenv("FASTCIFAR_MIRROR", "ftp://mirror.example")
    with pytest.raises(DataError, match="FASTCIFAR_MIRROR: expected a http, https or file URL"):
        archive_url(archive)


def test_load_downloads_into_the_given_root(
    use: Start, small: dict[str, Dataset], tmp_path: Path, small_cifar: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = write_archive(small["cifar10"], tmp_path / "made").read_bytes()
    layout = LAYOUTS["cifar10"]
    archive = replace(layout.forms[0].archive, md5=hashlib.md5(content).hexdigest(), size_bytes=len(content))
    published = replace(layout, forms=(replace(layout.forms[0], archive=archive), layout.forms[1]))
    monkeypatch.setitem(LAYOUTS, "cifar10", published)
    mirror = use(Mirror(content=content))
    for _ in range(2):
        found = load("cifar10", tmp_path / "root")
        assert found.source == str(tmp_path / "root" / "cifar-10-python.tar.gz")
        assert found.fingerprint == small["cifar10"].fingerprint
    assert mirror.asked == [None]


def fetch_in_a_process(folder: Path) -> None:
    fetch(ARCHIVE, folder)


def test_two_processes_fetch_once(use: Start, tmp_path: Path) -> None:
    mirror = use(Mirror(wait_seconds=0.5))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fetch_in_a_process, args=(tmp_path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert [process.exitcode for process in processes] == [0, 0]
    assert mirror.asked == [None]
    assert_fetched(tmp_path)


def test_a_folder_that_cannot_be_made(use: Start, tmp_path: Path) -> None:
    use(Mirror())
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file/folder: expected a folder that can be written.*--data-dir"):
        fetch(ARCHIVE, tmp_path / "file" / "folder")


def test_a_read_only_folder(use: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Mirror())

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match="Read-only file system"):
        fetch(ARCHIVE, tmp_path)


def fetch_with_little_room(folder: Path, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    try:
        fetch(ARCHIVE, folder)
    except DataError as error:
        answer.send(str(error))
    answer.close()


def test_a_full_disk(use: Start, tmp_path: Path) -> None:
    """Stands in for it: a limit on the size of files."""
    use(Mirror())
    here, there = Pipe()
    process = multiprocessing.get_context("fork").Process(target=fetch_with_little_room, args=(tmp_path, there))
    process.start()
    assert here.poll(20)
    message = here.recv()
    process.join()
    assert f"{tmp_path}: expected a folder that can be written, with 2 MB free, found: File too large" in message
    assert [path.name for path in tmp_path.iterdir()] == [f".{ARCHIVE.file_name}.lock"]


def test_a_file_system_without_locks(use: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(Mirror())

    def no_locks(*args: object) -> None:
        raise OSError(download.NO_LOCKS_HERE[0], "No locks available")

    monkeypatch.setattr(download.fcntl, "flock", no_locks)
    fetch(ARCHIVE, tmp_path)
    assert_fetched(tmp_path)


def test_a_progress_bar_on_a_terminal(
    use: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(Mirror())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(ARCHIVE, tmp_path)
    captured = capsys.readouterr()
    assert ARCHIVE.file_name in captured.err
    assert "1.0/1.0 MB" in captured.err
    assert captured.out == ""


def test_a_signal_ends_a_download_after_the_block(tmp_path, monkeypatch):
    """What has come is kept for the next try."""
    monkeypatch.setattr(stopping, "GRACE", 60.0)
    blocks = iter([b"a", b"b", b"c"])

    class Body:
        def read1(self, size):
            block = next(blocks)
            send(signal.SIGTERM) if block == b"b" else None
            return block

    archive = SimpleNamespace(file_name="x", size_bytes=10)
    with stoppable(), pytest.raises(KeyboardInterrupt), (tmp_path / "part").open("wb") as stream:
        download._copy(SimpleNamespace(start=0, body=Body()), stream, archive, "http://x")
    assert (tmp_path / "part").read_bytes() == b"ab"

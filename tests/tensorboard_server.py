"""A real TensorBoard server, asked as its pages ask it."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 240


class Server:
    """``plugin`` is such as ``scalars``, ``path`` such as ``tags``."""

    def __init__(self, port: int):
        self.address = f"http://127.0.0.1:{port}"

    def bytes(self, plugin: str, path: str, body: Any = None, **query: Any) -> bytes:
        """The answer; what is in ``body`` is posted as JSON."""
        address = f"{self.address}/data/plugin/{plugin}/{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(address, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.read()

    def ask(self, plugin: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON that comes back."""
        return json.loads(self.bytes(plugin, path, body, **query))

    def wait_for(self, found: Callable[[], Any], what: str) -> Any:
        """What ``found`` gives once it is anything: the server takes a second to begin, and to read what is new."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):  # it isn't there yet
                if result := found():
                    return result
            assert time.monotonic() < deadline, f"TensorBoard doesn't show {what}"
            time.sleep(0.3)


@contextlib.contextmanager
def tensorboard(folder: Path) -> Iterator[Server]:
    """A server of ``folder`` on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1",
                               "--port", str(port), "--reload_interval", "1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Server(port)
    finally:
        server.terminate()
        server.wait(30)

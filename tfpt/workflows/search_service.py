"""The place of this process in a search over several: KerasTuner's chief, one of its workers, or the only one."""

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from tfpt.errors import UsageError


@dataclass(frozen=True)
class Service:
    """``chief`` or ``worker`` is the address, host:port, at which the chief hands out trials; one of them at most."""

    chief: str | None = None
    worker: str | None = None

    @property
    def is_chief(self) -> bool:
        return self.chief is not None

    @property
    def is_worker(self) -> bool:
        return self.worker is not None

    def check_address(self) -> None:
        """UsageError if the chief can't listen at its address: KerasTuner would find out after all was prepared."""
        if self.chief is None:
            return
        host, port = _split(self.chief)
        try:
            with socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                pass
        except (OSError, OverflowError) as problem:
            raise UsageError(f"--chief {self.chief}: this process can't listen there ({problem}). Choose another port, "
                             "or an address of this machine.") from problem

    @contextlib.contextmanager
    def announced(self, fingerprint: str) -> Iterator[None]:
        """Tell KerasTuner, which reads it from the environment. ``fingerprint`` is that of the search."""
        address = self.chief or self.worker
        if address is None:
            yield
            return
        host, port = _split(address)
        # An id with "chief" in it would be taken for the chief's.
        names = {"KERASTUNER_TUNER_ID": "chief" if self.chief else f"worker-{fingerprint}-{uuid.uuid4().hex}",
                 "KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": port}
        os.environ.update(names)
        try:
            yield
        finally:
            for name in names:
                os.environ.pop(name, None)


def _split(address: str) -> tuple[str, str]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port

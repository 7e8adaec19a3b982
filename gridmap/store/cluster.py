"""A private PostGIS cluster in a data folder, so that the program is complete by itself.

It listens on a Unix socket only and runs as an unprivileged user. Several processes may use one
data folder (a server, and an import beside it): each holds a shared lock while it does, the first
starts the cluster and the last stops it. A cluster left over by a killed process is adopted, and
one that was killed itself is started again by any of them, or else by the next.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import logging
import os
import pwd
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypedDict
from urllib.parse import quote

import psycopg

from gridmap.errors import Unavailable
from gridmap.store.postgis import server_programs

_log = logging.getLogger("gridmap")

_DATABASE = "gridmap"

# What initdb leaves to the operating system's limit: a socket's path, with "/.s.PGSQL.5432".
_LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.5432")

# What pg_ctl too is given to start a cluster.
_PATIENCE_SECONDS = 60.0

# Tests throw their clusters away; losing one to a power cut costs nothing.
_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def default_folder() -> Path:
    """Where the cluster lives unless told otherwise.

    Not below root's home, which the unprivileged user that runs the server cannot enter.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/gridmap")
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data_home) / "gridmap"


@contextmanager
def private_cluster(folder: Path, *, durable: bool = True) -> Iterator[str]:
    """Yields the URL of the database in the cluster kept in `folder`, made when it is new.

    Raises Unavailable where there are no server programs, or where they refuse to start.
    """
    cluster = _Cluster(folder.absolute(), durable)
    cluster.make_folder()
    with cluster.users_lock.open("a") as users:
        with cluster.alone():
            fcntl.flock(users, fcntl.LOCK_SH)
            cluster.prepare()
            cluster.start()
        keeper = _Keeper(cluster)
        keeper.start()
        try:
            yield cluster.url
        finally:
            with _undisturbed(), keeper.stopped(), cluster.alone():
                fcntl.flock(users, fcntl.LOCK_UN)
                if _nobody_holds(users):
                    cluster.stop()


class _InUse(Unavailable):
    """Processes of a cluster that was killed have not ended yet."""


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class _Cluster:
    def __init__(self, folder: Path, durable: bool) -> None:
        self.folder = folder
        self.home = folder / "postgres"  # all in it is the owner's; the folder itself is not
        self.data = self.home / "data"
        self.log = self.home / "postgres.log"
        self.start_lock = folder / "start.lock"
        self.users_lock = folder / "users.lock"
        self.durable = durable
        self.socket_folder = self._socket_folder()
        self.url = f"postgresql://{_DATABASE}@/{_DATABASE}?host={quote(str(self.socket_folder))}"

    def _socket_folder(self) -> Path:
        inside = self.home / "run"
        if len(str(inside).encode()) <= _LONGEST_SOCKET_FOLDER:
            return inside
        name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"gridmap-{name}"

    def make_folder(self) -> None:
        with self._explained():
            self.folder.mkdir(parents=True, exist_ok=True)
            for lock in (self.start_lock, self.users_lock):
                lock.touch()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Held while the cluster is started or stopped, by one process at a time."""
        with self.start_lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def prepare(self) -> None:
        """Finds the programs and the user that runs them, and makes the folders that are his."""
        with self._explained():
            version = self.data / "PG_VERSION"
            major = int(version.read_text()) if version.exists() else None
        # The programs come first: where they are installed now, the user postgres comes with them.
        self.programs = server_programs(major)
        self.owner = self._owner()
        with self._explained():
            for each in (self.home, self.socket_folder):
                each.mkdir(mode=0o700, exist_ok=True)
                if each.stat().st_uid != self.owner.pw_uid:
                    os.chown(each, self.owner.pw_uid, self.owner.pw_gid)
        reachable = self._run(["test", "-w", str(self.home)], cwd="/")
        if reachable.returncode != 0:
            raise Unavailable(
                f"The user {self.owner.pw_name}, who runs the database for root, cannot enter "
                f"{self.folder}. Name another folder with GRIDMAP_DATA, for example "
                f"{default_folder()}."
            )

    def start(self) -> None:
        if not self.data.exists():
            self._initialise()
        # One that was killed stands among the processes for a moment, its last statements run to
        # their end, and one that has lost a process of its own recovers.
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                if not self._is_running():
                    self._start()
                self._create_database()
                return
            except (psycopg.OperationalError, _InUse) as error:
                if time.monotonic() > end:
                    raise Unavailable(f"The cluster in {self.data} does not answer: {error}") from (
                        error
                    )
            time.sleep(0.1)

    def _start(self) -> None:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.socket_folder}",
            "unix_socket_permissions=0700",
            # Or it would write whole rows and statements into its log, with whom they are about.
            "log_error_verbosity=terse",
            "log_min_error_statement=panic",
            "jit=off",  # its warm-up costs more than these short statements ever gain
            *(() if self.durable else _FORGETFUL),
        ]
        options = " ".join(f"-c '{setting}'" for setting in settings)
        self._control(
            "start", "--wait", "--timeout=60", f"--log={self.log}", f"--options={options}"
        )

    def stop(self) -> None:
        if self._is_running():
            self._control("stop", "--wait", "--mode=fast", "--timeout=60")

    def _owner(self) -> pwd.struct_passwd:
        """Who owns the cluster already, and for root goes on running it; else who is to."""
        if os.geteuid() == 0 and self.data.exists():
            return pwd.getpwuid(self.data.stat().st_uid)
        return _unprivileged_user()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"The data folder {self.folder} cannot be used: {error.strerror}. "
                "Name another one with GRIDMAP_DATA."
            ) from error

    def _initialise(self) -> None:
        # Made beside its place and moved there whole, so that an interrupted initdb leaves nothing
        # that looks like a cluster.
        unfinished = self.data.with_suffix(".unfinished")
        self._run(["rm", "-rf", str(unfinished)])
        made = self._run(
            [
                str(self.programs / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={_DATABASE}",
                "--auth=trust",  # the socket's folder lets only its owner and root in
                "--encoding=UTF8",
                "--locale=C",
                *(() if self.durable else ("--no-sync",)),
            ]
        )
        if made.returncode != 0:
            raise Unavailable(f"initdb refused to make {self.data}:\n{made.stdout.strip()}")
        unfinished.rename(self.data)

    def _create_database(self) -> None:
        maintenance = self.url.replace(f"/{_DATABASE}?", "/postgres?")
        with psycopg.connect(maintenance, autocommit=True) as connection:
            exists = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]
            ).fetchone()
            if not exists:
                connection.execute(f"CREATE DATABASE {_DATABASE}")

    def process(self) -> int:
        """The number of its first process. Raises OSError and ValueError where there is none."""
        return int((self.data / "postmaster.pid").read_text().partition("\n")[0])

    def _is_running(self) -> bool:
        status = self._run([str(self.programs / "pg_ctl"), f"--pgdata={self.data}", "status"])
        return status.returncode == 0

    def _control(self, *arguments: str) -> None:
        command = [str(self.programs / "pg_ctl"), f"--pgdata={self.data}", "--silent", *arguments]
        # Output goes to a file: a pipe would stay open in the server for as long as it runs.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                start_new_session=True,  # the terminal's Ctrl-C must not reach the server
                **self._as_owner(),
            )
            output.seek(0)
            said = output.read().strip()
        if done.returncode != 0:
            log = self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""
            is_in_use = "pre-existing shared memory block" in log.rpartition("FATAL:")[2]
            raise (_InUse if is_in_use else Unavailable)(
                f"pg_ctl {arguments[0]} failed in {self.data}: {said}\n{log}".rstrip()
            )

    def _run(self, command: list[str], cwd: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd or self.home,
            start_new_session=True,
            **self._as_owner(),
        )

    def _as_owner(self) -> _Identity:
        if os.geteuid() != 0:
            return {}
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}


class _Keeper(threading.Thread):
    """Starts the cluster again whenever it has ended while it is used."""

    def __init__(self, cluster: _Cluster) -> None:
        super().__init__(name="gridmap-cluster", daemon=True)
        self._cluster = cluster
        self._is_over, self._over = os.pipe()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Without it for the block, and ever after."""
        os.close(self._over)
        self.join()
        os.close(self._is_over)
        yield

    def run(self) -> None:
        while self._has_ended():
            _log.warning("The private database has ended; it is started again.")
            try:
                with self._cluster.alone():
                    self._cluster.start()
            except (Unavailable, OSError) as error:
                _log.error("The private database cannot be started: %s", error)
                if self._is_stopped_within(_PATIENCE_SECONDS):
                    return

    def _has_ended(self) -> bool:
        """Waits until the cluster has ended, or until it need not be kept any more."""
        try:
            process = os.pidfd_open(self._cluster.process())
        except (OSError, ValueError):
            # No file or no process of that number: it is gone already.
            return not self._is_stopped_within(0.1)
        try:
            # Of a process it can be read that it has ended, also where nobody has buried it.
            ready, _, _ = select.select([process, self._is_over], [], [])
        finally:
            os.close(process)
        return self._is_over not in ready

    def _is_stopped_within(self, seconds: float) -> bool:
        return bool(select.select([self._is_over], [], [], seconds)[0])


def _unprivileged_user() -> pwd.struct_passwd:
    """Who owns the cluster: this user, or for root (whom PostgreSQL refuses) a system user."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Unavailable(
        f"{getpass.getuser()} may not run PostgreSQL and there is no user postgres or nobody."
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not leave the server behind that the first one is stopping."""
    patient = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, patient)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nobody_holds(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""The system's Chromium: found, or Debian's package installed where that may be done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = ("chromium", "fonts-wqy-microhei")
"""The browser, and letters of Chinese for its pictures."""

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def chromium() -> str:
    """The program. Raises LookupError, with the command that helps, where there is none."""
    found = _found()
    if found is None and shutil.which("apt-get") and (root := _as_root()) is not None:
        print(f"Installing Debian's packages {' and '.join(PACKAGES)} …", file=sys.stderr)
        apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        apt += ["-o", "DPkg::Lock::Timeout=300"]  # another process of the tests may install it too
        for command in ("update", "install -y --no-install-recommends"):
            packages = PACKAGES if command.startswith("install") else ()
            subprocess.run(
                [*apt, *command.split(), *packages], stdout=subprocess.DEVNULL, check=False
            )
        found = _found()
    if found is None:
        raise LookupError(
            "There is no Chromium here, and the pages are not tried in one. Install it with: "
            f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
        )
    return found


def _found() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _as_root() -> list[str] | None:
    """What to put before a command so that root runs it; None where that is not to be had."""
    if os.geteuid() == 0:
        return []
    may = shutil.which("sudo") and subprocess.run(
        ["sudo", "-n", "true"], capture_output=True, check=False
    )
    return ["sudo", "-n"] if may and may.returncode == 0 else None

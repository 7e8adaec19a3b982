"""A store that speaks S3, as a process of its own on a port that the system gives."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.waiting import PATIENCE_SECONDS

BUCKET = "photos-of-a-district"


@contextmanager
def s3_store() -> Iterator[dict[str, str]]:
    """The variables that lead to an empty bucket, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise AssertionError(f"The store did not start:\n{said}")
        assert httpx.put(f"{found[0]}/{BUCKET}", timeout=30).status_code == 200
        yield {
            "AWS_ENDPOINT_URL": found[0],
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_REGION": "us-east-1",
        }
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)

"""What is on the disk when a function returns, whatever happens to the power afterwards."""

from __future__ import annotations

import os
from pathlib import Path


def flush(folder: Path) -> None:
    """The names in a folder are on the disk when this returns."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Golden talks: each is a file; `CALLFLOW_REWRITE_GOLDEN=1` writes down anew what is expected of it."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def rewrite_golden() -> bool:
    """Whether the expectations are to be written instead of compared."""
    return os.environ.get("CALLFLOW_REWRITE_GOLDEN") == "1"

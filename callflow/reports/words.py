"""Names of days as reports write them."""

from __future__ import annotations

from typing import Final

from callflow.reports.figures import said

WEEKDAYS: Final = (said("月"), said("火"), said("水"), said("木"), said("金"), said("土"), said("日"))

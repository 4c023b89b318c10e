"""What others wrote and we serve is unchanged, complete, and licensed."""

from __future__ import annotations

import hashlib
import re

from callflow.console.rendering import STATIC

VENDOR = STATIC / "vendor"


def test_every_file_has_its_checksum_and_no_other_is_there() -> None:
    lines = (VENDOR / "CHECKSUMS").read_text(encoding="utf-8").splitlines()
    wanted = {name.removeprefix("./"): digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    there = {
        str(file.relative_to(VENDOR)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.rglob("*")
        if file.is_file() and file.name != "CHECKSUMS"
    }
    assert there == wanted


def test_every_part_has_its_licence() -> None:
    said = (VENDOR / "README.md").read_text(encoding="utf-8")
    for part in (entry for entry in VENDOR.iterdir() if entry.name not in ("CHECKSUMS", "README.md")):
        assert part.stem.split(".")[0] in said, part.name
    for licence in re.findall(r"`([^`]*LICENSE)`", said):
        assert (VENDOR / licence).is_file(), licence


def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in STATIC.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", file.read_text(encoding="utf-8")), file.name

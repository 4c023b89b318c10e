"""HTML on standard input, PDF on standard output: `python -m callflow.papers.typesetter`.

Nothing is fetched. Letters come from the system's fonts (Noto Sans CJK JP): the web fonts of the screens are cut into
many files by range of letters, which pango mixes up. Where a letter is in no font there is no PDF: its code points
come as JSON instead, with `EXIT_NO_GLYPH`.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Final

EXIT_NO_LIBRARY: Final = 3
EXIT_NO_GLYPH: Final = 4


def main() -> int:
    try:
        content, missing = typeset(sys.stdin.buffer.read().decode())
    except OSError as error:
        print(error, file=sys.stderr)
        return EXIT_NO_LIBRARY
    if missing:
        print(json.dumps(missing))
        return EXIT_NO_GLYPH
    sys.stdout.buffer.write(content)
    return 0


def typeset(page: str) -> tuple[bytes, list[int]]:
    """The PDF, and the code points of letters that no font has. Raises OSError where the system has no pango."""
    from weasyprint import HTML  # noqa: PLC0415  its system library may be missing
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    done = HTML(string=page, url_fetcher=URLFetcher(allowed_protocols=set())).render()
    file = io.BytesIO()
    done.write_pdf(file, pdf_variant="pdf/ua-1")
    return file.getvalue(), sorted({point for font in done.fonts.values() for point in font.missing})


if __name__ == "__main__":
    sys.exit(main())

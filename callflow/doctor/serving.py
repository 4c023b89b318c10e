"""What browsers and printers need: the certificate and the fonts of printed forms."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta

from cryptography import x509

from callflow.doctor.findings import Finding, Surroundings, ok, problem, unknown, warning
from callflow.errors import CallflowError
from callflow.papers import press

SOON = timedelta(days=30)
FONT, FALL_BACK = "BIZ UDGothic", "Noto Sans CJK JP"
TRIAL = "<html lang=ja><title>点検</title><p>納付催告書 𠮷 髙</p></html>"


def certificate(around: Surroundings) -> Iterator[Finding]:
    """The one that `callflow serve` uses; behind a proxy it is the proxy's matter."""
    path = around.config.console.tls_cert
    if path is None:
        yield ok("TLS はここでは使いません（中継の証明書は中継で確かめます）")
        return
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        yield problem(f"証明書 {path} を読めません", "console.tls_cert を確かめてください（PEM）")
        return
    until = found.not_valid_after_utc
    left, facts = until - around.now, {"not_after": until.isoformat()}
    words = f"証明書の期限は {until:%Y-%m-%d}"
    if left < timedelta(0):
        yield problem(f"{words}: 切れています", "新しい証明書に替えて、callflow serve を起動し直してください", **facts)
    elif left < SOON:
        yield warning(f"{words}: あと {left.days} 日", "新しい証明書を用意してください", **facts)
    else:
        yield ok(words, **facts)


def fonts(_: Surroundings) -> Iterator[Finding]:
    """For printed forms; screens bring their own."""
    tool = shutil.which("fc-list")
    if tool is None:
        yield unknown("fc-list がないので、印刷用の字体を調べられません", "fontconfig を入れてください")
        return
    told = subprocess.run([tool, ":", "family"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    missing = [name for name in (FONT, FALL_BACK) if name not in told.stdout]
    if FALL_BACK in missing:
        words = f"字体 {FALL_BACK} がなく、印刷で抜ける字があります（𠮷 など）"
        yield warning(words, "fonts-noto-cjk を入れてください", missing=missing)
    elif missing:
        yield unknown(
            f"字体 {FONT} がなく、{FALL_BACK} で印刷します", "fonts-morisawa-bizud-gothic を入れると読みやすくなります"
        )
    else:
        yield ok(f"字体 {FONT} と {FALL_BACK} があります")


def paper(_: Surroundings) -> Iterator[Finding]:
    """Letters, slips and reports as PDF: one is made, with letters that not every font has."""
    try:
        press.pdf(TRIAL)
    except CallflowError as error:
        yield problem(error.what, error.mend)
    else:
        yield ok("書類の PDF を作れます")

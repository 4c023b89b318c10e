"""Errors as `application/problem+json` (RFC 9457): what is wrong, where, how to mend it; never a traceback."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from callflow.console.failures import STATUS
from callflow.errors import CallflowError, NotFoundError
from callflow.storage import in_words

log = structlog.get_logger("callflow.console")


class ProblemShape(BaseModel):
    """What went wrong."""

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong")
    where: str = Field(default="", description="which field, heading or line")
    mend: str = Field(default="", description="what to do about it")
    report: dict[str, Any] | None = Field(default=None, description="of a list that was refused: every bad row")


class Problem(HTTPException):
    """An answer that is an error. `report`: what is told besides."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        where: str = "",
        mend: str = "",
        report: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, what, headers)
        self.where, self.mend, self.report = where, mend, report

    def response(self) -> JSONResponse:
        told: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            "where": self.where,
            "mend": self.mend,
        }
        if self.report is not None:
            told["report"] = self.report
        return JSONResponse(told, self.status_code, self.headers, media_type="application/problem+json")


def problem_of(error: Exception) -> Problem:
    """One that nobody foresaw is logged by its kind and place: its text may hold data."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            what = f"要求の形が合いません: {first['msg']}"
            return Problem(422, what, where=where, mend="/api/v1/openapi.json に形があります")
        case HTTPException():
            return Problem(error.status_code, error.detail, headers=dict(error.headers or {}))
        case CallflowError():
            status = next((status for kind, status in STATUS if isinstance(error, kind)), 403)
            place = " ".join(filter(None, (f"{error.where.line} 行" if error.where.line else "", error.where.field)))
            return Problem(status, error.what, where=place, mend=error.mend)
    words = in_words(error)
    if isinstance(words, NotFoundError):
        return Problem(404, words.what, mend=words.mend)
    frames = [frame for frame in extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    log.error("failed", path="/api/v1", kind=type(error).__name__, place=place)
    if isinstance(error, DBAPIError):
        return Problem(503, "データベースに届きません", mend="少し待って、同じ要求を送ってください")
    return Problem(500, "思わぬ誤りが起きました", mend="続くときは管理者に時刻を伝えてください")


def answers_in_problems(api: FastAPI) -> None:
    """Every error of the application is answered so."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response()

    for kind in (HTTPException, RequestValidationError, CallflowError, DBAPIError, Exception):
        api.add_exception_handler(kind, answer)

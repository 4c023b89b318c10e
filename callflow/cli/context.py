"""What every command is given: configuration, database, clock, and who acts. All of it opened on first use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError, ProgrammingError

from callflow.access.accounts import Kind
from callflow.access.auditlog import Occasion, occasion
from callflow.calls import Calls
from callflow.clock import Clock, SimulatedClock, SystemClock
from callflow.config import Config, load
from callflow.errors import ConfigError, NotFoundError, RefusedError, UsageError
from callflow.shelf import Shelf
from callflow.storage import in_words
from models.database import Database
from models.tables import account_roles, accounts, municipalities, organisations
from scheduler.dealing import Rules


@dataclass(frozen=True, slots=True)
class Actor:
    """The account in whose name a command acts (`--as`)."""

    id: int
    login: str
    roles: frozenset[str]
    organisation_kind: Kind

    def must_be(self, *roles: str) -> None:
        """Raises RefusedError unless the account has one of `roles`."""
        if not self.roles & set(roles):
            raise RefusedError(f"{self.login} にはこの操作の権限がありません", mend=f"必要な役割: {'、'.join(roles)}")


class Context:
    """One command's surroundings."""

    def __init__(self, as_user: str | None, config_path: Path) -> None:
        self.as_user = as_user
        self.config_path = config_path

    def over(self, database: Database) -> Context:
        """The same surroundings with another database: who may act is asked there."""
        other = Context(self.as_user, self.config_path)
        other.config, other.clock, other.database = self.config, self.clock, database
        return other

    @cached_property
    def config(self) -> Config:
        return load(self.config_path)

    @cached_property
    def database(self) -> Database:
        return Database(self.config.database.url)

    @cached_property
    def clock(self) -> Clock:
        start = os.environ.get("CALLFLOW_CLOCK")
        if not start:
            return SystemClock()
        try:
            instant = datetime.fromisoformat(start)
        except ValueError:
            instant = datetime.min  # noqa: DTZ901  refused below
        if instant.tzinfo is None:
            raise ConfigError("CALLFLOW_CLOCK は時差つきの日時です", mend="例: 2026-11-24T10:00+09:00")
        return SimulatedClock(instant)

    @cached_property
    def shelf(self) -> Shelf:
        return Shelf()

    @cached_property
    def calls(self) -> Calls:
        return Calls(self.database, self.clock, self.shelf, self.config.desk(), self.municipality_id)

    @cached_property
    def municipality_id(self) -> int:
        query = select(municipalities.c.id).where(municipalities.c.code == self.config.municipality.code)
        try:
            with self.database.read() as conn:
                found = conn.execute(query).scalar()
        except (OperationalError, ProgrammingError) as error:
            if not self.database.is_sqlite and (words := in_words(error)):
                raise words from error
            raise ConfigError("データベースの準備ができていません", mend="callflow init を実行してください") from error
        if found is None:
            code = self.config.municipality.code
            raise ConfigError(f"自治体 {code} が登録されていません", mend="callflow init を実行してください")
        return int(found)

    @cached_property
    def actor(self) -> Actor:
        """Raises UsageError without `--as`, NotFoundError for an unknown or disabled account."""
        if not self.as_user:
            raise UsageError("誰の操作かが要ります", mend="--as ログイン名 を付けてください")
        with self.database.read() as conn:
            row = conn.execute(
                select(accounts.c.id, accounts.c.disabled_at, organisations.c.kind)
                .join(
                    organisations,
                    (organisations.c.municipality_id == accounts.c.municipality_id)
                    & (organisations.c.id == accounts.c.organisation_id),
                )
                .where(accounts.c.municipality_id == self.municipality_id, accounts.c.login == self.as_user)
            ).first()
            if row is None or row.disabled_at is not None:
                raise NotFoundError(f"利用者 {self.as_user} はいません", mend="callflow user list で確かめられます")
            roles = conn.execute(
                select(account_roles.c.role).where(
                    account_roles.c.municipality_id == self.municipality_id, account_roles.c.account_id == row.id
                )
            ).scalars()
            found = Actor(row.id, self.as_user, frozenset(roles), row.kind)
        occasion.set(Occasion("command line", found.roles))
        return found

    @property
    def sees_protected(self) -> bool:
        """Protected households exist for the ward alone; without `--as` nobody of the ward has asked."""
        return self.as_user is not None and self.actor.organisation_kind == "ward"

    @property
    def actor_id(self) -> int:
        return self.actor.id

    def rules(self, claim_type: str) -> Rules:
        """The policy and calendar of a claim type, outside any campaign."""
        return Rules(0, self.config.policy_for(claim_type), self.config.calendar_for(claim_type))


def open_context(as_user: str | None = None, *, need_actor: bool = True) -> Context:
    """The surroundings of a command that is not given them; `need_actor` refuses at once without `--as`."""
    context = Context(as_user, Path(os.environ.get("CALLFLOW_CONFIG", "config.yaml")))
    if need_actor:
        _ = context.actor
    return context

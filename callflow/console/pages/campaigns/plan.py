"""The planner: conditions, the cases that they leave out and why, the days within the year's budget, then a draft.

Every step is one plain form: it counts without saving anything until it is asked to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_
from datetime import date
from typing import Final

from sqlalchemy import Connection, select
from starlette.responses import Response

from callflow.campaigns import MODE_WORDS, Campaigns, Draft, Plan
from callflow.console.i18n import said
from callflow.console.pages.campaigns.calendar import Month, months, period
from callflow.console.pages.campaigns.form import Form, Meant, read
from callflow.console.pages.campaigns.screens import excluded_of, rules_for
from callflow.console.visit import Visit
from callflow.dayplan import Ledger, days_for, year_of
from callflow.errors import CallflowError, InputError, RefusedError, Where
from callflow.policywords import ITEMS, Change, changes_of
from callflow.script.model import Script
from callflow.settingwords import SETTING_WORDS, VALUE_WORDS
from callflow.shelf import newest
from models.tables import script_versions
from scheduler.budgets import CallingDays, fiscal_year
from scheduler.calendar import tokyo_date
from scheduler.settings import Mode

SAVE: Final = "save"
LANGUAGES: Final = ("ja", "en", "zh", "ko", "vi", "ne", "tl")


@dataclass(frozen=True, slots=True)
class WorkedOut:
    """What a form comes to. `days` None: every day of the claim type."""

    plan: Plan
    days: CallingDays | None
    year: Ledger
    months: list[Month]
    campaign_id: int = 0
    changes: Sequence[Change] = ()
    mode: Mode = "progressive"
    settings: Mapping[str, str] = field_(default_factory=dict)


def new(visit: Visit) -> Response:
    """An empty form, for the first claim type that is configured."""
    return _page(visit, Form({"claim_type": next(iter(visit.site.config.claim_types))}))


def work_out(visit: Visit) -> Response:
    """Counts, spreads the days anew, or saves; what cannot be, comes back with the reason at its field."""
    form = Form.sent(visit.form)
    try:
        meant = read(form, tokyo_date(visit.now))
        if visit.typed("do") == SAVE:
            made = visit.site.database.transact(lambda conn: _work_out(visit, conn, meant, save=True))
            return visit.go(f"/campaigns/{made.campaign_id}", said="campaign-planned")
        with visit.site.database.read() as conn:
            found = _work_out(visit, conn, meant, save=False)
    except (InputError, RefusedError) as error:
        status = 422 if isinstance(error, InputError) else 409
        return _page(visit, form, fault=error, field=error.where.field or "", status=status)
    return _page(visit, form.with_days(found.days), found=found)


def _work_out(visit: Visit, conn: Connection, meant: Meant, *, save: bool) -> WorkedOut:
    site, m, today = visit.site, visit.site.municipality_id, tokyo_date(visit.now)
    if meant.claim_type not in site.config.claim_types:
        raise InputError(said("債権区分を選んでください。"))
    rules = rules_for(site, meant.claim_type)
    script_hash = newest(conn, m, meant.script)
    offered = site.shelf.flow(conn, m, script_hash).script
    if offered.claim_type != meant.claim_type:
        raise InputError(said("台本の債権区分が違います。"), mend=said("この債権区分の台本を選んでください。"))
    settings = _settings(visit, offered, meant.settings)
    if meant.mode != "progressive" and "supervisor" not in visit.who.roles:
        raise InputError(
            said("発信方式を選べるのは業務責任者だけです。"),
            where=Where(field="mode"),
            mend=said("1対1で自動発信のまま計画し、業務責任者が後で選びます。"),
        )
    begins = min(meant.wish.listed.of_kind("days"), default=meant.wish.first or today)
    year = year_of(conn, m, site.config, meant.claim_type, fiscal_year(begins), visit.now)
    days = days_for(meant.wish, year, rules.calendar, today)
    draft = Draft(
        meant.name,
        meant.claim_type,
        script_hash,
        settings,
        meant.policy,
        meant.selection,
        days,
        meant.holdout,
        meant.mode,
    )
    desk = Campaigns(conn, m, visit.now)
    first, last = period(days, meant.wish.first, meant.wish.last, today)
    shown = months(rules.calendar, year, days, first, last, today) if days else []
    if save:
        campaign_id, plan = desk.create(draft, rules, visit.who.account_id)
        return WorkedOut(plan, days, year, shown, campaign_id)
    changes = changes_of(meant.policy, rules.policy)
    return WorkedOut(desk.count(draft, rules), days, year, shown, changes=changes, mode=meant.mode, settings=settings)


def _settings(visit: Visit, script: Script, chosen: Mapping[str, str]) -> dict[str, str]:
    """The configured settings that the script has, and those chosen; another script's are passed over."""
    configured = {name: value for name, value in visit.site.config.scripts.settings.items() if name in script.settings}
    for name, value in chosen.items():
        if name in script.settings and value not in script.settings[name]:
            raise InputError(
                said("台本にこの設定はありません。"),
                where=Where(field=f"set_{name}"),
                mend=said("一覧から選んでください。"),
            )
    return configured | {name: value for name, value in chosen.items() if name in script.settings}


def _page(
    visit: Visit,
    form: Form,
    *,
    found: WorkedOut | None = None,
    fault: CallflowError | None = None,
    field: str = "",
    status: int = 200,
) -> Response:
    site, m = visit.site, visit.site.municipality_id
    claims = {str(kind): each.name for kind, each in site.config.claim_types.items()}
    claim_type = form.one("claim_type")
    with site.database.read() as conn:
        ledger = None
        if claim_type in claims:
            year = fiscal_year(_first_day(form) or tokyo_date(visit.now))
            ledger = found.year if found else year_of(conn, m, site.config, claim_type, year, visit.now)
        scripts = _scripts(visit, conn)
        script = form.one("script") if form.one("script") in scripts else next(iter(scripts), "")
        offered = site.shelf.flow(conn, m, newest(conn, m, script)).script.settings if script else {}
    return visit.page(
        "campaigns/new.html",
        status=status,
        form=form,
        claims=claims,
        scripts=scripts,
        languages_known=LANGUAGES,
        modes=MODE_WORDS,
        chooses="supervisor" in visit.who.roles,
        offered=offered,
        configured=site.config.scripts.settings,
        setting_words=SETTING_WORDS,
        value_words=VALUE_WORDS,
        items=ITEMS,
        usual=site.config.policy_for(claim_type),
        year=ledger,
        found=found,
        excluded=excluded_of(visit, found.plan) if found else [],
        fault=fault,
        field=field,
    )


def _first_day(form: Form) -> date | None:
    try:
        return date.fromisoformat(form.one("first"))
    except ValueError:
        return None


def _scripts(visit: Visit, conn: Connection) -> dict[str, str]:
    """The published scripts by name, with their titles."""
    m, v = visit.site.municipality_id, script_versions.c
    names = conn.execute(select(v.name).where(v.municipality_id == m).distinct().order_by(v.name)).scalars()
    return {name: visit.site.shelf.flow(conn, m, newest(conn, m, name)).script.title for name in names}

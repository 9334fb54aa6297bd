"""Which function does which job: the one place where the names of jobs meet their rooms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from app.clients.service import ADOPT
from app.consent.jobs import handle_refresh_flag, handle_refresh_flags
from app.consent.notices import SEARCH_TEXT
from app.consent.review import REFRESH_FLAGS
from app.custody import checkpoints
from app.demo.loading import handle_load, handle_unload
from app.demo.service import LOAD, UNLOAD
from app.disputes.jobs import handle_remind
from app.disputes.taking import TASK as TAKE_OVER
from app.disputes.taking import handle_take_over
from app.feeds import jobs as feeds
from app.feeds.days import RECONCILE
from app.fixity import jobs as fixity
from app.fixity.ledger import handle_recount
from app.fixity.locks import APPLY
from app.inspection.jobs import follow_call, inspect
from app.inspection.joining import JOIN, join
from app.inspection.late_joins import search_joins
from app.inspection.search_again import check_runs, search_again, search_text
from app.inspection.searches import SEARCH_AGAIN
from app.mail import jobs as mail
from app.mail.service import SEND
from app.onec.pulling import handle_pull as pull_onec
from app.onec.returning import handle_return as return_to_onec
from app.pictures.jobs import handle_look_due
from app.providers.door import TAKE
from app.providers.jobs import handle_forget as forget_notices
from app.providers.pulling import handle_pull
from app.providers.taking import PULL, handle_take
from app.recordings.call_events import FOLLOW_CALL, PLACE_PARTIES, SEARCH_JOINS
from app.recordings.ingest import INSPECT
from app.recordings.jobs import adopt, place_parties
from app.recordings.service import REFRESH_FLAG
from app.releases.answers import TASK as NOTE_ANSWER
from app.releases.answers import handle_note_answer
from app.releases.bundles import TASK as BUNDLE
from app.releases.jobs import handle_bundle, handle_destroy, handle_reconsider
from app.releases.jobs import handle_sweep as reconsider_closed
from app.releases.sweeping import sweep_store
from app.releases.witnesses import handle_monthly
from app.retention.erasures import CHECK, PURGE
from app.retention.holds import MIRROR
from app.retention.jobs import handle_check, handle_daily, handle_mirror, handle_purge
from app.review.jobs import handle_seed
from app.tools import Tools
from app.uploads.jobs import handle_assemble, handle_expire, sweep
from app.uploads.service import ASSEMBLE
from app.webhooks.sending import handle_forget as forget_webhooks

Handler = Callable[..., object]

SWEEP = "recordings.sweep"
_SWEPT_AFTER = timedelta(hours=6)

HANDLERS: dict[str, Handler] = {
    INSPECT: inspect,
    JOIN: join,
    SEARCH_TEXT: search_text,
    SEARCH_AGAIN: search_again,
    FOLLOW_CALL: follow_call,
    SEARCH_JOINS: search_joins,
    PLACE_PARTIES: place_parties,
    ADOPT: adopt,
    APPLY: fixity.handle_apply_lock,
    REFRESH_FLAG: handle_refresh_flag,
    REFRESH_FLAGS: handle_refresh_flags,
    "releases.reconsider": handle_reconsider,
    "releases.destroy": handle_destroy,
    BUNDLE: handle_bundle,
    TAKE_OVER: handle_take_over,
    NOTE_ANSWER: handle_note_answer,
    PURGE: handle_purge,
    CHECK: handle_check,
    MIRROR: handle_mirror,
    RECONCILE: feeds.handle_reconcile,
    SEND: mail.handle_send,
    ASSEMBLE: handle_assemble,
    TAKE: handle_take,
    PULL: handle_pull,
    LOAD: handle_load,
    UNLOAD: handle_unload,
}
"""By name: `handler(tools, **args)`. A handler may run twice and asks for the present state."""

PERIODIC: dict[str, tuple[str, Callable[[Tools], object]]] = {
    SWEEP: (
        "17 * * * *",
        lambda tools: sweep(tools, older_than=tools.clock.now() - _SWEPT_AFTER),
    ),
    "releases.sweep_store": (
        "47 * * * *",
        lambda tools: sweep_store(tools, older_than=tools.clock.now() - _SWEPT_AFTER),
    ),
    "fixity.check_due": ("* * * * *", fixity.handle_check_due),
    "pictures.look": ("* * * * *", handle_look_due),
    "fixity.sample": ("25 4 * * *", fixity.handle_sample),
    "fixity.reconcile_locks": ("45 4 * * *", fixity.handle_reconcile),
    "fixity.ledger": ("50 3 * * *", handle_recount),
    "fixity.notes": ("35 * * * *", fixity.handle_notes),
    "uploads.expire": ("52 * * * *", handle_expire),
    "providers.forget": ("22 4 * * *", forget_notices),
    "feeds.hourly": ("12 * * * *", feeds.handle_hourly),
    "inspection.check_runs": ("29 * * * *", check_runs),
    "disputes.remind": ("*/10 * * * *", handle_remind),
    "mail.forget": ("55 4 * * *", mail.handle_forget),
    "releases.witness": ("15 6 1 * *", handle_monthly),
    "webhooks.forget": ("20 5 * * *", forget_webhooks),
    "onec.pull": ("* * * * *", pull_onec),
    "onec.return": ("* * * * *", return_to_onec),
    "review.seed": ("5 3 * * *", handle_seed),
    "retention.daily": ("37 2 * * *", handle_daily),
    "releases.sweep": ("* * * * *", reconsider_closed),
    "ledger.checkpoint": ("* * * * *", lambda tools: checkpoints.keep_up(tools.log)),
    "ledger.stamp": ("*/5 * * * *", lambda tools: checkpoints.stamp_pending(tools.log)),
}
"""By name: when, in cron's words, and what."""

MOST_ATTEMPTS: dict[str, int] = {SEND: mail.MOST_ATTEMPTS + 1}
"""How often a job is tried where that is not as usual: a letter marks itself as given up."""

AT_START: tuple[Callable[[Tools], object], ...] = (check_runs,)
"""What a worker does once before its first job: an update may have brought another method."""

"""What is shown, to whom, how, and the sentence beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A page as one person sees it. `path` has holes for what the sample company made.

    Without `who` it is the page of a director's link. `scroll` is what is brought into sight.
    """

    name: str
    path: str
    sentence: str
    who: str | None
    title: str
    lang: str = "ru"
    is_phone: bool = False
    is_dark: bool = False
    scroll: str = ""
    click: str = ""


SHOTS = (
    Shot(
        name="inbox",
        title="The inbox",
        path="/",
        who="manager",
        sentence="What waits for whoever has logged in, section by section, and nothing else.",
    ),
    Shot(
        name="client",
        title="A client",
        path="/clients/{client}",
        who="manager",
        sentence="Complaints with the calls around them stand first: from an angry telephone call "
        "to the tape it is two clicks.",
    ),
    Shot(
        name="client-cost",
        title="What a client costs",
        path="/clients/{client}",
        who="manager",
        scroll="#cost",
        sentence="Every number leads to the calls, events and disputes that it is made of.",
    ),
    Shot(
        name="recordings",
        title="Recordings",
        path="/recordings",
        who="manager",
        sentence="Narrowed by client, agent, number, day, flag and words; the flag is a word, a "
        "mark and a colour.",
    ),
    Shot(
        name="recording",
        title="A recording",
        path="/recordings/{recording}?purpose=internal_quality",
        who="manager",
        sentence="Each party has a lane; the notice, the talk and the marks stand on one axis of "
        "time, and what is listened for is written into the ledger.",
    ),
    Shot(
        name="recording-dark",
        title="The same at night",
        path="/recordings/{recording}?purpose=internal_quality",
        who="reviewer",
        is_dark=True,
        lang="en",
        sentence="Every page follows the light or dark scheme of the machine, in both languages.",
    ),
    Shot(
        name="dispute",
        title="A dispute",
        path="/disputes/{dispute}",
        who="manager",
        sentence="The steps with owner, promised time and result; the next step stands on top.",
    ),
    Shot(
        name="release",
        title="Handing over",
        path="/releases/{release}",
        who="approver",
        sentence="The approver sees exactly what leaves, to whom, and why the rules allow it.",
    ),
    Shot(
        name="link",
        title="The director's telephone",
        path="{link}",
        who=None,
        is_phone=True,
        sentence="No account: who sent it and until when it is open, and one tap to listen.",
    ),
    Shot(
        name="review",
        title="Queues of review",
        path="/review",
        who="reviewer",
        sentence="What waits for a person's ear, the oldest first, with the time that is allowed.",
    ),
    Shot(
        name="help",
        title="Why not?",
        path="/help/reasons/C_UNKNOWN",
        who="manager",
        lang="en",
        sentence="Each reason of a refusal is explained, with what would make it possible.",
    ),
    Shot(
        name="triage",
        title="Calls of nobody",
        path="/events/triage",
        who="manager",
        sentence="A call of an unknown number is tied to its event by one click, with the reason "
        "for each suggestion.",
    ),
    Shot(
        name="reconciliation",
        title="What is missing",
        path="/reconciliation",
        who="manager",
        sentence="Calls that the exchange knows of against recordings, day by day; each gap "
        "wants a reason.",
    ),
    Shot(
        name="agent",
        title="An agent's own page",
        path="/learning",
        who="{agent}",
        is_phone=True,
        sentence="Praise stands first and reaches the one who earned it.",
    ),
    Shot(
        name="library",
        title="Calls worth hearing",
        path="/learning/library",
        who="{colleague}",
        sentence="Calls to learn from, each only while the rules let it be heard for training.",
    ),
    Shot(
        name="appraisal",
        title="An appraisal",
        path="/learning/appraisals/{appraisal}",
        who="{agent}",
        sentence="The agent reads what was answered about his call and says what he thinks of it.",
    ),
    Shot(
        name="calibration",
        title="Calibration",
        path="/learning/calibrations/{calibration}",
        who="manager",
        sentence="Two people appraised one call blind; where they differ, they talk.",
    ),
    Shot(
        name="figures",
        title="Complaints and clients",
        path="/figures",
        who="manager",
        sentence="Whether complaints grow faster than the number of clients; it prints as it is.",
    ),
    Shot(
        name="figures-clients",
        title="Who costs more than he brings",
        path="/figures/clients",
        who="manager",
        sentence="Minutes per call, calls per ticket, and the cost of disputes against what the "
        "contract brings.",
    ),
    Shot(
        name="ledger",
        title="The ledger of a recording",
        path="/ledger/recording/{recording}",
        who="approver",
        sentence="What happened to it in plain words, each entry with its place in the log.",
    ),
    Shot(
        name="packs",
        title="Rules of a place",
        path="/packs",
        who="admin",
        sentence="What a place asks for, how sure each value is, and who put it in force.",
    ),
    Shot(
        name="system",
        title="System",
        path="/system",
        who="admin",
        is_dark=True,
        sentence="What doctor sees, jobs that wait, and what to do about each.",
    ),
)

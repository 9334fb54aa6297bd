"""Screenshots and papers: one with a text that was read, and a paper that a client sent."""

from __future__ import annotations

from app.core.ids import new_id
from app.documents.models import Document, DocumentKind, DocumentRole
from app.identity.permissions import Permission
from app.pictures import jobs
from app.recordings.models import SealedRow
from tests.pictures.drawn import drawn, photo
from tests.review.house import House
from tests.web.table import those_with

PAGES = {
    "/screenshots": those_with(Permission.EXHIBIT_PREVIEW),
    "/screenshots/{screenshot_id}": those_with(Permission.EXHIBIT_PREVIEW),
    "/documents/{document_id}": those_with(Permission.DOCUMENT_READ),
}
FORMS: dict[str, frozenset[object]] = {}
LINES = ("Ошибка проведения документа", "Не заполнен реквизит Контрагент")


def fill(house: House) -> dict[str, str]:
    """Make a screenshot with Russian text and a photo of a paper, and let both be looked at."""
    shot_body = drawn(*LINES)

    with house.making() as make:
        client = make.client(name="ООО «Снимок»")
        shot = make.screenshot(shot_body, client=client, media_type="image/png", size=(1000, 300))
        sealed = make.session.get_one(SealedRow, make.sealed(photo()))
        paper = Document(
            id=new_id(),
            upload_id=str(new_id()),
            role=DocumentRole.OTHER,
            title="Фото накладной",
            kind=DocumentKind.JPEG,
            media_type="image/jpeg",
            object_id=sealed.object_id,
            sha256=sealed.sha256,
            width=90,
            height=60,
            file_name="IMG_1.jpg",
            examined=["header"],
            oddities=[],
            client_id=client.id,
            uploaded_by=None,
            uploaded_at=house.clock.now(),
        )
        make.session.add(paper)
        make.session.flush()
        found = {"screenshot_id": str(shot.id), "document_id": str(paper.id)}
    jobs.handle_look_due(house.tools)
    return found

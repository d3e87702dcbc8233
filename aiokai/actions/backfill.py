"""Place pods that ask for nothing but a place, after all others."""

from aiokai.actions.allocate import serve
from aiokai.session.session import Session


def backfill(session: Session) -> None:
    serve(session, best_effort=True)

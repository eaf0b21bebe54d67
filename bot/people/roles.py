"""Roles, the one-time invitations that grant them, and the audit trail of what staff did."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import insert, select, update

from bot.clock import Clock
from bot.people.models import AuditRecord, Invitation, Role
from bot.storage import Database, Tx

RoleName = Literal["admin", "expert", "curator"]
VALID_FOR = timedelta(days=3)


async def audit(tx: Tx, actor_id: int | None, action: str, subject: str, details: dict[str, Any], at: datetime) -> None:
    """Record what a member of staff did, in the transaction that did it; `details` hold ids only."""
    record = {"at": at, "actor_id": actor_id, "action": action, "subject": subject, "details": details}
    await tx.execute(insert(AuditRecord).values(**record))


class Invitations:
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def create(self, role: RoleName, expert_id: int | None = None) -> str:
        """The start payload of a one-time link, valid for three days. It is shown once and never stored."""
        token = f"i{secrets.token_urlsafe(24)}"
        now = self._clock.now()
        async with self._db.write() as tx:
            row = {"role": role, "expert_id": expert_id, "created_at": now, "expires_at": now + VALID_FOR}
            await tx.execute(insert(Invitation).values(token_hash=_hash(token), **row))
            await audit(tx, None, "role.invited", f"role:{role}", {"expert": expert_id}, now)
        return token

    async def accept(self, token: str, contact_id: int) -> tuple[RoleName, int | None] | None:
        """The role now held and the expert it stands for; None when the link is unknown, used or expired.

        Following one's own link again gives the same answer.
        """
        now = self._clock.now()
        mine = (Invitation.token_hash == _hash(token)) & (
            (Invitation.used_at.is_(None) & (Invitation.expires_at > now)) | (Invitation.used_by == contact_id)
        )
        use = update(Invitation).where(mine).values(used_at=now, used_by=contact_id)
        async with self._db.write() as tx:
            used = (await tx.execute(use.returning(Invitation.role, Invitation.expert_id))).first()
            if used is None:
                return None
            held = select(Role.role).where(Role.contact_id == contact_id, Role.role == used.role)
            if (await tx.execute(held)).first() is None:
                await tx.execute(insert(Role).values(contact_id=contact_id, role=used.role, granted_at=now))
                details = {"expert": used.expert_id}
                await audit(tx, contact_id, "role.granted", f"role:{used.role}", details, now)
        return used.role, used.expert_id


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

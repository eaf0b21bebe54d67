"""Roles, the one-time invitations that grant them, and the audit trail of what staff did."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, func, insert, select, update

from bot.clock import Clock
from bot.people.models import AuditRecord, Invitation, Role
from bot.storage import Database, Tx

RoleName = Literal["admin", "expert", "curator"]
VALID_FOR = timedelta(days=3)
ID_LENGTH = 12
"""Characters of a token's hash that name an invitation."""


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """A link that nobody has followed yet; `id` names it without giving it away."""

    id: str
    role: RoleName
    expert_id: int | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Granted:
    """A role, and the expert its holder is; `first` when the link was used just now."""

    role: RoleName
    expert_id: int | None
    first: bool


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

    async def still_open(self) -> list[OpenInvitation]:
        """Links that can still be followed, the first to expire first."""
        columns = (Invitation.token_hash, Invitation.role, Invitation.expert_id, Invitation.expires_at)
        usable = select(*columns).where(Invitation.used_at.is_(None), Invitation.expires_at > self._clock.now())
        async with self._db.read() as tx:
            rows = (await tx.execute(usable.order_by(Invitation.expires_at, Invitation.token_hash))).all()
        return [OpenInvitation(row.token_hash[:ID_LENGTH], row.role, row.expert_id, row.expires_at) for row in rows]

    async def revoke(self, invitation: str) -> bool:
        """Let nobody follow that link any more; False when it is not among those still open."""
        named = func.substr(Invitation.token_hash, 1, ID_LENGTH) == invitation
        now = self._clock.now()
        unused = delete(Invitation).where(named, Invitation.used_at.is_(None), Invitation.expires_at > now)
        async with self._db.write() as tx:
            role = (await tx.execute(unused.returning(Invitation.role))).scalar_one_or_none()
            if role is not None:
                await audit(tx, None, "role.invitation_revoked", f"role:{role}", {}, now)
        return role is not None

    async def accept(self, token: str, contact_id: int) -> Granted | None:
        """What the link grants; None when it is unknown, expired or used by somebody else.

        Following one's own link again, while it is valid, gives the same answer and grants nothing anew.
        """
        now = self._clock.now()
        valid = (Invitation.token_hash == _hash(token)) & (Invitation.expires_at > now)
        use = update(Invitation).where(valid, Invitation.used_at.is_(None)).values(used_at=now, used_by=contact_id)
        again = select(Invitation.role, Invitation.expert_id).where(valid, Invitation.used_by == contact_id)
        async with self._db.write() as tx:
            used = (await tx.execute(use.returning(Invitation.role, Invitation.expert_id))).first()
            if used is None:
                repeated = (await tx.execute(again)).first()
                return Granted(repeated.role, repeated.expert_id, first=False) if repeated else None
            await self._grant(tx, contact_id, used.role, used.expert_id, now)
        return Granted(used.role, used.expert_id, first=True)

    async def _grant(self, tx: Tx, contact_id: int, role: str, expert_id: int | None, now: datetime) -> None:
        held = select(Role.role).where(Role.contact_id == contact_id, Role.role == role)
        if (await tx.execute(held)).first() is None:
            await tx.execute(insert(Role).values(contact_id=contact_id, role=role, granted_at=now))
            await audit(tx, contact_id, "role.granted", f"role:{role}", {"expert": expert_id}, now)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

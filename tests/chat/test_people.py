"""Staff, the desk, other people's things, one's own data, and what happens when something fails."""

import json
from datetime import timedelta

import pytest
import structlog
from aiogram.fsm.storage.base import StorageKey
from sqlalchemy import func, select

from bot.channels.conversation import Handling, handling
from bot.channels.state import ConversationStorage
from bot.channels.webchat.visitors import HISTORY
from bot.inbox import InboxUpdate
from bot.outbox.models import OutboxRow
from bot.outbox.port import ChatRef
from bot.people.models import AuditRecord, Chat, Contact
from bot.storage import Base
from bot.texts import LOCALES, Texts
from bot.texts.actions import AskExpert, PickSuggestion, RateAnswer, ReplyToDeskQuestion, ShowDesk
from knowledge.models import AskedQuestion
from scheduler.appointments.models import Expert
from tests.conftest import MovableClock
from tests.machine import Machine, Visitor
from tests.schema import import_tables

UNKNOWN_LINK = "I do not know that link"


async def link(chat: Machine, role: str = "admin") -> str:
    return f"/start {await chat.core.services.invitations.create(role)}"  # type: ignore[arg-type]


async def test_an_invitation_makes_one_person_staff_and_nobody_else(chat: Machine) -> None:
    ann, bo, invitation = await chat.visitor(), await chat.visitor(), await link(chat)
    assert "administrator now" in (await ann.says(invitation)).text
    assert any(UNKNOWN_LINK in m.text for m in await _after(bo, invitation))
    assert "administrator now" in (await ann.says(invitation)).text


async def _after(visitor: Visitor, text: str) -> list[object]:
    await visitor.says(text)
    return list(await visitor.page())  # the note, then the menu


async def test_a_link_that_was_taken_back_makes_nobody_staff(chat: Machine) -> None:
    ann, bo, first, second = await chat.visitor(), await chat.visitor(), await link(chat), await link(chat, "curator")
    (revoked,) = [each.id for each in await chat.core.services.invitations.still_open() if each.role == "admin"]
    assert await chat.core.services.invitations.revoke(revoked)
    assert not await chat.core.services.invitations.revoke(revoked)
    assert any(UNKNOWN_LINK in m.text for m in await _after(ann, first))  # type: ignore[attr-defined]
    assert "curator now" in (await bo.says(second)).text
    assert await chat.core.services.invitations.still_open() == []


async def test_an_invitation_lapses_after_three_days(chat: Machine, clock: MovableClock) -> None:
    invitation = await link(chat)
    clock.advance(timedelta(days=3, seconds=1))
    ann = await chat.visitor()
    assert any(UNKNOWN_LINK in m.text for m in await _after(ann, invitation))  # type: ignore[attr-defined]


async def test_an_old_link_takes_an_expert_from_nobody(town: Machine, clock: MovableClock) -> None:
    ann, bo = await town.visitor(), await town.visitor()
    first = f"/start {await town.core.services.invitations.create('expert', 1)}"
    await ann.says(first)
    await bo.says(f"/start {await town.core.services.invitations.create('expert', 1)}")
    await ann.says(first)
    assert await _linked(town) == await _contact(town, bo)
    clock.advance(timedelta(days=4))
    assert any(UNKNOWN_LINK in m.text for m in await _after(ann, first))  # type: ignore[attr-defined]
    assert await _linked(town) == await _contact(town, bo)


async def _linked(town: Machine) -> int | None:
    async with town.core.db.read() as tx:
        return (await tx.execute(select(Expert.contact_id).where(Expert.id == 1))).scalar_one()


async def _contact(town: Machine, visitor: Visitor) -> int:
    async with town.core.db.read() as tx:
        return (await tx.execute(select(Chat.contact_id).where(Chat.chat_id == visitor.chat_id))).scalar_one()


async def test_a_question_pressed_twice_lies_on_the_desk_once(chat: Machine) -> None:
    bo, ann = await chat.staff("curator"), await chat.visitor()
    declined = await ann.says("Please ask them about sourdough")
    await ann.presses("sk an expert", declined)
    await ann.presses("sk an expert", declined)
    assert "1 open question" in (await bo.says("/desk")).text


async def test_a_dialog_that_nobody_came_back_to_swallows_no_question(town: Machine, clock: MovableClock) -> None:
    ann, bo = await town.visitor(), await town.staff("curator")
    await ann.says("/book")
    for label in ("Patents", "Ada Wong", "26", "10:00"):
        await ann.presses(label)
    assert "name" in (await ann.says("Lotus Ltd")).text
    clock.advance(timedelta(hours=2))
    assert "senior executive" in (await ann.says("What does a CIPO do?")).text
    assert "too long ago" in (await ann.page())[-2].text
    assert "Nothing was in progress" in (await ann.says("/cancel")).text
    await ann.says("/ask")
    clock.advance(timedelta(days=5))
    assert "senior executive" in (await ann.says("What does a CIPO do?")).text
    assert "No open questions" in (await bo.says("/desk")).text


async def test_a_dialog_stays_open_while_its_time_is_kept_and_for_half_an_hour(
    town: Machine, clock: MovableClock
) -> None:
    ann, bo = await town.visitor(), await town.staff("curator")
    await ann.says("/ask")
    clock.advance(timedelta(minutes=20))
    await ann.says("/ask")
    clock.advance(timedelta(minutes=30))
    assert "with our experts" in (await ann.says("Who files first?")).text
    assert "1 open question" in (await bo.says("/desk")).text


async def test_a_word_of_the_keyboard_is_no_question_however_late(town: Machine, clock: MovableClock) -> None:
    ann = await town.visitor()
    await ann.says("/book")
    for label in ("Patents", "Ada Wong", "26", "10:00"):
        await ann.presses(label)
    clock.advance(timedelta(hours=2))
    assert "too long ago" in (await ann.says("Skip")).text


async def test_an_update_handled_again_finds_the_dialog_as_old_as_it_was(chat: Machine, clock: MovableClock) -> None:
    storage, key = ConversationStorage(chat.core.db, clock), StorageKey(bot_id=1, chat_id=1, user_id=1)
    began = clock.now()
    for update, state in ((1, "first"), (2, "second")):
        handling.set(Handling(update))
        await storage.set_state(key, state)
        clock.advance(timedelta(minutes=40))
    handling.set(Handling(2))
    assert (await storage.get_state(key), await storage.since(key)) == ("first", began)
    handling.set(Handling(3))
    assert (await storage.get_state(key), await storage.since(key)) == ("second", began + timedelta(minutes=40))


async def test_looking_elsewhere_leaves_the_question_to_a_person(chat: Machine) -> None:
    bo, ann = await chat.staff("curator"), await chat.visitor()
    await ann.says("/start")
    await ann.presses("Ask a person")
    await ann.presses("Browse the topics")
    assert "senior executive" in (await ann.says("What does a CIPO do?")).text
    assert "No open questions" in (await bo.says("/desk")).text


@pytest.mark.parametrize("command", ["/help", "/cancel", "/book"])
async def test_leaving_a_booking_by_a_command_gives_the_time_back(command: str, town: Machine) -> None:
    ann, bo = await town.visitor(), await town.visitor()
    await ann.says("/book")
    for label in ("Patents", "Ada Wong", "26", "10:00"):
        await ann.presses(label)
    await ann.says(command)
    await bo.says("/book")
    for label in ("Patents", "Ada Wong"):
        await bo.presses(label)
    assert "10:00" in (await bo.presses("26")).labels()


async def test_who_is_far_behind_catches_up_in_several_steps(chat: Machine) -> None:
    ann = await chat.visitor()
    for number in range(HISTORY + 5):
        await chat.server.say(ann.chat_id, f"message {number}", f"key-{number}")
    await chat.settled()
    first, known = await chat.server.changes(ann.chat_id, 1)
    assert len(first) == HISTORY
    rest, newest = await chat.server.changes(ann.chat_id, known)
    assert rest
    seen = {message["message_id"] for message in [*first, *rest]}
    while rest:
        rest, newest = await chat.server.changes(ann.chat_id, newest)
        seen |= {message["message_id"] for message in rest}
    assert seen >= set(range(2, HISTORY + 6))


async def test_the_token_of_an_invitation_is_not_kept(chat: Machine) -> None:
    token = (await link(chat)).removeprefix("/start ")
    import_tables()
    async with chat.core.db.read() as tx:
        for table in Base.metadata.sorted_tables:
            assert token not in str((await tx.execute(select(table))).all())


async def test_what_is_for_staff_is_unknown_to_everybody_else(chat: Machine) -> None:
    ann = await chat.visitor()
    await ann.says("Please ask them about sourdough")
    desk_question = await ann.presses("sk an expert")
    assert "with our experts" in desk_question.text
    assert "do not know that command" in (await ann.says("/desk")).text
    assert "do not know that command" in (await ann.says("/manage")).text
    async with chat.core.db.read() as tx:
        before = (await tx.execute(select(func.count()).select_from(AuditRecord))).scalar_one()
    for action in (ShowDesk(), ReplyToDeskQuestion(1)):
        await _forges(ann, action.encode())
    async with chat.core.db.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(AuditRecord))).scalar_one() == before


async def _forges(visitor: Visitor, data: str) -> str:
    """Press a button that the page never showed, as a changed client of Telegram could; what is answered."""
    accepted = {
        "callback_query": {
            "id": f"forged {data}",
            "from": {"id": visitor.chat_id, "is_bot": False, "first_name": "X", "language_code": "en"},
            "chat_instance": "1",
            "message": {
                "message_id": 1,
                "date": 0,
                "chat": {"id": visitor.chat_id, "type": "private"},
            },
            "data": data,
        }
    }
    async with visitor.machine.core.db.write() as tx:
        update = await visitor.machine.app._accept(tx, accepted)
    assert update is not None
    visitor.machine.core.inbox.take(update)
    await visitor.machine.settled()
    return (await visitor.last()).text


async def test_only_the_first_of_two_replies_is_sent(chat: Machine) -> None:
    bo, cy = await chat.staff("curator"), await chat.staff("expert")
    ann = await chat.visitor()
    await ann.says("/ask")
    await ann.says("Who files first?")
    await bo.presses("Reply")
    await cy.presses("Reply")
    assert "Sent" in (await bo.says("You do.")).text
    assert "Somebody else" in (await cy.says("They do.")).text
    replies = [m.text for m in await ann.page() if "A reply from our experts" in m.text]
    assert len(replies) == 1
    assert "You do." in replies[0]


async def test_nobody_rates_sends_or_picks_for_somebody_else(chat: Machine) -> None:
    ann, eve = await chat.visitor(), await chat.visitor()
    await ann.says("What does a CIPO do?")
    await eve.says("hello")
    for action in (RateAnswer(1, False), PickSuggestion(1, "cipo-02")):
        await _forges(eve, action.encode())
    assert "Write your question" in await _forges(eve, AskExpert(1).encode())
    async with chat.core.db.read() as tx:
        row = (await tx.execute(select(AskedQuestion.__table__).where(AskedQuestion.id == 1))).one()
    assert row.helpful is None
    assert row.entry_id == "cipo-01"


async def test_a_copy_of_my_data_holds_what_i_said_and_nothing_of_others(chat: Machine) -> None:
    ann, eve = await chat.visitor(), await chat.visitor()
    await ann.says("What does a CIPO do?")
    await eve.says("How do I book an appointment?")
    file = await ann.says("/export")
    assert file.document == "my-data.json"
    data = json.loads(await ann.downloads(file))
    assert [asked["text"] for asked in data["questions"]["asked"]] == ["What does a CIPO do?"]
    assert any(said["text"] == "What does a CIPO do?" for said in data["chats"]["web_chat"])
    assert "How do I book" not in json.dumps(data)


async def test_erasing_leaves_nothing_that_says_who_or_what(town: Machine, clock: MovableClock) -> None:
    ann = await town.visitor(name="ann")
    for text in ("Our secret robot arm", "/ask", "Secret: who owns the robot arm?", "/events"):
        await ann.says(text)
    await ann.presses("forum")
    await ann.presses("Register")
    await erases_everything(ann)
    assert "erased" in (await ann.last()).text
    await town.core.inbox.flush()
    async with town.core.db.read() as tx:
        assert (await tx.execute(select(func.count()).select_from(Contact))).scalar_one() == 0
        assert (await tx.execute(select(func.count()).select_from(Chat))).scalar_one() == 0
        assert (await tx.execute(select(func.count()).select_from(OutboxRow))).scalar_one() == 0
    await nothing_kept_says(town, "robot")
    clock.advance(timedelta(days=20))
    await town.settled()
    assert len(await ann.page()) == 1
    assert "CIPO Advisor" in (await ann.says("/start")).text


async def test_erasing_takes_back_what_staff_were_shown_and_nothing_else(town: Machine) -> None:
    bo, ada, eve = await town.staff("curator"), await town.staff("expert", 1), await town.visitor()
    ann = await town.visitor()
    await eve.says("/ask")
    await eve.says("Who owns the windmill?")
    await ann.says("Our secret robot arm")
    await ann.says("/ask")
    await ann.says("Secret: who owns the robot arm?" + " And then?" * 380)
    await ann.says("/ask")
    await ann.says("The robot again?")
    await books(ann, "Ann Robot")
    for reader in (bo, ada):
        assert any("robot" in message.text for message in await reader.page())
    await bo.says("/misses")
    await bo.says("/desk")
    await bo.presses("Secret")
    await bo.presses("Read it whole")
    await bo.presses("Reply")
    await bo.says("/desk")
    await bo.presses("The robot again")
    await bo.presses("Reply")
    await bo.says("Ours.")
    await ada.says("/appointments")
    await ada.presses("26 Nov")
    await ada.presses("Calendar file")
    await town.core.inbox.flush()
    await erases_everything(ann)
    await town.core.inbox.flush()
    for text in ("robot", "Robot", "And then?", "ann@arms.example"):
        await nothing_kept_says(town, text)
    assert any("windmill" in message.text for message in await bo.page())
    assert any("Your client cancelled" in message.text for message in await ada.page())
    assert "1 open question" in (await bo.says("/desk")).text


async def test_erasing_blanks_the_last_press_of_staff_and_the_wish_itself(chat: Machine) -> None:
    bo, ann = await chat.staff("curator"), await chat.visitor()
    await ann.says("/ask")
    await ann.says("Secret: who owns the robot arm?")
    await bo.presses("Reply")
    await erases_everything(ann)
    await chat.core.inbox.flush()
    await nothing_kept_says(chat, "robot")
    async with chat.core.db.read() as tx:
        hers = select(InboxUpdate.payload).where(InboxUpdate.chat_id == ann.chat_id)
        assert set((await tx.execute(hers)).scalars()) == {""}


async def erases_everything(visitor: Visitor) -> None:
    await visitor.says("/erase")
    await visitor.presses("Yes, erase everything")


async def books(visitor: Visitor, name: str) -> None:
    await visitor.says("/book")
    for label in ("Patents", "Ada Wong", "26", "10:00"):
        await visitor.presses(label)
    for text in ("Robot Arms Ltd", name, "ann@arms.example", "Is the robot arm free?"):
        await visitor.says(text)
    await visitor.presses("I agree")
    await visitor.presses("Confirm")


async def nothing_kept_says(town: Machine, text: str) -> None:
    """No table holds the text, documents included; the knowledge, which is no person's, aside."""
    import_tables()
    async with town.core.db.read() as tx:
        for table in Base.metadata.sorted_tables:
            if table.name not in KNOWLEDGE:
                rows = (await tx.execute(select(table))).all()
                assert not [row for row in rows if text in str(row)], table.name


KNOWLEDGE = ("entry_revision", "knowledge_state", "knowledge_model")


async def test_a_failure_is_told_with_a_code_that_finds_it_in_the_log(
    chat: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await chat.visitor("zh-Hant")

    async def broken(*_: object) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(chat.core.services.desk, "ask", broken)
        await ann.says("/ask")
        sorry = await ann.says("有人嗎？")
    reference = next(entry["reference"] for entry in logs if entry["event"] == "handling failed")
    assert reference in sorry.text
    assert "抱歉" in sorry.text
    assert "senior executive" in (await ann.says("/cancel") and await ann.says("What does a CIPO do?")).text


async def test_who_sends_too_much_is_asked_once_to_wait_and_served_again_later(
    chat: Machine, clock: MovableClock
) -> None:
    ann = await chat.visitor()
    allowed = chat.core.settings.messages_per_minute
    for number in range(allowed + 3):
        await ann.says(f"/help {number}")
    said = [m.text for m in await ann.page() if m.by == "bot"]
    assert sum("a little fast" in text for text in said) == 1
    assert len(said) == allowed + 1
    clock.advance(timedelta(minutes=1))
    assert "CIPO Advisor" in (await ann.says("/help")).text


@pytest.mark.parametrize("text", ["x" * 4096, "𠮷" * 4096, "\u202eabc", "a\x00b", "\u200b" * 50, "<" * 4000])
async def test_any_text_within_the_limit_gets_an_answer(text: str, chat: Machine) -> None:
    ann = await chat.visitor()
    assert (await ann.says(text)).by == "bot"
    assert (await ann.last()).text


async def test_a_question_of_the_greatest_length_reaches_staff_whole(chat: Machine) -> None:
    bo, ann = await chat.staff("curator"), await chat.visitor()
    longest = "".join(f"{number:07d} " for number in range(512))[:4095] + "?"
    declined = await ann.says(longest)
    await ann.presses("Ask an expert", declined)
    notice = await bo.last()
    assert "0000000" in notice.text
    assert "The question goes on" in notice.text
    await bo.presses("Read it whole", notice)
    read = "".join("".join(message.text.split()) for message in (await bo.page())[-2:])
    assert "".join(longest.split()) in read
    await bo.presses("Reply")
    assert "Sent" in (await bo.says("That is long.")).text
    assert "That is long." in (await ann.last()).text


async def test_the_desk_turns_its_pages(chat: Machine) -> None:
    bo, ann = await chat.staff("curator"), await chat.visitor()
    for number in range(11):
        await chat.core.services.desk.ask(await _contact_of(chat, ann), f"Question of number {number}?", -number - 1)
    await chat.settled()
    first = await bo.says("/desk")
    assert "11 open questions" in first.text
    assert not any("number 10" in label for label in first.labels())
    second = await bo.presses("Next", first)
    assert [label for label in second.labels() if "number" in label] == ["Question of number 10?"]
    assert len((await bo.presses("Previous", second)).labels()) == len(first.labels())


async def _contact_of(chat: Machine, visitor: Visitor) -> int:
    person = await chat.core.services.contacts.meet(ChatRef(chat.app.web_bot.id, visitor.chat_id), "en")
    return person.contact_id


async def test_the_buttons_of_an_answer_speak_its_language(chat: Machine) -> None:
    ann = await chat.visitor("en")
    answer = await ann.says("什么是CIPO")
    assert "知识产权" in answer.text
    related = next(label for label in answer.labels() if "？" in label)
    opened = await ann.presses(related, answer)
    assert related in opened.text
    listed = await ann.presses("更多相关问答", opened)
    assert "主题" in (await ann.presses("全部主题", listed)).text


async def test_a_picked_suggestion_speaks_the_language_of_the_question(chat: Machine) -> None:
    ann = await chat.visitor("en")
    await ann.says("什么是CIPO")
    assert "知识产权" in await _forges(ann, PickSuggestion(1, "cipo-02").encode())


async def test_erasing_reaches_staff_however_many_questions_there_were(chat: Machine) -> None:
    bo, ann = await chat.staff("curator"), await chat.visitor()
    asker = await _contact_of(chat, ann)
    for number in range(250):
        await chat.core.services.desk.ask(asker, f"Secret number {number}", -number - 1)
    await bo.says("/desk")
    await chat.core.services.privacy.erase(asker)
    await nothing_kept_says(chat, "Secret number")


def test_the_bot_calls_itself_by_the_name_it_was_given() -> None:
    for locale in LOCALES:
        assert "Lotus Desk" in Texts("Lotus Desk").translator(locale).page("start.html")


async def test_a_browser_is_a_first_guess_at_the_zone_and_no_more(chat: Machine) -> None:
    contacts, here = chat.core.services.contacts, ChatRef(chat.app.web_bot.id, (await chat.visitor()).chat_id)
    await chat.app._settle(here.chat_id, "Asia/Tokyo")
    person = await contacts.known(here)
    assert person is not None
    assert person.zone == "Asia/Tokyo"
    await contacts.live_in(person.contact_id, "Europe/Paris")
    await chat.app._settle(here.chat_id, "America/New_York")
    assert (await contacts.meet(here, "en")).zone == "Europe/Paris"


async def test_what_is_asked_after_somebody_was_erased_reaches_staff(chat: Machine) -> None:
    admin = await chat.staff("admin")
    ann, bob = await chat.visitor(), await chat.visitor()
    await ann.says("/ask")
    await ann.says("May I mortgage a design?")
    await ann.says("/erase")
    await ann.presses("Yes, erase everything")
    await bob.says("/ask")
    await bob.says("Who values a secret?")
    assert "Who values a secret?" in (await admin.last()).text


async def test_a_chat_goes_on_after_a_silence_in_which_all_updates_were_dropped(
    chat: Machine, clock: MovableClock
) -> None:
    ann = await chat.visitor()
    await ann.says("What does a CIPO do?")
    await chat.core.inbox.flush()
    clock.advance(timedelta(days=5))
    await chat.core.inbox.forget_old()
    before = await ann.page()
    await ann.says("How do I book an appointment?")
    said = [message.text for message in (await ann.page())[len(before) :]]
    assert len(said) == 2
    assert "book" in said[1]

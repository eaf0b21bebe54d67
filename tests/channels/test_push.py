"""Word of changes, from whoever made them to the pages that look on."""

import asyncio

import pytest

from bot.channels.send_keys import next_send_key, sending
from bot.channels.webchat.push import CAPACITY, Answered, Changed, Push, StateChanged, Typing


async def test_every_page_of_a_chat_hears_and_no_other() -> None:
    push = Push()
    with push.subscribe(1) as one, push.subscribe(1) as two, push.subscribe(2) as other:
        push.publish(1, Changed(5))
        assert await one.next() == await two.next() == Changed(5)
        assert len(other) == 0
    push.publish(1, Changed(6))
    assert len(one) == 0


async def test_a_waiting_page_wakes_up() -> None:
    push = Push()
    with push.subscribe(1) as page:
        waiting = asyncio.ensure_future(page.next())
        await asyncio.sleep(0)
        push.publish(1, Typing())
        async with asyncio.timeout(30):
            assert await waiting == Typing()


async def test_only_the_newest_number_waits() -> None:
    push = Push()
    with push.subscribe(1) as page:
        for seq in range(1000):
            push.publish(1, Changed(seq))
        assert len(page) == 1
        assert await page.next() == Changed(999)


async def test_a_page_that_does_not_read_is_told_to_look_everything_up() -> None:
    push = Push()
    with push.subscribe(1) as page:
        for _ in range(CAPACITY + 1):
            push.publish(1, Typing())
        events = [await page.next() for _ in range(len(page))]
    assert events == [StateChanged(), Changed(0), Typing()]


async def test_answers_to_presses_outlast_a_full_queue_as_far_as_it_goes() -> None:
    push = Push()
    answers = [Answered(str(number), None, False, None) for number in range(1000)]
    with push.subscribe(1) as page:
        push.publish(1, answers[0])
        for _ in range(CAPACITY):
            push.publish(1, Typing())
        assert await page.next() == answers[0]
        for answer in answers:
            push.publish(1, answer)
        assert len(page) <= CAPACITY
        kept = [await page.next() for _ in range(len(page))]
    assert answers[-1] == kept[-1]


async def test_everyone_hears_of_what_concerns_everyone() -> None:
    push = Push()
    with push.subscribe(1) as one, push.subscribe(2) as two:
        push.publish_all(StateChanged())
        assert await one.next() == await two.next() == StateChanged()


async def test_sends_are_numbered_within_their_cause() -> None:
    assert next_send_key() is None
    with sending("update:1"):
        assert [next_send_key(), next_send_key()] == ["update:1/0", "update:1/1"]
        with sending("outbox:2"):
            assert next_send_key() == "outbox:2/0"
        assert next_send_key() == "update:1/2"
    assert next_send_key() is None


async def test_causes_at_the_same_time_keep_their_own_numbers() -> None:
    async def keys(cause: str) -> list[str | None]:
        with sending(cause):
            first = next_send_key()
            await asyncio.sleep(0)
            return [first, next_send_key()]

    one, other = await asyncio.gather(keys("a"), keys("b"))
    assert (one, other) == (["a/0", "a/1"], ["b/0", "b/1"])


async def test_a_failure_inside_ends_the_cause() -> None:
    with pytest.raises(ZeroDivisionError), sending("a"):
        raise ZeroDivisionError
    assert next_send_key() is None

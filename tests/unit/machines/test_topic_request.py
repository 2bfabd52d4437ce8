"""A topic is asked for until the service, or its list, says that it is there; and no longer than that helps."""

from __future__ import annotations

import pytest

from shared.errors import SinkRefused, Unavailable
from shared.machines.topic_request import Pace, Reply, Step, TopicRequest, Verdict

BUSY = Reply(Verdict.BUSY, Unavailable("busy"))
SILENT = Reply(Verdict.SILENT, Unavailable("silent"))
REFUSED = Reply(Verdict.REFUSED, SinkRefused("no"))


def request(*, present: bool = True, deadline: float = 100.0) -> TopicRequest:
    return TopicRequest(present, deadline)


def test_done_is_done() -> None:
    one = request()
    one.asked(Reply(Verdict.DONE), 0.0)
    assert one.step is Step.DONE


def test_a_busy_service_is_asked_again_with_growing_pauses_and_never_looked_at() -> None:
    one, now, pauses = request(), 0.0, []
    for _ in range(7):
        one.asked(BUSY, now)
        assert one.step is Step.ASK
        pauses.append(one.not_before - now)
        now = one.not_before
    assert pauses == [1, 2, 4, 8, 15, 15, 15]


def test_the_pause_that_the_service_asks_for_counts_when_it_is_longer() -> None:
    one = request()
    one.asked(Reply(Verdict.BUSY, Unavailable("busy"), pause=5.5), 10.0)
    assert one.not_before == 15.5
    one.asked(Reply(Verdict.BUSY, Unavailable("busy"), pause=0.5), 20.0)
    assert one.not_before == 22.0


def test_a_service_that_stays_busy_is_given_up_with_its_own_words() -> None:
    one = request(deadline=3.0)
    one.asked(BUSY, 2.9)
    with pytest.raises(Unavailable, match="busy"):
        one.asked(BUSY, 3.0)


def test_after_silence_the_list_decides() -> None:
    one = request()
    one.asked(SILENT, 0.0)
    assert (one.step, one.not_before) == (Step.LOOK, 1.0)
    one.looked(True, 1.0)
    assert one.step is Step.DONE
    two = request()
    two.asked(SILENT, 0.0)
    two.looked(False, 1.0)
    assert two.step is Step.ASK


def test_a_refusal_counts_only_if_the_list_does_not_have_the_topic() -> None:
    one = request()
    one.asked(REFUSED, 0.0)
    assert one.step is Step.LOOK
    one.looked(True, 0.0)
    assert one.step is Step.DONE
    two = request()
    two.asked(REFUSED, 0.0)
    with pytest.raises(SinkRefused, match="no"):
        two.looked(False, 0.0)


def test_a_deletion_wants_the_list_to_lack_the_topic() -> None:
    one = request(present=False)
    one.asked(REFUSED, 0.0)
    one.looked(False, 0.0)
    assert one.step is Step.DONE
    two = request(present=False)
    two.asked(REFUSED, 0.0)
    with pytest.raises(SinkRefused, match="no"):
        two.looked(True, 0.0)


def test_a_list_that_cannot_be_read_is_read_later() -> None:
    one = request()
    one.asked(SILENT, 0.0)
    for reply in (BUSY, SILENT):
        one.looked(reply, 5.0)
        assert one.step is Step.LOOK
        assert one.not_before > 5.0
    with pytest.raises(Unavailable, match="silent"):
        one.looked(SILENT, 100.0)


def test_a_list_that_is_refused_leaves_the_first_refusal_standing() -> None:
    one = request()
    one.asked(REFUSED, 0.0)
    with pytest.raises(SinkRefused, match="no"):
        one.looked(Reply(Verdict.REFUSED, SinkRefused("you may not list")), 0.0)
    two = request()
    two.asked(SILENT, 0.0)
    with pytest.raises(SinkRefused, match="you may not list"):
        two.looked(Reply(Verdict.REFUSED, SinkRefused("you may not list")), 1.0)


def test_the_pace_is_quick_until_the_service_complains() -> None:
    pace = Pace(quick=0.1, slow=1.1)
    pace.asked(Reply(Verdict.DONE), 10.0)
    assert pace.next_at() == pytest.approx(10.1)
    pace.asked(REFUSED, 11.0)
    pace.asked(SILENT, 12.0)
    assert pace.next_at() == pytest.approx(12.1)
    pace.asked(BUSY, 13.0)
    assert pace.next_at() == pytest.approx(14.1)
    pace.asked(Reply(Verdict.DONE), 20.0)
    assert pace.next_at() == pytest.approx(21.1)

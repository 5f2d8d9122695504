"""What is shown while members train, with a clock that the tests turn by hand."""

from __future__ import annotations

import io

import pytest

from jaxreg.engine.clock import Clock
from jaxreg.engine.progress import Bar, Lines, Silent, suited


class Hands:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_time_left_leaves_compiling_out():
    hands = Hands()
    clock = Clock(hands)
    clock.start(total=100, done=0)
    clock.pause()
    hands.time += 1000
    clock.resume()
    hands.time += 10
    clock.advance(10)
    assert clock.left == "ETA 1:30"
    clock.pause()
    hands.time += 1000
    assert clock.left == "ETA 1:30"


def test_time_left_knows_nothing_from_what_an_earlier_run_did():
    hands = Hands()
    clock = Clock(hands)
    clock.start(total=100, done=50)
    assert (clock.left, clock.share) == ("ETA -:--", 0.5)
    hands.time += 100
    clock.advance(1)
    assert clock.left == "ETA 1:21:40"


def test_lines_come_now_and_then_and_at_the_end():
    hands, stream = Hands(), io.StringIO()
    lines = Lines(stream, now=hands)
    lines.announce("compiling 1 program")
    lines.start(total=1000, done=0)
    for _ in range(1000):
        hands.time += 0.1
        lines.advance(1, "784-8-10", 0.5)
    text = stream.getvalue().splitlines()
    assert text[0] == "compiling 1 program"
    assert text[1] == " 10%  784-8-10  loss 0.500  ETA 1:30"
    assert text[-1] == "100%  784-8-10  loss 0.500  ETA 0:00"
    assert 5 <= len(text) <= 12


def test_a_slow_run_still_says_something_every_minute():
    hands, stream = Hands(), io.StringIO()
    lines = Lines(stream, now=hands)
    lines.start(total=1_000_000, done=0)
    for chunk in range(60):
        hands.time += 10
        lines.advance(1, "784-8-10", float("nan"), diverged=2 * (chunk < 2))
    text = stream.getvalue().splitlines()
    assert len(text) == 10
    assert all("loss not finite, 4 diverged" in line for line in text)


def test_quiet_leaves_warnings():
    stream = io.StringIO()
    lines = suited(stream, quiet=True)
    lines.announce("compiling")
    lines.start(total=1, done=0)
    lines.advance(1, "784-8-10", 0.5)
    lines.warn("1 member diverged")
    assert stream.getvalue() == "warning: 1 member diverged\n"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def test_a_terminal_gets_a_bar(terminal):
    hands = Hands()
    assert isinstance(suited(terminal), Bar)
    shown = Bar(terminal, now=hands)
    shown.announce("compiling [1] program")
    shown.start(total=10, done=2)
    hands.time = 8
    shown.advance(4, "784-8-10 [epoch 3]", 0.25, diverged=1)
    shown.warn("odd")
    shown.close()
    text = terminal.getvalue()
    for words in ("compiling [1] program", "60%", "784-8-10 [epoch 3]", "loss 0.250, 1 diverged", "ETA 0:08"):
        assert words in text
    assert "warning: odd" in text
    assert text.rstrip().endswith("\x1b[?25h"), "the cursor is back"


def test_silence_still_warns(capsys):
    silent = Silent()
    silent.announce("compiling")
    silent.warn("1 CPU device on 2 cores")
    silent.close()
    assert capsys.readouterr() == ("", "warning: 1 CPU device on 2 cores\n")


def test_elsewhere_gets_lines():
    assert isinstance(suited(io.StringIO()), Lines)

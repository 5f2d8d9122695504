"""Ctrl-C where Python must not be interrupted: it waits until that is over, and is not lost."""

from __future__ import annotations

import gc
import signal
import sys
import time
import weakref
from importlib.machinery import ExtensionFileLoader

import pytest

from jaxreg.interrupts import heard, unbroken


class Extension(ExtensionFileLoader):
    """An extension in C++ that is interrupted while it is imported."""

    imported = False

    def exec_module(self, module):
        signal.raise_signal(signal.SIGINT)
        self.imported = True


def test_an_extension_is_imported_whole():
    extension = Extension("some", "some.so")
    with heard(), pytest.raises(KeyboardInterrupt):
        extension.exec_module(None)
        time.sleep(30)
    assert extension.imported


class Thing:
    """What is let go."""


class Finalized:
    """Interrupted while it is let go."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def finalized():
    Finalized()


def weakly():
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert kept() is None


def collected():
    def once(phase, _):
        gc.callbacks.remove(once)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(once)
    gc.collect()


@pytest.mark.parametrize("let_go", [finalized, weakly, collected])
def test_an_interrupt_is_not_lost_where_python_forgets_what_is_raised(let_go, capsys):
    done, hook = [], sys.unraisablehook
    with heard(), pytest.raises(KeyboardInterrupt):
        let_go()
        done.append(True)  # nobody has heard of it yet
        time.sleep(30)
    assert done and capsys.readouterr().err == "" and sys.unraisablehook is hook


def test_what_else_is_forgotten_is_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with heard():
        kept = Thing()
        weakly = weakref.ref(kept, lambda _: 1 / 0)
        del kept
    assert [one.exc_type for one in told] == [ZeroDivisionError] and weakly() is None


def test_what_is_unbroken_ends_first():
    done = []
    with heard(), pytest.raises(KeyboardInterrupt):
        with unbroken():
            with unbroken():
                signal.raise_signal(signal.SIGINT)
            time.sleep(0.2)
            done.append(True)
        time.sleep(30)
    assert done


def test_elsewhere_it_is_one_at_once():
    with heard(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("not reached")

"""Ctrl-C where Python must not be interrupted: it waits until that is over, and is not lost."""

from __future__ import annotations

import signal
import time
from importlib.machinery import ExtensionFileLoader

import pytest

from jaxreg.interrupts import heard, unbroken


class Extension(ExtensionFileLoader):
    """An extension in C++ that is interrupted while it is imported."""

    imported = False

    def exec_module(self, module):
        signal.raise_signal(signal.SIGINT)
        self.imported = True


def _xla_gc_callback():
    """As JAX calls its own, which Python calls while it looks for garbage."""
    signal.raise_signal(signal.SIGINT)
    return True


def test_an_extension_is_imported_whole():
    extension = Extension("some", "some.so")
    with heard(), pytest.raises(KeyboardInterrupt):
        extension.exec_module(None)
        time.sleep(30)
    assert extension.imported


def test_an_interrupt_is_not_lost_where_garbage_is_collected():
    done = []
    with heard(), pytest.raises(KeyboardInterrupt):
        done.append(_xla_gc_callback())
        time.sleep(30)
    assert done


class Finalized:
    """Interrupted while it is let go."""

    def __init__(self, done):
        self.done = done

    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        self.done.append(True)


def test_an_interrupt_is_not_lost_where_an_object_is_let_go():
    done = []
    with heard(), pytest.raises(KeyboardInterrupt):
        Finalized(done)
        time.sleep(30)
    assert done


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

"""Reading what a compiler made: loops count as often as they run, and nothing without an estimate is passed over."""

from __future__ import annotations

import pytest

from jaxreg.bench.hlo import Program, largest_array

TEXT = """HloModule m

%inner (a: f32[2,3]) -> f32[2,3] {
  %a = f32[2,3]{1,0} parameter(0)
  ROOT %b = f32[2,3]{1,0} add(%a, %a), backend_config={"estimated_cycles":"7"}
}

%body (p: (s32[], f32[2,3])) -> (s32[], f32[2,3]) {
  %p = (s32[]{:T(128)}, f32[2,3]{1,0:T(8,128)S(1)}) parameter(0)
  %g = f32[2,3]{1,0} get-tuple-element(%p), index=1
  %c = f32[4,100]{1,0} fusion(%g), kind=kLoop, calls=%inner, backend_config={"estimated_cycles":"10"}
  ROOT %t = (s32[], f32[2,3]) tuple(%g, %c)
}

%condition (p: (s32[], f32[2,3])) -> pred[] {
  %n = s32[]{:T(128)} constant(375)
  ROOT %lt = pred[] compare(%p, %n), direction=LT
}

%left (x: f32[2,3]) -> (s32[], f32[2,3]) {
  ROOT %w = (s32[]{:T(128)}, f32[2,3]{1,0:T(8,128)S(1)}) while(%x), condition=%condition, body=%body
}

%right (x: f32[2,3]) -> (s32[], f32[2,3]) {
  ROOT %r = (s32[], f32[2,3]) copy(%x), backend_config={"estimated_cycles":"1"}
}

ENTRY %main (x: f32[2,3]) -> f32[2,3] {
  %x = u8[1000,1000]{1,0} parameter(0)
  %copy = u8[1000,900]{1,0} copy(%x), backend_config={"estimated_cycles":"100"}
  ROOT %c = (s32[], f32[2,3]) conditional(%x), branch_computations={%right, %left}
}
"""


def test_cycles_are_of_all_that_runs():
    assert Program(TEXT).cycles() == 100 + 375 * 10


def test_an_unrolled_loop_counts_the_same():
    """Five steps in one round of 75: the sum of a program does not depend on it."""
    unrolled = TEXT.replace("constant(375)", "constant(75)").replace(
        '"estimated_cycles":"10"', '"estimated_cycles":"50"'
    )
    assert Program(unrolled).cycles() == Program(TEXT).cycles()


def test_a_loop_of_unknown_length_has_to_be_told():
    unknown = TEXT.replace("s32[]{:T(128)} constant(375)", "s32[] get-tuple-element(%p), index=0")
    with pytest.raises(ValueError, match="unknown length"):
        Program(unknown).cycles()
    assert Program(unknown).cycles(3) == 100 + 3 * 10


def test_a_call_without_an_estimate_voids_the_figure():
    called = 'fusion(%g), kind=kLoop, calls=%inner, backend_config={"estimated_cycles":"10"}'
    book = TEXT.replace(called, 'custom-call(%g), custom_call_target="AllocateBuffer"')
    assert Program(book).cycles() == 100 + 1, "the other branch is the dearer one then"
    with pytest.raises(ValueError, match="Secret"):
        Program(book.replace("AllocateBuffer", "Secret")).cycles()


def test_the_largest_arrays_in_loops_and_anywhere():
    program = Program(TEXT)
    assert program.largest() == [(1600, "f32[4,100]")]
    assert program.largest(1, loops=False) == [(900_000, "u8[1000,900]")]
    assert largest_array(TEXT) == 1_000_000
    assert program.types() == {"f32", "s32", "u8", "pred"}

"""The cubic extension against schoolbook products."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from axon.stark import extension as ext
from axon.stark.field import P
from tests.stark import reference
from tests.stark.kernel_cases import columns_as_ext, elements, ext_elements, random_matrix


def test_two_is_no_cube_so_the_quotient_is_a_field() -> None:
    assert (P - 1) % 3 == 0
    assert pow(2, (P - 1) // 3, P) != 1


@given(ext_elements, ext_elements, ext_elements)
def test_field_laws(a: ext.Ext, b: ext.Ext, c: ext.Ext) -> None:
    assert ext.mul(a, b) == reference.ext_mul(a, b) == ext.mul(b, a)
    assert ext.mul(a, ext.add(b, c)) == ext.add(ext.mul(a, b), ext.mul(a, c))
    assert ext.sub(a, b) == ext.add(a, ext.negate(b))
    assert ext.mul(a, ext.ONE) == a
    assert ext.add(a, ext.ZERO) == a


@given(ext_elements)
def test_every_element_but_zero_has_an_inverse(a: ext.Ext) -> None:
    if a == ext.ZERO:
        with pytest.raises(ZeroDivisionError):
            ext.invert(a)
    else:
        assert ext.mul(a, ext.invert(a)) == ext.ONE


@given(ext_elements, elements)
def test_the_base_field_lies_inside(a: ext.Ext, x: int) -> None:
    assert ext.scale(a, x) == ext.mul(a, ext.from_base(x))


@given(ext_elements, st.integers(0, 50))
def test_powers_are_repeated_products(a: ext.Ext, exponent: int) -> None:
    product = ext.ONE
    for _ in range(exponent):
        product = ext.mul(product, a)
    assert ext.power(a, exponent) == product
    if a != ext.ZERO:
        assert ext.mul(ext.power(a, -exponent), product) == ext.ONE


def test_the_multiplicative_group_has_its_order() -> None:
    assert ext.power((3, 5, 7), P**3 - 1) == ext.ONE


@pytest.mark.parametrize("n", [1, 7, 8, 21, 20_000])
def test_vectors_agree_with_scalars(n: int) -> None:
    a, b = random_matrix(3, n, n), random_matrix(3, n, n + 1)
    factor = (5, P - 1, 2**32)
    products = columns_as_ext(ext.vector_mul(a, b))
    scaled = columns_as_ext(ext.vector_scale(a, factor))
    for k in {0, n // 2, n - 1}:
        x, y = columns_as_ext(a)[k], columns_as_ext(b)[k]
        assert products[k] == reference.ext_mul(x, y)
        assert scaled[k] == reference.ext_mul(x, factor)
    powers = columns_as_ext(ext.powers(factor, n, (1, 2, 3)))
    assert powers[n - 1] == ext.mul((1, 2, 3), ext.power(factor, n - 1))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError):
        ext.vector_mul(random_matrix(3, 4, 0), random_matrix(3, 5, 0))
    with pytest.raises(ValueError):
        ext.vector_scale(random_matrix(2, 4, 0), ext.ONE)

"""What services are started with, before anything is started."""

from hypothesis import given
from hypothesis import strategies as st

from oddspipe.core.services import kafka


def test_an_id_that_would_begin_with_a_dash_begins_with_a_letter() -> None:
    assert kafka.cluster_id(bytes([0xFB] * 16)) == "e_v7-_v7-_v7-_v7-_v7-w"


@given(st.binary(min_size=16, max_size=16))
def test_no_id_of_a_cluster_is_taken_for_an_option(drawn: bytes) -> None:
    assert kafka.cluster_id(drawn)[0].isalpha()
    assert len(kafka.cluster_id(drawn)) == 22

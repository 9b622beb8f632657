"""Who was chosen, as a gateway writes it."""

from firstflight.domain.route_header import route_value, served_name


def test_the_header_holds_the_served_name() -> None:
    """Whichever number stands behind it; what is no such header is left as it is."""
    assert "shadow-predictor-v12" == served_name(route_value("shadow-predictor-v12"))
    assert "shadow_predictor-v12" == served_name(":shadow_predictor-v12_27:")
    assert ":a_1::b_1:" == served_name(":a_1::b_1:")
    assert served_name(None) is None

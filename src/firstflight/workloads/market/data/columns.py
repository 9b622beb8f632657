"""What one day of one instrument is made of. Free of pandas: the serving runtime reads it too."""

COLUMNS = ("open", "high", "low", "close", "volume", "fear")
"""Order of the last axis of every history: prices adjusted for splits and dividends, shares, fear index in %."""

PRICES = ("open", "high", "low", "close")

MIN_PRICE, MAX_PRICE = 1e-6, 1e9
MAX_VOLUME = 1e15
MAX_FEAR = 1e4
RANGE_TOLERANCE = 1e-6
"""Relative slack of `low <= open, close <= high`: adjusted prices are products rounded to single precision."""
MAX_RANGE = 2.718281828459045
"""A day's high and low lie within this factor of its open and close, and those of each other; e, as for moves."""

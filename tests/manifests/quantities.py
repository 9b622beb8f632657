"""Kubernetes's quantities as numbers."""

UNITS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def amount(quantity: str) -> float:
    """Return `250m` as 0.25 and `1Gi` as bytes."""
    number = quantity.rstrip("mkMGi" + "K")
    return float(number) * UNITS[quantity[len(number) :]]

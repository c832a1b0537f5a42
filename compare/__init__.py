"""The proof that another network is the reference network, number by number.

    from compare import prove

    def test_my_network_is_nielsens():
        prove(MyNetwork).require()

or `python -m compare --candidate my_module:MyNetwork`. The chain of links, in causal order: data,
initial weights, forward, gradients, update, training, predictions, figures (`compare.links`).
"""

# Nothing heavy is imported here: `__main__` sets the number of threads before NumPy starts.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.chain import prove

__all__ = ["prove"]
# Matrices this small are slower on more threads; the libraries read these once. Where they have
# been read already, as in a notebook, `prove` sets the number.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def __getattr__(name: str) -> Any:
    if name == "prove":
        from compare.chain import prove

        return prove
    raise AttributeError(f"module 'compare' has no attribute {name!r}")

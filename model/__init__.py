"""What both backends share: parameter files, data files, and what the hidden neurons do.

Nothing here trains or runs a network, and nothing here imports a framework. The words are
Nielsen's, everywhere: ``sizes``, ``weights``, ``biases``, ``eta``, ``mini_batch_size``,
``epochs``, ``nabla_w``, ``nabla_b``, ``delta``, ``zs``, ``activations``; and the verbs
``feedforward``, ``backprop``, ``update_mini_batch``, ``SGD``, ``evaluate``,
``cost_derivative``. One layout holds in ``reference`` and in files, its mirror in
``torch_impl``:

=============================  =========================  ====================================
word                           ``reference`` and files    ``torch_impl``
=============================  =========================  ====================================
``weights[l], nabla_w[l]``     (sizes[l+1], sizes[l])     the same (``nn.Linear.weight``)
``biases[l], nabla_b[l]``      (sizes[l+1], 1)            (sizes[l+1],), a column at the border
``x, y, zs[l], delta,          columns: (n, m); one       rows: (m, n)
activations[l]``               example is (n, 1)
=============================  =========================  ====================================

The axes are *pixels* (784), *hidden* (20), *digits* (10), *examples* (N) and *batch* (m).
A gradient is the sum over the mini-batch, the step is ``w - (eta / m) * nabla_w``, and the
cost is one half of the squared distance (Nielsen, chapters 1 and 2, equations BP1 to BP4).
"""


def printable(text: str) -> str:
    r"""Return text from a file as a terminal, a page or a figure may show it, on one line.

    Control characters, escapes and surrogates are written out: \n, \x1b, \udcff. As surrogates
    Python holds the bytes of a file's name that are not UTF-8, which no stream would encode.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

"""The arithmetic in plain Python: what arithmetic.md says, without a library."""

import hashlib
import math
import struct

LOG2_E = float.fromhex("0x1.71547652b82fep+0")
LN2_HI = float.fromhex("0x1.62e42feep-1")
LN2_LO = float.fromhex("0x1.a39ef35793c76p-33")
TAYLOR = [1.0 / math.factorial(j) for j in range(13, -1, -1)]


def ceil_log2(n):
    return (n - 1).bit_length()


def formats(sizes, m):
    """Fractional bits of weights, biases and activations, and of deltas."""
    first = 53 - 6 - 8 - ceil_log2(sizes[0] + 1)
    f = min([first, *((53 - 6 - ceil_log2(n + 1)) // 2 for n in sizes[1:-1])])
    return f, min([53 - f - ceil_log2(m), *(53 - f - 6 - ceil_log2(n) for n in sizes[2:])])


def grid(v, f):
    return round(v * 2.0**f) * 2.0**-f  # Python rounds half to even


def exp(t):
    t = min(max(t, -40.0), 40.0)
    k = round(t * LOG2_E)
    r = (t - k * LN2_HI) - k * LN2_LO
    p = r * TAYLOR[0]
    for coefficient in TAYLOR[1:-1]:
        p = (p + coefficient) * r
    return (p + TAYLOR[-1]) * 2.0**k


def sigmoid(z, f):
    return grid(1.0 / (1.0 + exp(-z)), f)


def feedforward(weights, biases, x, f):
    """The activations of every layer, for one example."""
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        a = activations[-1]
        zs = [sum(map(float.__mul__, row, a)) + bias for row, bias in zip(w, b, strict=True)]
        activations.append([sigmoid(z, f) for z in zs])
    return activations


def deltas(weights, activations, y, f):
    """The error of every layer after the input, for one example."""
    errors = [a - t for a, t in zip(activations[-1], y, strict=True)]
    found = []
    for layer in range(len(weights), 0, -1):
        a = activations[layer]
        found.insert(0, [grid(e * (v * (1.0 - v)), f) for e, v in zip(errors, a, strict=True)])
        columns = zip(*weights[layer - 1], strict=True)
        errors = [sum(map(float.__mul__, column, found[0])) for column in columns]
    return found


def update_mini_batch(weights, biases, mini_batch, eta):
    """One step on a list of pairs (x, y); weights and biases change in place."""
    sizes, m = [len(weights[0][0]), *map(len, biases)], len(mini_batch)
    f, f_delta = formats(sizes, m)
    traced = [feedforward(weights, biases, x, f) for x, _ in mini_batch]
    errors = [deltas(weights, a, y, f_delta) for a, (_, y) in zip(traced, mini_batch, strict=True)]
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        for i, row in enumerate(w):
            b[i] -= grid(eta / m * sum(d[layer][i] for d in errors), f)
            for j in range(len(row)):
                nabla = sum(d[layer][i] * a[layer][j] for d, a in zip(errors, traced, strict=True))
                row[j] -= grid(eta / m * nabla, f)


def fingerprint(sizes, weights, biases):
    digest = hashlib.sha256(struct.pack(f"<{len(sizes)}q", *sizes))
    for w, b in zip(weights, biases, strict=True):
        for row in [*w, b]:
            digest.update(struct.pack(f"<{len(row)}d", *(v + 0.0 for v in row)))
    return digest.hexdigest()


def permutations(seed, n):
    """The order of the n examples in every epoch, for ever."""
    draw = pcg64(seed)
    while True:
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            mask, j = 2 ** i.bit_length() - 1, n
            while j > i:
                j = next(draw) & mask
            order[i], order[j] = order[j], order[i]
        yield order


def pcg64(seed):
    """The 32-bit words of NumPy's PCG64, seeded as default_rng(seed) seeds it."""
    words = seed_words(seed)
    wide = [words[i + 1] << 96 | words[i] << 64 | words[i + 3] << 32 | words[i + 2] for i in (0, 4)]
    step = (wide[1] << 1 | 1) % 2**128
    state = (step + wide[0]) * 0x2360ED051FC65DA44385DF649FCCF645 + step
    while True:
        state = (state * 0x2360ED051FC65DA44385DF649FCCF645 + step) % 2**128
        folded, turn = (state >> 64) ^ state % 2**64, state >> 122
        word = (folded >> turn | folded << (64 - turn)) % 2**64
        yield word % 2**32  # the low half first
        yield word >> 32


def seed_words(seed):
    """Eight 32-bit words from a seed below 2**128, as NumPy's SeedSequence makes them."""

    def hasher(constant, factor):
        def hashed(value):
            nonlocal constant
            value ^= constant
            constant = constant * factor % 2**32
            return shifted(value * constant)

        return hashed

    def shifted(value):
        value %= 2**32
        return value ^ value >> 16

    mixed = hasher(0x43B0D7E5, 0x931E8875)
    pool = [mixed(seed >> 32 * i & 0xFFFFFFFF) for i in range(4)]
    for source in range(4):
        for target in range(4):
            if source != target:
                hashed = mixed(pool[source])
                pool[target] = shifted(0xCA01F9DD * pool[target] - 0x4973F715 * hashed)
    generated = hasher(0x8B51F9DD, 0x58F38DED)
    return [generated(pool[i % 4]) for i in range(8)]

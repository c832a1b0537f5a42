// Nielsen's network once more, in JavaScript: the twin that runs in a browser and in Node.
//
// Names, verbs and their order are those of reference/network.py and reference/arithmetic.py. What
// is a column there is a row here, as in torch_impl: x, y, zs[l] and activations[l] are Float64Arrays
// that hold one example after the other, weights[l] one that holds (sizes[l + 1], sizes[l]) row by row.
// In fixed-point every sum of products is exact: so zeros may be left out and rows summed in any order,
// and the bits are NumPy's. Where bits matter nothing is used but + - * / and comparison.

const SIGNIFICAND_BITS = 53; // of a number: integers up to 2**53 are exact
const PARAMETER_RANGE_BITS = 6; // weights and biases stay below 2**6 in magnitude
const PIXEL_BITS = 8; // pixels are multiples of 2**-8

const LOG2_E = 1.4426950408889634;
const LN2_HI = 0.6931471803691238; // the leading bits of ln 2: k * LN2_HI is exact
const LN2_LO = 1.9082149292705877e-10; // and the rest
const SATURATION = 40; // sigmoid(40) = 1 - 4e-18 is 1 on every grid used here
const TAYLOR = [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((j) => 1 / factorial(j));
const ROUNDER = 1.5 * 2 ** 52; // a number below 2**51 that this is added to loses its fraction

export class OverflowError extends Error {}

/** Double precision, the arithmetic of the book. */
export class Float64 {
  name = "float64";

  for_network(sizes) {
    return this;
  }

  parameters(v) {
    return Float64Array.from(v);
  }

  sigmoid(z) {
    return z.map(exact_sigmoid);
  }

  round_delta(delta, m) {
    return delta;
  }

  descend(parameters, nablas, rate) {
    parameters.forEach((v, l) => {
      const nabla = nablas[l];
      for (let i = 0; i < v.length; i++) v[i] -= nabla[i] * rate;
    });
  }

  check() {}
}

/** Multiples of 2**-f, such that every sum of products is exact. */
export class FixedPoint extends Float64 {
  name = "fixed-point";

  constructor(sizes = null) {
    super();
    this.peak_parameter = this.peak_delta = 0; // Math.max keeps a NaN
    if (sizes !== null) {
      this.sizes = sizes;
      this.parameter_scale = 2 ** parameter_bits(sizes);
    }
  }

  for_network(sizes) {
    return new FixedPoint(sizes);
  }

  parameters(v) {
    const rounded = on_grid(Float64Array.from(v), this.parameter_scale);
    this.peak_parameter = rounded.reduce((peak, w) => Math.max(peak, Math.abs(w)), this.peak_parameter);
    this.check();
    return rounded;
  }

  sigmoid(z) {
    return on_grid(z.map(exact_sigmoid), this.parameter_scale);
  }

  round_delta(delta, m) {
    on_grid(delta, this.delta_scale(m));
    this.peak_delta = delta.reduce((peak, d) => Math.max(peak, Math.abs(d)), this.peak_delta);
    return delta;
  }

  descend(parameters, nablas, rate) {
    const up = rate * this.parameter_scale;
    const down = 1 / this.parameter_scale;
    let peak = this.peak_parameter;
    parameters.forEach((v, l) => {
      const nabla = nablas[l];
      for (let i = 0; i < v.length; i++) {
        if (nabla[i] === 0) continue;
        v[i] -= (nabla[i] * up + ROUNDER - ROUNDER) * down;
        peak = Math.max(peak, Math.abs(v[i]));
      }
    });
    this.peak_parameter = peak;
  }

  check() {
    const peaks = [
      ["weight or bias", this.peak_parameter, 2 ** PARAMETER_RANGE_BITS],
      ["delta", this.peak_delta, 1],
    ];
    this.peak_parameter = this.peak_delta = 0;
    for (const [quantity, peak, limit] of peaks) {
      if (!(peak < limit)) {
        throw new OverflowError(
          `fixed-point overflow: the largest ${quantity} reached ${Number(peak.toPrecision(6))} in ` +
            `magnitude and must stay below ${limit}: use float64 arithmetic, or a smaller eta`,
        );
      }
    }
  }

  delta_scale(m) {
    return 2 ** delta_bits(this.sizes, parameter_bits(this.sizes), m);
  }
}

/** The fractional bits of weights, biases and activations that keep every z exact. */
export function parameter_bits(sizes) {
  const available = SIGNIFICAND_BITS - PARAMETER_RANGE_BITS;
  const first = available - PIXEL_BITS - ceil_log2(sizes[0] + 1);
  const later = sizes.slice(1, -1).map((n_in) => Math.floor((available - ceil_log2(n_in + 1)) / 2));
  return Math.min(first, ...later);
}

/** The fractional bits of deltas that keep every w.T @ delta and every gradient exact. */
export function delta_bits(sizes, parameter_bits, m) {
  const available = SIGNIFICAND_BITS - parameter_bits;
  const back = sizes.slice(2).map((n_out) => available - PARAMETER_RANGE_BITS - ceil_log2(n_out));
  return Math.min(available - ceil_log2(m), ...back);
}

/** The smallest k with 2**k >= n. */
export function ceil_log2(n) {
  let k = 0;
  while (2 ** k < n) k++;
  return k;
}

/** Round v in place to the nearest multiple of 1 / scale, half to even. */
export function on_grid(v, scale) {
  for (let i = 0; i < v.length; i++) v[i] = (v[i] * scale + ROUNDER - ROUNDER) / scale;
  return v;
}

/** 1 / (1 + exp(-z)) in + - * / alone, the same bits on every machine. */
export function exact_sigmoid(z) {
  return 1 / (1 + exp(-z));
}

/** e**t in + - * alone: t = k ln 2 + r, and Taylor's polynomial of degree 13 for e**r. */
export function exp(t) {
  t = Math.min(Math.max(t, -SATURATION), SATURATION);
  const k = t * LOG2_E + ROUNDER - ROUNDER;
  let r = t - k * LN2_HI;
  r -= k * LN2_LO;
  let p = r * TAYLOR[0];
  for (let j = 1; j < 13; j++) {
    p += TAYLOR[j];
    p *= r;
  }
  p += TAYLOR[13];
  return p * power_of_two(k);
}

/** 2**k exactly, built from the exponent bits of a float64. */
export function power_of_two(k) {
  BITS.setUint32(0, (k + 1023) << 20);
  return BITS.getFloat64(0);
}

const BITS = new DataView(new ArrayBuffer(8));

function factorial(j) {
  return j < 2 ? 1 : j * factorial(j - 1);
}

/** A feedforward network of sigmoid neurons that learns by stochastic gradient descent. */
export class Network {
  constructor(sizes, arithmetic = new Float64(), rng = null) {
    this.sizes = [...sizes];
    this.num_layers = sizes.length;
    this.arithmetic = arithmetic.for_network(this.sizes);
    if (rng === null) return; // from_parameters fills it
    const biases = this.sizes.slice(1).map((n) => rng.standard_normal(n));
    const weights = this.sizes.slice(1).map((n, l) => rng.standard_normal(n * this.sizes[l]));
    this.biases = biases.map((b) => this.arithmetic.parameters(b));
    this.weights = weights.map((w) => this.arithmetic.parameters(w));
  }

  /** The output activations for the input a. */
  feedforward(a) {
    return this.trace(a)[1].at(-1);
  }

  /** The weighted inputs and the activations of every layer, the input x first. */
  trace(x) {
    const zs = [];
    const activations = [x];
    this.weights.forEach((w, l) => {
      zs.push(weighted_input(w, this.biases[l], activations[l]));
      activations.push(this.arithmetic.sigmoid(zs[l]));
    });
    return [zs, activations];
  }

  /** The derivative of the cost by z, of every layer, the first hidden layer first. */
  deltas(x, y, activations = this.trace(x)[1]) {
    const m = y.length / this.sizes.at(-1);
    const times_prime = (v, a) => this.arithmetic.round_delta(v.map((d, i) => d * sigmoid_prime(a[i])), m);
    const deltas = [times_prime(this.cost_derivative(activations.at(-1), y), activations.at(-1))]; // BP1
    for (let l = this.num_layers - 2; l > 0; l--) {
      deltas.unshift(times_prime(pulled_back(this.weights[l], deltas[0], this.sizes[l], m), activations[l])); // BP2
    }
    this.arithmetic.check();
    return deltas;
  }

  /** The gradient of the cost, summed over the mini-batch: [nabla_b, nabla_w]. */
  backprop(x, y) {
    const activations = this.trace(x)[1];
    const deltas = this.deltas(x, y, activations);
    const nabla_b = deltas.map((delta, l) => summed(delta, this.sizes[l + 1])); // BP3
    const nabla_w = deltas.map((delta, l) => outer(delta, activations[l], this.sizes[l + 1], this.sizes[l])); // BP4
    return [nabla_b, nabla_w];
  }

  /** Take one step of gradient descent on one mini-batch [x, y]. */
  update_mini_batch(mini_batch, eta) {
    const [x, y] = mini_batch;
    const [nabla_b, nabla_w] = this.backprop(x, y);
    const m = y.length / this.sizes.at(-1);
    this.arithmetic.descend([...this.biases, ...this.weights], [...nabla_b, ...nabla_w], eta / m);
    this.arithmetic.check();
  }

  /** Train by mini-batch stochastic gradient descent; on_epoch(epoch, correct) after each. */
  SGD(training_data, epochs, mini_batch_size, eta, test_data = null, rng = default_rng(0), on_epoch = () => {}) {
    for (let epoch = 0; epoch < epochs; epoch++) {
      const order = rng.permutation(training_data.length);
      for (const mini_batch of mini_batches(training_data, order, mini_batch_size)) {
        this.update_mini_batch(mini_batch, eta);
      }
      on_epoch(epoch, test_data && this.evaluate(test_data));
    }
  }

  /** The number of examples whose digit the network gets right. */
  evaluate(test_data) {
    let [e, correct] = [0, 0];
    for (const x of test_data.inputs()) for (const digit of this.read(x)) correct += digit === test_data.digits[e++];
    return correct;
  }

  /** The digit that the network reads on each example; of equal outputs the lowest. */
  read(x) {
    const [a, n] = [this.feedforward(x), this.sizes.at(-1)];
    return Array.from({ length: a.length / n }, (_, e) => argmax(a.subarray(e * n, (e + 1) * n)));
  }

  /** The quadratic cost, half the squared distance to y, summed over the examples. */
  cost(x, y) {
    return this.feedforward(x).reduce((sum, a, i) => sum + (a - y[i]) ** 2, 0) / 2;
  }

  /** The derivative of the cost by the output activations. */
  cost_derivative(output_activations, y) {
    return output_activations.map((a, i) => a - y[i]);
  }

  /** A network that starts from given parameters. */
  static from_parameters(parameters, arithmetic = new Float64()) {
    const net = new Network(parameters.sizes, arithmetic);
    for (const name of ["weights", "biases"]) {
      net[name] = parameters[name].map((v) => net.arithmetic.parameters(v.flat?.() ?? v));
    }
    return net;
  }

  /** The weights and the biases as fresh arrays. */
  export() {
    return [this.weights.map((w) => w.slice()), this.biases.map((b) => b.slice())];
  }
}

/** The derivative of the sigmoid, given the activation a = sigmoid(z). */
export function sigmoid_prime(a) {
  return a * (1 - a);
}

/** Yield the mini-batches [x, y] of one epoch. */
export function* mini_batches(data, order, mini_batch_size) {
  for (let k = 0; k < order.length; k += mini_batch_size) {
    yield data.take(order.subarray(k, k + mini_batch_size));
  }
}

/** The index of the largest number; of equals the first. */
export function argmax(v) {
  return v.reduce((best, value, i) => (value > v[best] ? i : best), 0);
}

// Four products of matrices, an example in every row. Most pixels are 0 and add nothing: `lit` finds
// the others, their places and their values.

const PLACES = new Int32Array(65536);
const VALUES = new Float64Array(65536);

function lit(a, start, n_in) {
  let count = 0;
  for (let i = 0; i < n_in; i++) {
    const value = a[start + i];
    PLACES[count] = i;
    VALUES[count] = value;
    if (value !== 0) count++;
  }
  return count;
}

function weighted_input(w, b, a) {
  const n_out = b.length;
  const n_in = w.length / n_out;
  const m = a.length / n_in;
  const z = new Float64Array(m * n_out);
  for (let e = 0; e < m; e++) {
    const count = lit(a, e * n_in, n_in);
    for (let j = 0; j < n_out; j++) {
      const row = j * n_in;
      let sum = 0;
      for (let k = 0; k < count; k++) sum += w[row + PLACES[k]] * VALUES[k];
      z[e * n_out + j] = sum + b[j];
    }
  }
  return z;
}

function pulled_back(w, delta, n_in, m) {
  const n_out = w.length / n_in;
  const pulled = new Float64Array(m * n_in);
  for (let e = 0; e < m; e++) {
    for (let j = 0; j < n_out; j++) {
      const d = delta[e * n_out + j];
      for (let i = 0; i < n_in; i++) pulled[e * n_in + i] += w[j * n_in + i] * d;
    }
  }
  return pulled;
}

function summed(delta, n_out) {
  const sum = new Float64Array(n_out);
  delta.forEach((d, i) => (sum[i % n_out] += d));
  return sum;
}

function outer(delta, a, n_out, n_in) {
  const nabla = new Float64Array(n_out * n_in);
  for (let e = 0; e * n_in < a.length; e++) {
    const count = lit(a, e * n_in, n_in);
    for (let j = 0; j < n_out; j++) {
      const row = j * n_in;
      const d = delta[e * n_out + j];
      if (d === 0) continue; // that of a saturated neuron, often
      for (let k = 0; k < count; k++) nabla[row + PLACES[k]] += d * VALUES[k];
    }
  }
  return nabla;
}

/** Digits as MNIST keeps them: the bytes of the images, one after the other, and a label for each. */
export class Examples {
  constructor(bytes, digits, outputs = 10) {
    Object.assign(this, { bytes, digits, outputs, length: digits.length, pixels: bytes.length / digits.length });
  }

  /** Yield the inputs, a thousand examples at a time. */
  *inputs() {
    for (let k = 0; k < this.length; k += 1000) {
      yield this.take(Int32Array.from({ length: Math.min(1000, this.length - k) }, (_, i) => k + i))[0];
    }
  }

  /** The examples with these indices as [x, y]: byte / 256, and 1 for the digit among zeros. */
  take(indices) {
    const x = new Float64Array(indices.length * this.pixels);
    const y = new Float64Array(indices.length * this.outputs);
    indices.forEach((index, e) => {
      const image = this.bytes.subarray(index * this.pixels, (index + 1) * this.pixels);
      for (let i = 0; i < this.pixels; i++) if (image[i]) x[e * this.pixels + i] = image[i] / 256;
      y[e * this.outputs + this.digits[index]] = 1;
    });
    return [x, y];
  }
}

// NumPy's default_rng: SeedSequence, PCG64, and what a training run draws from them.

/** NumPy's generator of that seed, 0 to 2**64 - 1. */
export function default_rng(seed) {
  return new Generator(seed_sequence(BigInt(seed)));
}

const M128 = (1n << 128n) - 1n;
const M64 = (1n << 64n) - 1n;

/** The eight words of 32 bits that NumPy's SeedSequence makes of a seed. */
function seed_sequence(seed) {
  const xorshift = (v) => (v ^ (v >>> 16)) >>> 0;
  const hasher = (constant, factor) => (value) => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, factor);
    return xorshift(Math.imul(mixed, constant));
  };
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = [seed & 0xffffffffn, seed >> 32n, 0n, 0n].map((word) => hash(Number(word)));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      pool[to] = xorshift(Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hash(pool[from])));
    }
  }
  const generate = hasher(0x8b51f9dd, 0x58f38ded);
  return Array.from({ length: 8 }, (_, i) => BigInt(generate(pool[i % 4])));
}

/** PCG64: a linear congruence of 128 bits, of which a rotated exclusive or comes out. */
class Generator {
  constructor(words) {
    const wide = (i) => (words[i + 1] << 96n) | (words[i] << 64n) | (words[i + 3] << 32n) | words[i + 2];
    this.increment = ((wide(4) << 1n) | 1n) & M128;
    this.state = (this.increment + wide(0)) & M128;
    this.half = null; // what is left of the last 64 bits
    this.step();
  }

  step() {
    this.state = (this.state * 0x2360ed051fc65da44385df649fccf645n + this.increment) & M128;
  }

  next64() {
    this.step();
    const folded = (this.state >> 64n) ^ (this.state & M64);
    const turn = this.state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & M64;
  }

  next32() {
    const left = this.half;
    if (left !== null) {
      this.half = null;
      return left;
    }
    const word = this.next64();
    this.half = Number(word >> 32n);
    return Number(word & 0xffffffffn);
  }

  /** A number in [0, 1). */
  random() {
    return Number(this.next64() >> 11n) / 2 ** 53;
  }

  /** A whole number from 0 to largest: the low bits of a draw, until they are not too large. */
  interval(largest) {
    const mask = 2 ** (32 - Math.clz32(largest)) - 1;
    for (;;) {
      const number = (this.next32() & mask) >>> 0;
      if (number <= largest) return number;
    }
  }

  /** The numbers from 0 to n - 1 in a random order. */
  permutation(n) {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.interval(i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** n numbers from N(0, 1), by Marsaglia and Tsang's ziggurat. */
  standard_normal(n) {
    return Float64Array.from({ length: n }, () => this.normal());
  }

  normal() {
    for (;;) {
      const word = this.next64();
      const strip = Number(word & 0xffn);
      const whole = Number((word >> 9n) & 0xfffffffffffffn);
      const width = ZIGGURAT[strip];
      const x = (word & 0x100n ? -1 : 1) * whole * width;
      const inner = strip === 0 ? ZIGGURAT[255] : strip === 1 ? 0 : ZIGGURAT[strip - 1];
      if (whole < Math.floor((inner / width) * 2 ** 52)) return x;
      if (strip === 0) return this.tail(whole);
      // What is compared here is not what comes out: the last bit of Math.exp does not matter.
      const height = (k) => (k === 0 ? 1 : Math.exp(-((ZIGGURAT[k] * 2 ** 52) ** 2) / 2));
      if ((height(strip - 1) - height(strip)) * this.random() + height(strip) < Math.exp(-0.5 * x * x)) return x;
    }
  }

  tail(whole) {
    const edge = 3.6541528853610088;
    for (;;) {
      const beyond = -0.27366123732975828 * Math.log1p(-this.random());
      const y = -Math.log1p(-this.random());
      if (y + y > beyond * beyond) return Math.floor(whole / 256) % 2 ? -(edge + beyond) : edge + beyond;
    }
  }
}

// The widths of the ziggurat's 256 strips, over 2**52, as float64: what NumPy's standard_normal
// returns where 1 is drawn in each strip.
const ZIGGURAT = new Float64Array(Uint8Array.from(atob(
  "edkVeDtJzzzG9v3jC42LPLRbLDyvUJI8YTtEOLl8lTwMpy/o/AGYPLzQTC4MI5o892E4L00AnDx0cnRaL6ydPMPVTC1IMp88rbuOJzJNoDxDXQI7" +
  "BfWgPHc2QZemkqE89Rp6j6InojyA2GM4LrWiPPWRV8A/PKM8L7GiwZ69ozxVm/+N7zmkPKf+PTa7saQ8dNMaYnUlpTyWzgengJWlPOp+2c8xAqY8" +
  "PXyjYdJrpjxwBQCSotKmPKb4RtPaNqc8dyqzEK2YpzxD9UatRfinPHcKQ1PMVag8mnZ7nmSxqDyYz06pLgupPOoeLIJHY6k8RsU4jsm5qTwsp6Tc" +
  "zA6qPFnNd21nYqo8MBYQbq20qjycbBNtsQWrPCl6QoeEVas8Op9Sjjakqzwygr8q1vGrPPNOWflwPqw8YTsypROKrDyLJnL+ydSsPEi3gA6fHq08" +
  "EB/kKZ1nrTzDuCMAzq+tPFN28ak69608/u3Stes9rjwAb3oz6YOuPM6C+b06ya48JmLwhOcNrzyI9thU9lGvPK7Xh55tla88rC76fVPYrzzsNELg" +
  "Vg2wPJqPOfVALrA8/KUWnupOsDwQoHJbVm+wPAv0cZCGj7A8E2G8hH2vsDx/zEtmPc+wPGsIFkvI7rA87hWVMiAOsTy+DzEHRy2xPEGRjp8+TLE8" +
  "HiDEvwhrsTw02ngap4mxPIht7lEbqLE8yyr4+GbGsTwu1OCTi+SxPJ+gQJmKArI86cbEcmUgsjwfw+l9HT6yPPtrqQy0W7I8f9MdZip5sjwb1xnH" +
  "gZayPNouuGK7s7I8U7jhYtjQsjyOqcvo2e2yPNdIbg3BCrM8MLn04Y4nszyhXiZwRESzPNVSyrriYLM8algFvmp9szxksrJv3ZmzPAM9uL87trM8" +
  "4B1WmIbSszyDWnLevu6zPHSe4HHlCrQ8XXSmLfsmtDykMDzoAEO0PF3HynP3XrQ8NsNmnt96tDwvj0gyupa0PF1BAvaHsrQ83BGzrEnOtDwFpjgW" +
  "AOq0PGJVXu+rBbU8WosK8k0htTxPZmrV5jy1PMiyG053WLU8eF9VDgB0tTwUhQ7GgY+1PFkbJCP9qrU8PXN90XLGtTzTjC974+G1PDhen8hP/bU8" +
  "wx+jYLgYtjyisKLoHTS2PAsmtwSBT7Y8cpbJV+Jqtjw3MbGDQoa2PLGyUCmiobY8u0Oz6AG9tjxS0yhhYti2PFT4YTHE87Y862iL9ycPtzzGFGlR" +
  "jiq3PNzucNz3Rbc8H3PlNWVhtzxJ9O/61ny3PJO9ushNmLc8CRSLPMqztzz7ItvzTM+3POfec4zW6rc8H+qGpGcGuDx2hsjaACK4PBWfic6iPbg8" +
  "vfXRH05ZuDzFfnpvA3W4PC33R1/DkLg8Q8AFko6suDycDKGrZci4PCdqRFFJ5Lg8j7VzKToAuTxHgyjcOBy5PPwK7xJGOLk8iqIDeWJUuTzu1XC7" +
  "jnC5PDEqLonLjLk8v5k/kxmpuTws2dWMecW5PBF0byvs4bk8StL6JnL+uTySNvk5DBu6PFvIoiG7N7o8iLsLnn9UujykqUpyWnG6PD0xoGRMjro8" +
  "CPGfPlarujzO9VrNeMi6PDazi+G05bo8GqHDTwsDuzxbmJrwfCC7PAAM4KAKPrs8Az3OQbVbuzwniT+5fXm7PDz35fFkl7s8biWF22u1uzyiwC5r" +
  "k9O7PIOugZvc8bs8oBbsbEgQvDwtevDl1y68PBwNbhOMTbw8BYfsCGZsvDwXpuvgZou8PKuiNr2Pqrw8kNY7x+HJvDw34GgwXum8PG6PizIGCb08" +
  "IO83ENsovTxHxjMV3ki9PCPx55YQab08pfvX9HOJvTxwbiCZCaq9PA5J/PjSyr08Ny5SldHrvTwc0kn7Bg2+PPZG6sR0Lr48iNHBmRxQvjwl/pcv" +
  "AHK+PAq/KkshlL48CG/3wIG2vjw6pxB2I9m+PKnsAWEI/L48IVPCijIfvzxtTbcPpEK/PGgBySBfZr88gpeJBGaKvzy/InEYu66/PIXnL9Jg0788" +
  "C/YYwVn4vzx1oNNH1A7APEfJjwKoIcA8qwKpg6k0wDzH9T5O2kfAPH6zrfY7W8A8aCanI9BuwDwXLmOPmILAPFSi6AiXlsA8xMBxdc2qwDxI1O7R" +
  "Pb/APDA9qjTq08A8k2URz9TowDy2n6bv//3APEFwIARuE8E8NV27myEpwTxtCcRpHT/BPDsuYEhkVcE88+6dO/lrwTxhEtJ034LBPKzrTlYamsE8" +
  "ji9/d62xwTyUpnGpnMnBPDmu5Pvr4cE8Adniwp/6wTyBzASdvBPCPO7Tb3pHLcI8JJyspEVHwjzgWHbHvGHCPC5ZqPqyfMI8eA53zS6YwjxSCipT" +
  "N7TCPJfbljHU0MI89XipsQ3uwjzurlbS7AvDPKOkaF57KsM8oxKuBcRJwzxAqDN60mnDPApBVpKzisM8+oiucHWswzymBBezJ8/DPHX0YKrb8sM8" +
  "2uW5nKQXxDyUXlQVmD3EPBU6p0TOZMQ8vEOcdWKNxDwnWmudc7fEPAKJzQ0l48Q8QazpU58QxTxCfjpSEUDFPBvkSqmxccU82Y1xi8ClxTz+0Dok" +
  "itzFPEwehs9pFsY86moAe85TxjzD5Z++QJXGPDLiCY1r28Y8NHpf8CgnxzxzBglWlXnHPIzO1vQt1Mc8NPIpBQM5yDwUfKq/D6vIPJZEb5TgLsk8" +
  "q1dAAe7LyTxad5R43I/KPLH9eDgfmMs8M60JgrQ7zTw=",
), (character) => character.charCodeAt(0)).buffer);

/** SHA-256 of sizes, weights and biases, as model/parameters.py takes it. */
export function fingerprint(net) {
  const layers = net.weights.flatMap((w, l) => [w, net.biases[l]]);
  const bytes = new Uint8Array(8 * (net.sizes.length + layers.reduce((n, v) => n + v.length, 0)));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const n of net.sizes) view.setBigInt64(8 * at++, BigInt(n), true);
  for (const v of layers) for (const number of v) view.setFloat64(8 * at++, number + 0, true);
  return sha256(bytes);
}

/** SHA-256 in hexadecimal; a page opened from plain http has no crypto.subtle. */
export function sha256(message) {
  const primes = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p)) primes.push(n);
  const words = (power, count) => primes.slice(0, count).map((p) => ((p ** power % 1) * 2 ** 32) | 0);
  const [k, hash] = [words(1 / 3, 64), words(1 / 2, 8)];
  const padded = new Uint8Array((((message.length + 8) >> 6) + 1) << 6);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
  const turn = (v, n) => (v >>> n) | (v << (32 - n));
  const w = new Int32Array(64);
  for (let block = 0; block < padded.length; block += 64) {
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = view.getInt32(block + 4 * i);
      else {
        const s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3);
        const s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10);
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
      }
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((v, i) => (hash[i] = (hash[i] + v) | 0));
  }
  return hash.map((v) => (v >>> 0).toString(16).padStart(8, "0")).join("");
}

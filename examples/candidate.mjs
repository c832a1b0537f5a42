// A candidate in JavaScript: the twin of the page, over standard input and output.
//
//     python -m compare --quick --program 'node examples/candidate.mjs'
//
// docs/programs.md is the protocol. The twin holds an example in every row: that is what arrays of
// columns are in the order "F", so most pass as they come.

import fs from "node:fs";
import { FixedPoint, Float64, Network, mini_batches } from "../scripts/explorer/network.js";

const KINDS = { "<f8": Float64Array, "<f4": Float32Array, "<i8": BigInt64Array };
const ARITHMETICS = { "float64": Float64, "fixed-point": FixedPoint };
const nets = new Map();

// The methods: each takes a network, the arrays of the call and its numbers, and returns its lists.

const columns = (net, from = 1) => (v, l) => {
  const n = net.sizes[l + from];
  return ["F", v, [n, v.length / n]];
};
const weights = (net) => (v, l) => ["C", v, [net.sizes[l + 1], net.sizes[l]]];

const METHODS = {
  export(net) {
    return [net.weights.map(weights(net)), net.biases.map(columns(net))];
  },
  trace(net, [x]) {
    const [zs, activations] = net.trace(in_order(x, "F"));
    return [zs.map(columns(net)), activations.map(columns(net, 0))];
  },
  backprop(net, [x, y]) {
    const [nabla_b, nabla_w] = net.backprop(in_order(x, "F"), in_order(y, "F"));
    return [nabla_b.map(columns(net)), nabla_w.map(weights(net))];
  },
  update_mini_batch(net, [x, y], [eta]) {
    net.update_mini_batch([in_order(x, "F"), in_order(y, "F")], eta);
    return [];
  },
  deltas(net, [x, y]) {
    return [net.deltas(in_order(x, "F"), in_order(y, "F")).map(columns(net))];
  },
  evaluate(net, [x, labels]) {
    const digits = in_order(labels, "C");
    const correct = net.read(in_order(x, "F")).filter((digit, e) => digit === digits[e]).length;
    return [[["C", Float64Array.of(correct), []]]];
  },
  train(net, [x, y, order], [mini_batch_size, eta]) {
    const parts = [x, y].map((v) => in_order(v, "F"));
    const taken = (v, indices) => {
      const n = v.length / order.values.length;
      const place = (_, k) => v[indices[Math.floor(k / n)] * n + (k % n)];
      return Float64Array.from({ length: indices.length * n }, place);
    };
    const data = { take: (indices) => parts.map((v) => taken(v, indices)) };
    for (const mini_batch of mini_batches(data, in_order(order, "C"), mini_batch_size)) {
      net.update_mini_batch(mini_batch, eta);
    }
    return [];
  },
};

/** An array's numbers row by row ("C") or column by column ("F"). */
function in_order({ values, shape: [rows, columns = 1], order }, wanted) {
  if (order === wanted || columns === 1) return values;
  const [n, step] = wanted === "F" ? [rows, columns] : [columns, rows];
  return values.map((_, k) => values[(k % n) * step + Math.floor(k / n)]);
}

// The protocol: a line of JSON, then the bytes of its arrays.

function read_bytes(count) {
  const bytes = new Uint8Array(count);
  for (let done = 0; done < count; ) {
    const more = fs.readSync(0, bytes, done, count - done);
    if (more === 0) process.exit(); // nobody asks any more
    done += more;
  }
  return bytes;
}

function read_line() {
  const line = [];
  while (line.at(-1) !== 10) line.push(read_bytes(1)[0]);
  return Buffer.from(line).toString();
}

function receive() {
  const message = JSON.parse(read_line());
  const arrays = message.arrays.map(([dtype, shape, order]) => {
    const kind = KINDS[dtype];
    const count = shape.reduce((product, n) => product * n, 1);
    const sent = new kind(read_bytes(count * kind.BYTES_PER_ELEMENT).buffer);
    return { values: Float64Array.from(sent, Number), shape, order };
  });
  return [message, arrays];
}

function send(message, arrays = []) {
  const told = arrays.map(([order, , shape]) => ["<f8", shape, order]);
  write(Buffer.from(`${JSON.stringify({ ...message, arrays: told })}\n`));
  for (const [, v] of arrays) write(new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
}

function write(bytes) {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(1, bytes, done);
}

function answer(message, arrays) {
  if (message.do === "describe") return send({ label: "candidate.mjs", dtype: "float64" });
  if (message.do === "forget") {
    nets.delete(message.net);
    return send({});
  }
  if (message.do === "build") {
    const dtype = message.arithmetic ?? "float64";
    if (!(dtype in ARITHMETICS)) return send({ missing: dtype });
    const layers = arrays.map((v) => in_order(v, "C"));
    const weights = layers.splice(0, layers.length / 2);
    const parameters = { sizes: message.sizes, weights, biases: layers };
    nets.set(message.net, Network.from_parameters(parameters, new ARITHMETICS[dtype]()));
    return send({ offers: Object.keys(METHODS), dtype });
  }
  const lists = METHODS[message.method](nets.get(message.net), arrays, message.numbers);
  return send({ answer: lists.map((list) => list.length) }, lists.flat());
}

for (;;) {
  const request = receive();
  try {
    answer(...request);
  } catch (error) {
    send({ error: "raised", text: `it raised ${error}`, trace: error.stack });
  }
}

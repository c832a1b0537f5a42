// Trains one network, or two in step, beside the page, and tells it how far they are.

onmessage = ({ data: job }) => {
  try {
    train(job);
  } catch (error) {
    postMessage({ kind: "error", text: error.message });
  }
};

function train({ starts, sizes, training, validation, seed, epochs, mini_batch_size, eta, files }) {
  for (const [name, bytes] of files) postMessage({ kind: "file", name, sha256: sha256(bytes) });
  const [examples, unseen] = [training, validation].map(({ bytes, digits }) => new Examples(bytes, digits, sizes.at(-1)));
  const nets = starts.map((start) => Network.from_parameters({ sizes, ...start }, new FixedPoint()));
  const rng = default_rng(seed);
  let [steps, told, differences] = [0, 0, []];
  const tell = (kind, more) => {
    const parameters = nets.map((net) => ({ weights: net.weights, biases: net.biases }));
    postMessage({ kind, steps, nets: parameters, differences, ...more });
    [told, differences] = [performance.now(), []];
  };
  for (let epoch = 1; epoch <= epochs; epoch++) {
    for (const mini_batch of mini_batches(examples, rng.permutation(examples.length), mini_batch_size)) {
      for (const net of nets) net.update_mini_batch(mini_batch, eta);
      steps++;
      if (nets.length === 2 && steps % 20 === 0) differences.push([steps, furthest(...nets)]);
      if (performance.now() - told > 120) tell("steps", { epoch });
    }
    tell("epoch", { epoch, correct: nets[0].evaluate(unseen), fingerprint: fingerprint(nets[0]) });
  }
  postMessage({ kind: "done", epochs });
}

function furthest(one, other) {
  let most = 0;
  one.weights.forEach((w, l) => w.forEach((v, i) => (most = Math.max(most, Math.abs(v - other.weights[l][i])))));
  return most;
}

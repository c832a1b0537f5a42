"""What a program refuses: in one line, with exit status 2, and no file is changed."""

from importlib import import_module

import pytest

from model.atomic_write import sole_writer
from model.initial import initial_parameters
from model.mnist_files import ADVICE
from model.parameters import Parameters
from scripts import processes

NETWORKS = {  # files beside which a program is started: sizes, and what is said of the network
    "flat": ((784, 10), {}), "other": ((100, 3, 10), {}), "nine": ((784, 3, 9), {}),
    "wide": ((784, 101, 10), {}), "small": ((784, 3, 10), {}), "held": ((784, 3, 10), {}),
    **{f"seed-{k}": ((784, 3, 10), {"seed": seed}) for k, seed in enumerate(("one", -1, 1.5))},
}  # fmt: skip
HELP = ": see --help"
WHOLE = "expected a whole number, 1 or more; received"
FINITE = "expected a finite number such as 3.0; received"
SEEDS = f"argument --seeds: expected each seed once, as in 0-19; received {{}}{HELP}"
DIGITS = ("do not fit the data: expected 784 first, a unit for each pixel, and 10 last, one for "
          "each digit, such as [784, 20, 10]")  # fmt: skip
BATCH = "mini_batch_size lies between 1 and the number of training examples, 100; received 101"
DEVICE = "device is cpu, cuda or cuda:N; received"
COMPILE = "--compile needs --backend torch: NumPy's network is compiled already"
SEED = "seed: expected a whole number, 0 or more, received {}: give one with --seed"
HELD = "{}: another run is writing it: wait until it ends, or choose another --output"
PAGE = ("sizes: expected 784 inputs, 1 to 100 neurons in the first hidden layer and 10 outputs, "
        "received {}; choose another --model")  # fmt: skip
NEURON = ("neuron: expected a number from 0 to 2, received {}; the first hidden layer of this "
          "model has 3")  # fmt: skip
PIXELS = ("sizes: expected 784 inputs, one for each of the 28 by 28 pixels, received 100 in "
          "[100, 3, 10]; only networks that read MNIST images can be drawn")  # fmt: skip
REFUSED = [
    ("train --eta nan", f"argument --eta: {FINITE} nan{HELP}"),
    ("train --eta fast", f"argument --eta: {FINITE} fast{HELP}"),
    ("train --epochs -1", f"argument --epochs: {WHOLE.replace('1', '0')} -1{HELP}"),
    ("train --sizes 784 0", f"argument --sizes: {WHOLE} 0{HELP}"),
    ("train --resum --rate 3", f"unrecognized arguments: --resum --rate 3{HELP}"),
    ("train --sizes 784", "sizes: expected a list of 2 to 100 whole numbers such as [784, 20, 10], "
                          "received a list of 1"),
    ("train --data /absent", f"/absent: no such file or folder; {ADVICE}"),
    ("train --sizes 100 5 10", f"sizes [100, 5, 10] {DIGITS}"),
    ("train --sizes 784 5 8", f"sizes [784, 5, 8] {DIGITS}"),
    ("train --mini-batch-size 101", BATCH),
    ("train --mini-batch-size 101 --seeds 0-1", BATCH),
    ("train --device cuda", "--device cuda needs --backend torch; NumPy computes on the cpu"),
    ("train --compile", COMPILE),
    ("train --device cpu: --backend torch", f"{DEVICE} 'cpu:'"),
    ("train --sizes 784 5 10 --seed 1 --eta 1e6",
     "fixed-point overflow: the largest weight or bias reached 122322 in magnitude and must stay "
     "below 64: use float64 arithmetic, or a smaller eta"),
    ("train --eta 1e39 --arithmetic float32 --mini-batch-size 1",
     "training diverged in epoch 1: weights are no longer finite numbers with eta 1e+39: use a "
     "smaller eta"),
    *((f"train --seeds 0-1 {option}",
       "--seeds draws a start from each of them: leave --seed, --initial out")
      for option in ("--seed 1", "--initial small.json")),
    ("train --seeds 1,1", SEEDS.format("1,1")),
    ("train --seeds 5-3", SEEDS.format("5-3")),
    ("train --seeds a", f"argument --seeds: expected seeds such as 0-19 or 3,5; received a{HELP}"),
    ("train --output small.json",
     "small.json: exists: go on with it by --resume, or choose another --output"),
    ("train --seeds 0 --output .",
     "seed-0.json: exists: go on with it by --resume, or choose another --output"),
    ("train --output absent/out.json",
     "absent/out.json: the folder does not exist; make it first: mkdir -p {0}/absent"),
    ("train --output /dev/null",
     "/dev/null: expected the name of a file to write, received a pipe, device or socket"),
    ("train --output held.json --resume", HELD.format("{0}/held.json")),
    ("train --initial small.json --sizes 784 5 10",
     "small.json: has sizes [784, 3, 10], --sizes asks for [784, 5, 10]"),
    *((f"train --initial seed-{k}.json", f"seed-{k}.json: {SEED.format(received)}")
      for k, received in enumerate(('"one"', "-1", "1.5"))),

    ("tune --seeds 0", f"argument --seeds: {WHOLE} 0{HELP}"),
    ("tune --configuration 3,3", "argument --configuration: expected HIDDEN,MINI_BATCH_SIZE,ETA "
                                 f"such as 25,20,3.0; received 3,3{HELP}"),
    ("tune --configuration 25,0,3", f"argument --configuration: {WHOLE} 0{HELP}"),
    ("tune --configuration 25,20,inf", f"argument --configuration: {FINITE} inf{HELP}"),
    ("tune --mini-batch-size 10 101", BATCH),
    ("tune --hidden 3 70000",
     "sizes[1]: expected a whole number from 1 to 65,536, received 70000"),
    ("tune --device x --backend torch", f"{DEVICE} 'x'"),
    ("tune --compile", COMPILE),
    ("tune --output small.json",
     "small.json: no folder to write to (File exists): choose another --output"),
    ("tune --output held", HELD.format("{0}/held/results.json")),

    ("explore --model wide.json", PAGE.format([784, 101, 10])),
    ("explore --model flat.json", PAGE.format([784, 10])),
    ("explore --model nine.json", PAGE.format([784, 3, 9])),
    ("explore --model other.json", PIXELS),
    ("visualize_weights --model other.json", PIXELS),
    ("visualize_weights --model flat.json",
     "sizes: expected inputs, at least one hidden layer and outputs, received [784, 10]; this "
     "network has no hidden neuron to look at"),
    ("visualize_weights --initial small.json",
     "--initial small.json: is not what this model was trained from: leave it out"),
    ("fav_neuron --model small.json", NEURON.format(11)),
    ("fav_neuron 3 --model small.json", NEURON.format(3)),
    ("fav_neuron --model small.json -- -1", NEURON.format(-1)),
    ("reproduce --device tpu", f"{DEVICE} 'tpu'"),
    ("reproduce --data absent", f"absent: no such file or folder; {ADVICE}"),
    ("seeds --families 1", f"argument --families: {WHOLE.replace('1', '2')} 1{HELP}"),
    ("benchmark --examples 101", "--examples 101: the training data have 100: ask for fewer"),
    ("benchmark --picture a.json",
     "--picture: expected a name that ends in .png, received a.json"),
    ("benchmark --picture a.png --rounds 3",
     "--picture takes no other option than --data and --examples"),
    ("benchmark --picture absent/a.png",
     "absent/a.png: the folder does not exist; make it first: mkdir -p {0}/absent"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_what_a_program_refuses(few_digits, tmp_path, refused, monkeypatch, words, line):
    monkeypatch.chdir(tmp_path)
    for name, (sizes, known) in NETWORKS.items():
        if f"{name}.json" in words + line:
            drawn = initial_parameters(sizes, seed=0)
            Parameters(sizes, drawn.weights, drawn.biases, known).save(f"{name}.json")
    (tmp_path / "held").mkdir()
    monkeypatch.setattr(processes, "run_all", None)  # before any work is done
    program, *options = words.split()
    with sole_writer("held.json"), sole_writer("held/results.json"):
        argv = ["--data", few_digits, *options]
        assert refused(import_module(f"scripts.{program}"), *argv) == line.format(tmp_path)

"""The main job: train both networks from one start and show that they are the same to the last bit.

python -m scripts.reproduce            30 epochs of each, then the proof, link by link
python -m scripts.reproduce --quick    2 epochs
"""

import argparse
import shutil

from compare import report
from model.parameters import Parameters
from scripts.command_line import (
    SHIPPED_MODEL,
    SHIPPED_START,
    Settings,
    find_data,
    program,
    start,
    twin,
)
from scripts.programs import next_steps
from scripts.progress import Epochs, busy
from scripts.side_by_side import first_difference, table, train_both

DATA = {"mnist": "MNIST", "synthetic": "synthetic digits", "other": "digits that are not MNIST"}


@program(__doc__, "device", "compile", "data", "quick")
def main(args: argparse.Namespace) -> int:
    """Train both, print what they came to, and put the PyTorch network to the proof."""
    with busy("reading the data"):
        if args.device != Settings.device:  # refused before any training
            twin("torch", "device").choose_device(args.device)
        files = find_data(args.data)
    begin, shipped = Parameters.load(SHIPPED_START), Parameters.load(SHIPPED_MODEL)
    epochs = 2 if args.quick else Settings.epochs
    asked = {"device": args.device, "compile": args.compile}
    settings = Settings(epochs=epochs, seed=begin.metadata["seed"], **asked)
    print(f"Training 784-20-10 twice, {epochs} epochs of {DATA[files.kind]}, from one start")
    with Epochs(epochs, 0, "numpy", "torch") as progress:

        def on_news(name: str, done: int, text: str) -> None:
            if name == "proof":
                progress.beside(f"proof: {text}")
            else:
                progress.advance(done, text, name)

        trained = train_both(settings, begin, files, on_news, args.data)
    print(table(trained, shipped, args.device))
    proof = trained["proof"]
    print(f"\n{report.as_text(proof, shutil.get_terminal_size((100, 24)).columns, brief=True)}\n")
    if files.notice:
        print(files.notice)
    data = ["--data", args.data] if args.data else []
    steps: list[tuple[str, str, list[str]]] = [
        ("the whole proof, or of your own class: --candidate", "compare", data),
        ("the story of neuron 11, called Jalebi", "fav_neuron", data),
        ("every figure, in one page to open in a browser", "figures", [*data, "--output", "out"]),
        ("train it your own way", "train", ["--help"]),
    ]
    print(next_steps(*steps))
    return 0 if first_difference(trained) is None and proof.status == 0 else 1


if __name__ == "__main__":
    start(main)

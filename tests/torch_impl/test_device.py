"""Choosing the device: what is accepted, what is refused and how it is said."""

import re

import pytest
import torch

from torch_impl.device import choose_device


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)])
def test_the_cpu_is_always_there(device):
    assert choose_device(device) == torch.device(device)
    assert choose_device() == torch.device("cpu")


@pytest.mark.parametrize(
    "device", ["mps", "CPU", "gpu", "", "cpu:", "cpu:1", "cuda:", "cuda:-1", "cuda:²", " cpu", None]
)
def test_another_device_is_refused_by_name(device):
    text = f"device is cpu, cuda or cuda:N; received {str(device)!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        choose_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7", torch.device("cuda")])
def test_cuda_is_refused_where_there_is_none(device):
    text = f"device {str(device)!r} needs CUDA, and PyTorch finds none here: use cpu"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        choose_device(device)


@pytest.fixture
def tf32():
    """A function that allows or forbids TF32, undone afterwards."""
    before = torch.backends.cuda.matmul.allow_tf32
    yield lambda allowed: setattr(torch.backends.cuda.matmul, "allow_tf32", allowed)
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.mark.parametrize("allowed", [True, False])
def test_the_cpu_leaves_tf32_and_threads_as_they_are(tf32, allowed):
    tf32(allowed)
    threads = torch.get_num_threads()
    choose_device("cpu")
    assert torch.backends.cuda.matmul.allow_tf32 is allowed
    assert torch.get_num_threads() == threads


@pytest.mark.cuda
def test_cuda_turns_tf32_off(tf32):
    tf32(True)
    assert choose_device("cuda") == torch.device("cuda")
    assert torch.backends.cuda.matmul.allow_tf32 is False


@pytest.mark.cuda
def test_a_cuda_device_beyond_the_last_is_refused():
    found = torch.cuda.device_count()
    text = f"device 'cuda:{found}' does not exist; PyTorch finds {found}, numbered from 0"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        choose_device(f"cuda:{found}")

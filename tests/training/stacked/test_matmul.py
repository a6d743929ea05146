import itertools

import pytest
import torch

from harness.training.stacked import matmul_backend
from harness.training.stacked.matmul import BatchedMatmul, aligned, use_matmul_backend
from harness.training.stacked.matmul_backend import choose_matmul_backend


@pytest.fixture
def factors():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(3, 20, 50, generator=generator), torch.rand(3, 50, 30, generator=generator)


def test_exact_products_are_the_scaled_products(factors):
    left, right = factors
    out = torch.full((3, 20, 30), float("nan"))
    BatchedMatmul("float32").multiply(left, right, 0.5, out=out)
    torch.testing.assert_close(out, 0.5 * (left @ right))
    BatchedMatmul("float32").add(out, left, right, 2.0)
    torch.testing.assert_close(out, 2.5 * (left @ right))


def test_narrow_products_round_to_bfloat16(factors):
    left, right = factors
    out = torch.zeros(3, 20, 30)
    BatchedMatmul("bfloat16").multiply(left, right, 1.0, out=out)
    assert not torch.equal(out, left @ right)
    torch.testing.assert_close(out, left @ right, rtol=2**-6, atol=0)
    BatchedMatmul("bfloat16").add(out, left, right, -1.0)
    assert out.abs().max() < 2**-5 * (left @ right).max()


def test_a_library_is_used_inside_alone():
    assert torch.get_float32_matmul_precision() == "highest"
    with use_matmul_backend("onednn"):
        assert torch.get_float32_matmul_precision() == "medium"
        with use_matmul_backend("default"):
            assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "highest"


def tf32(factor):
    """Ten bits behind the point, as that unit reads them."""
    return (factor.view(torch.int32) + 2**12).bitwise_and(-(2**13)).view(torch.float32)


def bfloat16(factor):
    return factor.bfloat16().float()


class Bench:
    """Stands for a machine: how its two libraries multiply, and how long they take. `error`, of sums of 784 products,
    grows with what is summed."""

    def __init__(self, monkeypatch, error=0.0, seconds=(1.0, 1.0), by_stack=False, unit=None):
        self.now, self.error, self.seconds, self.by_stack, self.unit = 0.0, error, seconds, by_stack, unit
        self.exact = torch.baddbmm
        monkeypatch.setattr(torch, "baddbmm", self.baddbmm)
        monkeypatch.setattr(matmul_backend.time, "perf_counter", lambda: self.now)

    def baddbmm(self, given, left, right, beta, alpha, out):
        other = torch.get_float32_matmul_precision() == "medium"
        self.now += self.seconds[other]
        if other and self.unit:
            left, right = self.unit(left), self.unit(right)
        with use_matmul_backend("default"):  # whatever this machine's own other library does
            self.exact(given, left, right, beta=beta, alpha=alpha, out=out)
        if other:
            out.mul_(1 + self.error * left.shape[2] / 784)
            if self.by_stack and len(left) > 1:
                out.mul_(1 + 1e-7)


@pytest.mark.parametrize("error", [1e-7, 3e-7], ids=["as exact", "as sums in another order"])
def test_the_other_library_is_taken_where_it_is_as_exact_and_clearly_faster(monkeypatch, error):
    Bench(monkeypatch, error=error, seconds=(2.0, 1.0))
    assert choose_matmul_backend() == "onednn"


@pytest.mark.parametrize(
    "machine",
    [
        {"error": 0.0, "seconds": (2.0, 1.0)},  # the same library under both names
        {"unit": tf32, "seconds": (2.0, 1.0)},
        {"unit": bfloat16, "seconds": (2.0, 1.0)},
        {"error": 1e-7, "seconds": (1.25, 1.0)},
        {"error": 1e-7, "seconds": (2.0, 1.0), "by_stack": True},
    ],
    ids=["the same", "TF32", "bfloat16", "hardly faster", "depends on the stack"],
)
def test_otherwise_torchs_own_choice_stays(monkeypatch, machine):
    Bench(monkeypatch, **machine)
    assert choose_matmul_backend() == "default"


def test_a_busy_moment_does_not_change_the_choice(monkeypatch):
    """Torch's own library seems slow while another program runs: at first twice as slow as it is."""
    bench = Bench(monkeypatch, error=1e-7, seconds=(1.4, 1.0))
    measured = matmul_backend._seconds

    def seconds(name, factors):
        if bench.now > 120:
            bench.seconds = (1.1, 1.0)
        return measured(name, factors)

    monkeypatch.setattr(matmul_backend, "_seconds", seconds)
    assert choose_matmul_backend() == "default"
    bench.now, bench.seconds = 0.0, (1.4, 1.0)
    monkeypatch.setattr(matmul_backend, "_MOST_REPEATS", 7)
    assert choose_matmul_backend() == "onednn", "seven looks are not enough"


@pytest.mark.parametrize("seconds", [(2.0, 1.0), (1.0, 2.0)])
@pytest.mark.parametrize("before", ["default", "onednn"])
def test_what_was_chosen_before_stays_whatever_it_takes_now(monkeypatch, before, seconds):
    Bench(monkeypatch, error=1e-7, seconds=seconds)
    assert choose_matmul_backend(before=before) == before


def test_what_was_chosen_before_on_a_machine_where_it_was_exact_does_not_stay_where_it_is_not(monkeypatch):
    Bench(monkeypatch, unit=bfloat16)
    assert choose_matmul_backend(before="onednn") == "default"


def test_on_a_gpu_there_is_nothing_to_choose(monkeypatch):
    Bench(monkeypatch, error=1e-7, seconds=(2.0, 1.0))
    assert choose_matmul_backend("cuda", before="onednn") == "default"


def test_the_choice_of_this_machine_leaves_its_settings_alone():
    threads = torch.get_num_threads()
    assert choose_matmul_backend() in ("default", "onednn")
    assert torch.get_num_threads() == threads
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["default", "onednn"])
def test_a_small_product_does_not_depend_on_its_stack(precision, name):
    generator, products = torch.Generator().manual_seed(1), BatchedMatmul(precision)

    def in_place(runs, *shape):
        return aligned(runs, *shape, like=torch.empty(())).copy_(torch.rand(runs, *shape, generator=generator) - 0.5)

    different = []
    with use_matmul_backend(name):
        for n, k, m, runs in itertools.product((1, 3, 7, 10, 12), (5, 12, 33, 64), (1, 2, 4, 5, 9, 31), (2, 5, 16)):
            left, right, together, target = (
                in_place(runs, n, k), in_place(runs, k, m), in_place(runs, n, m), in_place(runs, n, m)
            )  # fmt: skip
            added = aligned(runs, n, m, like=target).copy_(target)
            products.multiply(left, right, 0.5, out=together)
            products.add(added, left, right, 0.5)
            for run in range(runs):
                own = [aligned(1, *one.shape[1:], like=one).copy_(one[run]) for one in (left, right, together, target)]
                products.multiply(own[0], own[1], 0.5, out=own[2])
                products.add(own[3], own[0], own[1], 0.5)
                if not (torch.equal(own[2][0], together[run]) and torch.equal(own[3][0], added[run])):
                    different.append((n, k, m, runs))
    assert not different

import pytest
import torch

from harness.reference import worked_examples


def test_by_hand_two_steps_on_the_bowl():
    """From (10, 7.5) on L = (0.5 w₁² + 1.5 w₂²)/2 with η 0.1, γ 0.9: v = −0.1 (5, 11.25), then 0.9 v − 0.1 ∇L."""
    by_hand, _ = worked_examples.descend([0.1, 0.1], 0.9)
    assert by_hand[0].tolist() == [pytest.approx(9.5), pytest.approx(6.375)]
    assert by_hand[1].tolist() == [
        pytest.approx(9.5 + 0.9 * -0.5 - 0.1 * 0.5 * 9.5),
        pytest.approx(6.375 + 0.9 * -1.125 - 0.1 * 1.5 * 6.375),
    ]


def test_the_loss_of_the_chain_rule_is_the_binary_cross_entropy_and_its_gradients_have_its_weights_shapes():
    given = worked_examples.chain_rule()
    assert [tuple(gradient.shape) for gradient in given.by_hand] == [(4, 3), (3, 1)]
    assert given.loss > 0 and given.error < 1e-12


def test_the_networks_gradients_are_the_slopes_of_its_loss():
    weights = [weight.detach() for weight in worked_examples.network().weights]
    for layer, gradient in enumerate(worked_examples.network_gradients()):
        place = divmod(int(gradient.abs().argmax()), gradient.shape[1])
        losses = []
        for shift in (1e-6, -1e-6):
            moved = [weight.clone() for weight in weights]
            moved[layer][place] += shift
            losses.append(worked_examples.network_loss(moved))
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx(gradient[place].item(), rel=1e-5)


@pytest.mark.parametrize(
    ("samples", "size", "drop_last", "batches", "last"),
    [(50_000, 4_000, False, 13, 2_000), (50_000, 4_000, True, 12, 4_000), (569, 5, False, 114, 4), (9, 9, True, 1, 9)],
)
def test_a_loader_hands_out_the_rest_unless_it_is_dropped(samples, size, drop_last, batches, last):
    sizes = worked_examples.batch_sizes(samples, size, drop_last)
    assert (len(sizes), sizes[-1], set(sizes[:-1]) <= {size}) == (batches, last, True)


def test_distance_is_that_of_the_entries_farthest_apart():
    assert worked_examples.distance(torch.tensor([1.0, 2.0]), torch.tensor([1.5, -1.0])) == 3


@pytest.mark.parametrize("at", [1.0, -3.0])
def test_autograd_knows_the_slope_of_a_square(at):
    assert worked_examples.slope_of_a_square(at) == 2 * at

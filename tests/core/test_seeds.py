from harness.core.seeds import derive


def test_a_seed_is_the_start_of_the_sha256_of_seed_and_role():
    # printf '420/weights' | sha256sum
    assert derive(420, "weights") == int("1aef18f3", 16)


def test_roles_and_seeds_do_not_share_a_stream():
    assert len({derive(seed, role) for seed in range(100) for role in ("split", "weights", "order")}) == 300

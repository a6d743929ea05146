"""`python -m analysis.minibatch_cost`: do mini-batches make training cheaper?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("minibatch_cost")

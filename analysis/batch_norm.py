"""`python -m analysis.batch_norm`: does BatchNorm add 5 %?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("batch_norm")

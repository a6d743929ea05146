"""`python -m analysis.batch_noise`: do small batches make a zigzag path?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("batch_noise")

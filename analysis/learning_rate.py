"""`python -m analysis.learning_rate`: is there a best lr between too small and too large?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("learning_rate")

"""`python -m analysis.usual_lr`: is the best lr a usual one?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("usual_lr")

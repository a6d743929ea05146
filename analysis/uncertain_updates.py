"""`python -m analysis.uncertain_updates`: do small batches make the number of updates uncertain?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("uncertain_updates")

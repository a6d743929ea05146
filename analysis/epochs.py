"""`python -m analysis.epochs`: are more epochs always better?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("epochs")

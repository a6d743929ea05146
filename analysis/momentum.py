"""`python -m analysis.momentum`: does momentum speed training?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("momentum")

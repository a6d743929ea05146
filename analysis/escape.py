"""`python -m analysis.escape`: does mini-batch noise leave local minima?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("escape")

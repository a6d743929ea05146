"""`python -m analysis.larger_steps`: does a full batch bear larger steps?"""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("larger_steps")

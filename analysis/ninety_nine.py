"""`python -m analysis.ninety_nine`: do mature networks easily reach 99 % on Fashion-MNIST? By what others published."""

from analysis import claim_cli

if __name__ == "__main__":
    claim_cli.run("ninety_nine")

"""`python -m analysis.ninety_nine`: do mature networks easily reach 99 % on Fashion-MNIST? By what others published."""

from analysis import one_claim

if __name__ == "__main__":
    one_claim.run("ninety_nine")

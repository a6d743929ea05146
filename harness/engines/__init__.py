"""Where runs are executed: worker processes of this machine, or a Ray cluster.

Engines report events; they record nothing and know neither studies nor claims.
"""

"""Any number of sequences in shards: in this process or on a cluster, with one result, and going on after a kill.

plan: which bytes of the input are which shard; depends on the input and on nothing else
  → worker: a shard's records → predictions, on one device
  → folder: each shard's table, whole or not there
  → joined in order to the output
"""

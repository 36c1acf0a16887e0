"""Models of people's own sequences: segment embeddings of both haplotypes in, one gene's expression out.

config       what one TOML file decides
pretraining  a compact Nucleotide Transformer, where no published one is given
backbone     the Nucleotide Transformer from a checkpoint's folder, as an embedder of segments
cutting      everybody's segments around every gene, cut by the service's own code
embedding    each distinct segment's embedding, once
preparation  all of the above, kept for every later step
landmarks    what the head knows of each gene: its reference, and how people differ from it
window_data  one gene's window as the head learns from it
head, loss   the transformer over segments, and what it is fitted to
fit          the loop, for every regime
crossfit     people and genes held out
evaluation   all models beside each other; card, report: in words and pictures
graphs       the head as it serves
export       the bundle
steps        the commands
"""

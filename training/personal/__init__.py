"""Models of people's own sequences: segment embeddings of both haplotypes in, one gene's expression out.

config       what one TOML file decides
pretraining  a compact Nucleotide Transformer, where no published one is given
backbone     the Nucleotide Transformer from a checkpoint's folder
cutting      everybody's segments around every gene, cut by the service's own code
embedding    each distinct segment's embedding, once
window_data  embeddings and expression, as the head learns from them
landmarks    what the head knows of each gene: its reference and how people differ from it
head         the transformer over segments
loss         Huber, and the same for the differences between people
fit          the loop, for every regime
evaluation   people who were held out, genes that were held out, shuffled genotypes
export       the bundle
steps        all of the above as commands
"""

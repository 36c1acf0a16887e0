"""Predictions for people: from a question and genotypes to each person's values, beside the predictor.

question      what is asked
windows of a model → preparation: everybody's haplotypes over them, distinct ones once
prediction    distinct haplotypes → values, in chunks
answer        values → what each person has, beside the reference
dosages       what models of dosages say of the same people
people        all of the above, in this order
"""

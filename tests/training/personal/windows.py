"""Made-up embeddings of forty people's windows: two genes of four segments, in one of which people differ."""

import numpy as np

from training.personal.fit import PersonalData

PEOPLE, GENES, SEGMENTS, WIDTH = 40, 2, 4, 8
VARIED = 2


def made_up_data(seed: int = 0) -> PersonalData:
    """The first gene's expression is the copies of its other version of segment 2, less one; the second's is noise."""
    generator = np.random.default_rng(seed)
    references = np.arange(GENES * SEGMENTS, dtype=np.int32).reshape(GENES, SEGMENTS)
    embeddings = generator.normal(size=(GENES * SEGMENTS + GENES, WIDTH)).astype(np.float32)
    rows = np.repeat(references[:, None, None], PEOPLE, axis=1).repeat(2, axis=2)
    carried = generator.integers(0, 2, size=(GENES, PEOPLE, 2))
    for gene in range(GENES):
        other = GENES * SEGMENTS + gene
        embeddings[other] = embeddings[references[gene, VARIED]] + 0.01 * generator.normal(size=WIDTH)
        rows[gene, :, :, VARIED] = np.where(carried[gene] == 1, other, references[gene, VARIED])
    expression = np.stack([carried[0].sum(axis=1) - 1.0, generator.normal(size=PEOPLE)], axis=1)
    levels = generator.normal(size=(PEOPLE, GENES)).astype(np.float32)
    return PersonalData(embeddings, rows, references, expression.astype(np.float32), references, levels)

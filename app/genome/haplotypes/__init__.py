"""From a region's genotypes to everybody's haplotypes over a window, by explicit rules.

policies     what to decide where a VCF leaves a choice
edits        what each allele does to the reference, once for everybody; borders: at the ends of a region
phase        on which haplotype an allele stands; calls: what the calls leave open
carried      which changes each haplotype carries, equal lists once
mismatches   whether the records agree with the reference
overlaps     which of the changes of one haplotype can stand together
people       all of the above, in this order
fitting      what a window of fixed length reads of a list of changes
spelling     the sequence
carriers     who has which distinct haplotype, and what makes it
distinct     distinct haplotypes over a window
segments     the same for the segments of a long window
widening     how far around a window variants must be read
chains       the coordinate map between reference and haplotype
samples      some samples, or one that carries everything
"""

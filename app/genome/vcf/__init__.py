"""A strict parser of VCF text: header, record lines, genotype columns, and from them the genotypes of one region."""

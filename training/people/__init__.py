"""Models of people: each person's genotypes in, the expression of genes out, measured on people who were held out."""

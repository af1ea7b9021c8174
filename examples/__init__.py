"""Two sites in front of which isgware stands; each has a README."""

"""Plans: what is to be done with many transfers, frozen in a file, so that people read it before it is done."""
